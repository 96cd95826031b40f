// A critic: hidden layers and one output, which is a weighted sum of the last units rather than a product.
#pragma once

#include "hidden.h"

namespace recall {

// NaN where either is.
inline float lower(float a, float b) { return a < b || a != a ? a : b; }

template <typename T>
class Critic {
 public:
  Critic(int64_t batch, int64_t n_inputs, const std::vector<int64_t>& hidden, Scratch<T>& scratch)
      : batch_(batch),
        scratch_(scratch),
        hidden_(batch, n_inputs, hidden, scratch),
        n_(hidden.back()),
        width_(hidden_.width()),
        weight_(width_),
        sums_(width_),
        upstream_(padded(batch)) {}

  void pack(const std::vector<Affine>& parameters) {
    hidden_.pack(parameters);
    std::memcpy(weight_, parameters.back().weight, n_ * sizeof(float));
    bias_ = *parameters.back().bias;
  }

  // Values, (batch,).
  void evaluate(const Input<T>& x, float* values) {
    hidden_.forward(x);
    const T* units = hidden_.units();
    for (int64_t row = 0; row < batch_; ++row) {
      Vector total(0.f);
      for (int64_t j = 0; j < width_; j += LANES) {
        total = total + load(units + row * width_ + j) * load(weight_ + j);
      }
      values[row] = sum(total) + bias_;
    }
  }

  // Back from a gradient in the values, (batch,).
  void backward(const float* gradient) {
    std::copy_n(gradient, batch_, static_cast<float*>(upstream_));
    hidden_.backward([&](int64_t row, int64_t j) { return Vector(upstream_[row]) * load(weight_ + j); });
  }

  // Back from a gradient in the values of some rows to that of the inputs from `first` on, added to c, (batch, stride).
  void add_input_gradient(const std::vector<Affine>& parameters, const std::vector<int64_t>& rows,
                          const float* gradient, int64_t first, float* c, int64_t stride) {
    const int64_t n = rows.size();
    if (n == 0) {
      return;
    }
    hidden_.backward(n, [&](int64_t row) { return rows[row]; },
                     [&](int64_t row, int64_t j) { return Vector(gradient[rows[row]]) * load(weight_ + j); });
    const float* found = scratch_.wide;
    hidden_.input_gradient(n, parameters.front(), first, scratch_.wide, stride);
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t j = 0; j < stride; j += LANES) {
        float* to = c + rows[row] * stride + j;
        store(to, load(to) + load(found + row * stride + j));
      }
    }
  }

  // After `backward`: calls take(layer, part, at, n, gradient) for all layers; `inputs` are transposed.
  template <typename Take>
  void gradients(const T* inputs, const Take& take) {
    const T* units = hidden_.units();
    float bias = 0;
    std::memset(sums_, 0, width_ * sizeof(float));
    for (int64_t row = 0; row < batch_; ++row) {
      bias += upstream_[row];
      for (int64_t j = 0; j < width_; j += LANES) {
        store(sums_ + j, load(sums_ + j) + load(units + row * width_ + j) * Vector(upstream_[row]));
      }
    }
    take(hidden_.n_layers(), &Affine::weight, 0, n_, sums_);
    take(hidden_.n_layers(), &Affine::bias, 0, 1, &bias);
    hidden_.gradients(inputs, take);
  }

 private:
  int64_t batch_;
  Scratch<T>& scratch_;
  Hidden<T> hidden_;
  int64_t n_, width_;
  Buffer<float> weight_, sums_, upstream_;
  float bias_ = 0;
};

}  // namespace recall
