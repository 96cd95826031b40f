// One run's gradient of Eq. 6: what `imitation_gradient` of recall/agents/sac_imitation.py returns.
#pragma once

#include "learner.h"
#include "policy.h"

namespace recall {

template <typename T>
class ImitationGradient {
 public:
  explicit ImitationGradient(const Sizes& sizes)
      : sizes_(sizes),
        scratch_(sizes.batch, widest(sizes.obs, sizes.hidden)),
        obs_(sizes.batch, sizes.obs),
        policy_(sizes.batch, sizes.obs, sizes.hidden, sizes.action, scratch_) {}

  const Sizes& sizes() const { return sizes_; }

  // Writes weight times it, of actions before tanh x, (batch, action), in states obs, (batch, obs), where valid.
  void operator()(const std::vector<Affine>& actor, const float* obs, const float* x, const bool* valid, float weight,
                  const std::vector<Affine>& gradient) {
    obs_.put(0, obs, sizes_.obs);
    policy_.pack(actor);
    policy_.imitate(obs_, x, valid, weight);
    policy_.gradients(obs_.transposed(), [&](size_t layer, float* Affine::*part, int64_t at, int64_t n, const float* g) {
      std::copy_n(g, n, gradient[layer].*part + at);
    });
  }

 private:
  Sizes sizes_;
  Scratch<T> scratch_;
  Input<T> obs_;
  Policy<T> policy_;
};

}  // namespace recall
