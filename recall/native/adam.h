// Adam (Kingma & Ba 2015, Algorithm 1), and the sums of squares that are reported of what passes through it.
#pragma once

#include <cmath>

#include "vector.h"

namespace recall {

class Adam {
 public:
  // The step size, and which update this is, from 1.
  Adam(double rate, double update)
      : rate_(static_cast<float>(rate / (1 - std::pow(DECAY1, update)))),
        scale2_(static_cast<float>(1 / (1 - std::pow(DECAY2, update)))) {}

  double gradient = 0, added = 0, parameters = 0;  // sums of squares so far

  // n parameters with their moments descend their gradient and what is added to it, if anything is.
  void step(int64_t n, float* parameter, float* first, float* second, const float* gradients, const float* added_too) {
    Vector squares(0.f), added_squares(0.f), parameter_squares(0.f);
    for_lanes(n, [&](int64_t i, int64_t lanes) {
      Vector g = load(gradients + i, lanes);
      squares = squares + g * g;
      if (added_too) {
        const Vector other = load(added_too + i, lanes);
        added_squares = added_squares + other * other;
        g = g + other;
      }
      const Vector m0 = load(first + i, lanes), m = m0 + Vector(float(1 - DECAY1)) * (g - m0);
      const Vector v = load(second + i, lanes) * Vector(float(DECAY2)) + g * g * Vector(float(1 - DECAY2));
      const Vector root = (v * Vector(scale2_)).sqrt() + Vector(EPS);
      const Vector x = load(parameter + i, lanes) - Vector(rate_) * m / root;
      parameter_squares = parameter_squares + x * x;
      store(first + i, m, lanes);
      store(second + i, v, lanes);
      store(parameter + i, x, lanes);
    });
    gradient += sum(squares);
    added += sum(added_squares);
    parameters += sum(parameter_squares);
  }

 private:
  static constexpr double DECAY1 = 0.9, DECAY2 = 0.999;
  static constexpr float EPS = 1e-8f;
  float rate_, scale2_;
};

}  // namespace recall
