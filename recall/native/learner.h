// What the operator is given: the learner's tensors, transitions and noise, and where a run's part of them lies.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>
#include <vector>

#include "layer.h"

namespace recall {

using Tensors = std::vector<at::Tensor>;

struct Settings {
  double learning_rate, discount, tau;
  bool automatic;  // whether the temperature is learnt
};

struct Sizes {
  int64_t batch, obs, action;
  std::vector<int64_t> hidden;
  auto all() const { return std::tie(batch, obs, action, hidden); }
};

// The tensors of `Learner` of recall/agents/sac_update.py in the order of its fields.
struct Learner {
  Tensors actor, critics, targets;
  at::Tensor log_temperature;
  Tensors actor_first, actor_second, critic_first, critic_second;
  at::Tensor temperature_first, temperature_second, updates;

  explicit Learner(const Tensors& all) {
    const size_t n = (all.size() - 4) / 7;
    TORCH_CHECK(n >= 4 && n % 2 == 0 && all.size() == 7 * n + 4, "a learner has another number of tensors");
    auto next = all.begin();
    const auto network = [&] { return next += n, Tensors(next - n, next); };
    actor = network(), critics = network(), targets = network(), log_temperature = *next++;
    actor_first = network(), actor_second = network(), critic_first = network(), critic_second = network();
    temperature_first = *next++, temperature_second = *next++, updates = *next++;
  }
};

// The layers of one network among several that lie one after the other.
inline std::vector<Affine> network(const Tensors& layers, int64_t index) {
  const auto part = [&](const at::Tensor& all) {
    return all.data_ptr<float>() + index * all.size(1) * all.size(2);
  };
  std::vector<Affine> found;
  for (size_t i = 0; i < layers.size(); i += 2) {
    found.push_back({part(layers[i]), part(layers[i + 1])});
  }
  return found;
}

// How Adam changes it.
inline std::vector<Descent> descents(const Tensors& parameters, const Tensors& first, const Tensors& second,
                                     int64_t index, const Tensors& added = {}) {
  const auto p = network(parameters, index), m = network(first, index), v = network(second, index);
  const auto a = network(added, index);
  std::vector<Descent> found;
  for (size_t i = 0; i < p.size(); ++i) {
    found.push_back({p[i], m[i], v[i], a.empty() ? Affine{nullptr, nullptr} : a[i]});
  }
  return found;
}

// One run's transitions and noise, (batch, width) each.
struct Batch {
  const float *obs, *action, *reward, *next_obs, *terminated, *next_noise, *noise;
};

}  // namespace recall
