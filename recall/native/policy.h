// The squashed Gaussian policy: actions by reparameterised noise with their log density, and the way back.
// The names and formulas are those of recall/agents/sac.py.
#pragma once

#include <cmath>

#include "hidden.h"

namespace recall {

template <typename T>
class Policy {
 public:
  Policy(int64_t batch, int64_t obs_dim, const std::vector<int64_t>& hidden, int64_t action_dim, Scratch<T>& scratch)
      : batch_(batch),
        rows_(padded(batch)),
        action_dim_(action_dim),
        scratch_(scratch),
        hidden_(batch, obs_dim, hidden, scratch),
        head_(hidden.back(), 2 * action_dim),
        outputs_(rows_ * head_.out_stride),
        gradient_(rows_ * head_.out_stride),
        sums_(head_.out_stride),
        mean_(batch * action_dim),
        log_std_(batch * action_dim),
        noisy_(batch * action_dim),
        slope_(batch * action_dim),
        action_(batch * action_dim),
        log_prob_(batch * action_dim) {}

  const float* action() const { return action_; }

  void pack(const std::vector<Affine>& parameters) {
    hidden_.pack(parameters);
    head_.pack(parameters.back());
  }

  // Fills `action` in states by standard normal noise, and log pi(a|s), (batch,).
  void sample(const Input<T>& obs, const float* noise, float* log_prob) {
    evaluate(obs);
    squash(noise);
    for (int64_t row = 0; row < batch_; ++row) {
      log_prob[row] = 0;
      for (int64_t j = 0; j < action_dim_; ++j) {
        log_prob[row] += log_prob_[row * action_dim_ + j];
      }
    }
  }

  // After `sample`: back from E[temperature log pi(a|s)] plus a loss with gradient `wanted` in the actions,
  // (batch, stride).
  void backward(const float* wanted, int64_t stride, float temperature) {
    const float weight = temperature / batch_;
    backward_from([&](int64_t row, int64_t j, int64_t at) {
      // In x, log pi has the gradient 2 a; in log_std besides, by the Gaussian, -1.
      const float x = weight * 2 * action_[at] + wanted[row * stride + j] * slope_[at];
      return std::tuple(x, x * noisy_[at] - weight);
    });
  }

  // Back from weight times Eq. 6, of actions before tanh x, (batch, action), in states obs where valid, (batch,).
  void imitate(const Input<T>& obs, const float* x, const bool* valid, float weight) {
    evaluate(obs);
    const float share = weight / std::max<int64_t>(std::count(valid, valid + batch_, true), 1);
    backward_from([&](int64_t row, int64_t, int64_t at) {
      const float std = std::exp(std::clamp(log_std_[at], LOG_STD_MIN, LOG_STD_MAX)), z = (x[at] - mean_[at]) / std;
      return valid[row] ? std::tuple(-share * z / std, share * (1 - z * z)) : std::tuple(0.f, 0.f);
    });
  }

  // After either: calls take(layer, part, at, n, gradient) for all layers; `obs` are transposed.
  template <typename Take>
  void gradients(const T* obs, const Take& take) {
    const T* words = interleave(gradient_, rows_, head_.out_stride, scratch_.gradient_words);
    head_.gradient(hidden_.transposed_units(), words, rows_, sums_, scratch_.products,
                   [&](auto... where) { take(hidden_.n_layers(), where...); });
    hidden_.gradients(obs, take);
  }

 private:
  static constexpr float LOG_STD_MIN = -20, LOG_STD_MAX = 2;  // LOG_STD_RANGE

  // Means and unclamped log standard deviations, side by side.
  void evaluate(const Input<T>& obs) {
    hidden_.forward(obs);
    product<T>({rows_, head_.in, head_.out_stride}, hidden_.units(), head_.in_stride, head_.words(), head_.out_stride,
               outputs_, head_.out_stride);
    for (int64_t row = 0; row < batch_; ++row) {
      const float* output = outputs_ + row * head_.out_stride;
      for (int64_t j = 0, at = row * action_dim_; j < action_dim_; ++j, ++at) {
        mean_[at] = output[j] + head_.bias()[j];
        log_std_[at] = output[j + action_dim_] + head_.bias()[j + action_dim_];
      }
    }
  }

  // Per dimension. (x - mean) / std is the noise, so the Gaussian's log density needs no x.
  void squash(const float* noise) {
    const Vector one(1.f), two(2.f), zero(0.f), log2(std::log(2.f)), constant(0.5f * std::log(2 * float(M_PI)));
    for_lanes(batch_ * action_dim_, [&](int64_t i, int64_t lanes) {
      const Vector log_std = at::vec::clamp(load(log_std_ + i, lanes), Vector(LOG_STD_MIN), Vector(LOG_STD_MAX));
      const Vector z = load(noise + i, lanes), noisy = log_std.exp() * z;
      const Vector x = load(mean_ + i, lanes) + noisy;
      const Vector s = one / (one + (x * Vector(-2.f)).exp());
      const Vector y = x * Vector(-2.f), softplus = at::vec::maximum(y, zero) + y.abs().neg().exp().log1p();
      const Vector gaussian = Vector(-0.5f) * z * z - log_std - constant;
      store(log_prob_ + i, gaussian - two * (log2 - x - softplus), lanes);
      store(action_ + i, two * s - one, lanes);
      store(slope_ + i, Vector(4.f) * s * (one - s), lanes);
      store(noisy_ + i, noisy, lanes);
    });
  }

  // Back from of(row, j, at), a loss's gradients in mean and log_std, through all layers.
  template <typename Of>
  void backward_from(const Of& of) {
    float* c = outputs_;
    for (int64_t row = 0; row < batch_; ++row) {
      float* output = c + row * head_.out_stride;
      for (int64_t j = 0, at = row * action_dim_; j < action_dim_; ++j, ++at) {
        const auto [mean, log_std] = of(row, j, at);
        const bool clamped = log_std_[at] < LOG_STD_MIN || log_std_[at] > LOG_STD_MAX;
        output[j] = mean;
        output[j + action_dim_] = clamped ? 0 : log_std;
      }
    }
    std::memset(sums_, 0, head_.out_stride * sizeof(float));
    write_gradient(batch_, head_.out_stride, static_cast<T*>(gradient_), static_cast<float*>(sums_),
                   [&](int64_t row, int64_t j) { return load(c + row * head_.out_stride + j); });
    const float* back = head_input_gradient();
    hidden_.backward([&](int64_t row, int64_t j) { return load(back + row * head_.in_stride + j); });
  }

  const float* head_input_gradient() {
    head_.pack_transposed();
    product<T>({rows_, head_.out, head_.in_stride}, gradient_, head_.out_stride, head_.transposed(), head_.in_stride,
               scratch_.wide, head_.in_stride);
    return scratch_.wide;
  }

  int64_t batch_, rows_, action_dim_;
  Scratch<T>& scratch_;
  Hidden<T> hidden_;
  Layer<T> head_;
  Buffer<float> outputs_;
  Buffer<T> gradient_;
  Buffer<float> sums_, mean_, log_std_, noisy_, slope_, action_, log_prob_;
};

}  // namespace recall
