// The values of one run's states: what `state_value` of recall/agents/sac_value.py returns.
#pragma once

#include "critic.h"
#include "learner.h"
#include "policy.h"

namespace recall {

template <typename T>
class Value {
 public:
  // sizes.batch states are valued at once.
  explicit Value(const Sizes& sizes)
      : sizes_(sizes),
        n_inputs_(sizes.obs + sizes.action),
        scratch_(sizes.batch, widest(n_inputs_, sizes.hidden)),
        x_(sizes.batch, n_inputs_),
        policy_(sizes.batch, sizes.obs, sizes.hidden, sizes.action, scratch_),
        critics_{critic(), critic()},
        values_{Buffer<float>(sizes.batch), Buffer<float>(sizes.batch)},
        no_noise_(sizes.batch * sizes.action),
        log_prob_(sizes.batch) {}

  const Sizes& sizes() const { return sizes_; }

  // Writes the lower critic at the mean action in n states, (n, obs); n is sizes.batch at least.
  void operator()(const Tensors& actor, const Tensors& critics, int64_t run, const float* obs, int64_t n, float* value) {
    policy_.pack(network(actor, run));
    for (int64_t i = 0; i < 2; ++i) {
      critics_[i].pack(network(critics, 2 * run + i));
    }
    for (int64_t row = 0; row < n; row += sizes_.batch) {
      const int64_t first = std::min(row, n - sizes_.batch);  // the last ones overlap those before
      x_.put(0, obs + first * sizes_.obs, sizes_.obs);
      policy_.sample(x_, no_noise_, log_prob_);
      x_.put(sizes_.obs, policy_.action(), sizes_.action);
      for (int64_t i = 0; i < 2; ++i) {
        critics_[i].evaluate(x_, values_[i]);
      }
      for (int64_t i = 0; i < sizes_.batch; ++i) {
        value[first + i] = lower(values_[0][i], values_[1][i]);
      }
    }
  }

 private:
  Critic<T> critic() { return {sizes_.batch, n_inputs_, sizes_.hidden, scratch_}; }

  Sizes sizes_;
  int64_t n_inputs_;
  Scratch<T> scratch_;
  Input<T> x_;
  Policy<T> policy_;
  std::array<Critic<T>, 2> critics_;
  std::array<Buffer<float>, 2> values_;
  Buffer<float> no_noise_, log_prob_;
};

}  // namespace recall
