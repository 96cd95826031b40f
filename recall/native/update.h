// One run's update of soft actor-critic: what `update_` of recall/agents/sac_update.py does.
#pragma once

#include <array>

#include "critic.h"
#include "learner.h"
#include "policy.h"

namespace recall {

// In the order of METRICS.
struct Metrics {
  float critic_loss, actor_loss, temperature, entropy, critic_gradient, actor_gradient, imitation_gradient,
      critic_parameters, actor_parameters;
};

template <typename T>
class Update {
 public:
  explicit Update(const Sizes& sizes)
      : sizes_(sizes),
        n_inputs_(sizes.obs + sizes.action),
        stride_(padded(sizes.action)),
        scratch_(sizes.batch, widest(n_inputs_, sizes.hidden)),
        x_(sizes.batch, n_inputs_),
        next_x_(sizes.batch, n_inputs_),
        policy_(sizes.batch, sizes.obs, sizes.hidden, sizes.action, scratch_),
        critics_{critic(), critic()},
        values_{Buffer<float>(sizes.batch), Buffer<float>(sizes.batch)},
        gradients_{Buffer<float>(sizes.batch), Buffer<float>(sizes.batch)},
        target_(sizes.batch),
        log_prob_(sizes.batch),
        action_gradient_(padded(sizes.batch) * stride_) {}

  const Sizes& sizes() const { return sizes_; }

  // `imitation` is added to the actor's gradient.
  Metrics operator()(const Learner& learner, int64_t run, const Batch& batch, const Tensors& imitation,
                     const Settings& settings) {
    const Adam adam(settings.learning_rate, *learner.updates.data_ptr<float>());
    const float temperature = std::exp(learner.log_temperature.data_ptr<float>()[run]);
    x_.put(0, batch.obs, sizes_.obs);
    x_.put(sizes_.obs, batch.action, sizes_.action);
    next_x_.put(0, batch.next_obs, sizes_.obs);
    policy_.pack(network(learner.actor, run));

    soft_target(learner, run, batch, temperature, static_cast<float>(settings.discount));
    const T* inputs = x_.transposed();
    Adam critics_adam = adam, actor_adam = adam;
    const float tau = static_cast<float>(settings.tau);
    const float critic_loss = descend_critic(learner, run, 0, inputs, tau, critics_adam) +
                              descend_critic(learner, run, 1, inputs, tau, critics_adam);
    const auto [actor_loss, log_prob] = actor_gradient(learner, run, batch, temperature);
    policy_.backward(action_gradient_, stride_, temperature);
    const auto layers = descents(learner.actor, learner.actor_first, learner.actor_second, run, imitation);
    policy_.gradients(inputs, Descend{layers, actor_adam});
    if (settings.automatic) {
      descend_temperature(learner, run, log_prob, adam);
    }
    return {critic_loss, actor_loss, temperature, -log_prob, root(critics_adam.gradient), root(actor_adam.gradient),
            root(actor_adam.added), root(critics_adam.parameters), root(actor_adam.parameters)};
  }

 private:
  static float root(double squares) { return static_cast<float>(std::sqrt(squares)); }

  Critic<T> critic() { return {sizes_.batch, n_inputs_, sizes_.hidden, scratch_}; }

  // What the critics regress on (Haarnoja et al. 2018b, Eq. 6).
  void soft_target(const Learner& learner, int64_t run, const Batch& batch, float temperature, float discount) {
    policy_.sample(next_x_, batch.next_noise, log_prob_);
    next_x_.put(sizes_.obs, policy_.action(), sizes_.action);
    for (int64_t i = 0; i < 2; ++i) {
      critics_[i].pack(network(learner.targets, 2 * run + i));
      critics_[i].evaluate(next_x_, values_[i]);
    }
    for (int64_t row = 0; row < sizes_.batch; ++row) {
      const float value = lower(values_[0][row], values_[1][row]) - temperature * log_prob_[row];
      target_[row] = batch.reward[row] + discount * (1 - batch.terminated[row]) * value;
    }
  }

  // One critic's step, that of its target, and its half of the loss (Haarnoja et al. 2018b, Eq. 5).
  float descend_critic(const Learner& learner, int64_t run, int64_t i, const T* inputs, float tau, Adam& adam) {
    const int64_t index = 2 * run + i;
    critics_[i].pack(network(learner.critics, index));
    critics_[i].evaluate(x_, values_[i]);
    float loss = 0;
    for (int64_t row = 0; row < sizes_.batch; ++row) {
      const float error = values_[i][row] - target_[row];
      loss += 0.5f * error * error;
      gradients_[i][row] = error / sizes_.batch;
    }
    critics_[i].backward(gradients_[i]);
    const auto layers = descents(learner.critics, learner.critic_first, learner.critic_second, index);
    critics_[i].gradients(inputs, Descend{layers, adam});
    critics_[i].pack(network(learner.critics, index));  // for the actor, while they are in the cache
    follow(learner, index, tau);
    return loss / sizes_.batch;
  }

  // The actor's loss (Haarnoja et al. 2018b, Eq. 9) and the mean of log pi(a|s); leaves the gradient of minus the
  // values in the actions.
  std::tuple<float, float> actor_gradient(const Learner& learner, int64_t run, const Batch& batch, float temperature) {
    policy_.sample(x_, batch.noise, log_prob_);
    x_.put(sizes_.obs, policy_.action(), sizes_.action);
    for (int64_t i = 0; i < 2; ++i) {
      critics_[i].evaluate(x_, values_[i]);
    }
    float loss = 0, log_prob = 0;
    for (int64_t row = 0; row < sizes_.batch; ++row) {
      const float first = values_[0][row], second = values_[1][row];
      loss += temperature * log_prob_[row] - lower(first, second);
      log_prob += log_prob_[row];
      const float share = first < second ? 1.f : first > second ? 0.f : 0.5f;  // as torch shares it between equals
      gradients_[0][row] = -share / sizes_.batch;
      gradients_[1][row] = (share - 1) / sizes_.batch;
    }
    std::memset(action_gradient_, 0, sizes_.batch * stride_ * sizeof(float));
    for (int64_t i = 0; i < 2; ++i) {
      lower_.clear();
      for (int64_t row = 0; row < sizes_.batch; ++row) {
        if (gradients_[i][row] != 0) {
          lower_.push_back(row);
        }
      }
      critics_[i].add_input_gradient(network(learner.critics, 2 * run + i), lower_, gradients_[i], sizes_.obs,
                                     action_gradient_, stride_);
    }
    return {loss / sizes_.batch, log_prob / sizes_.batch};
  }

  // `temperature_gradient` (Haarnoja et al. 2018b, Eq. 18).
  void descend_temperature(const Learner& learner, int64_t run, float log_prob, Adam adam) const {
    const float gradient = -(log_prob - sizes_.action);
    adam.step(1, learner.log_temperature.data_ptr<float>() + run, learner.temperature_first.data_ptr<float>() + run,
              learner.temperature_second.data_ptr<float>() + run, &gradient, nullptr);
  }

  // A target moves towards its critic.
  static void follow(const Learner& learner, int64_t index, float tau) {
    for (size_t i = 0; i < learner.critics.size(); ++i) {
      const int64_t n = learner.critics[i][0].numel();
      float* slow = learner.targets[i].data_ptr<float>() + index * n;
      const float* fast = learner.critics[i].data_ptr<float>() + index * n;
      for (int64_t j = 0; j < n; ++j) {
        slow[j] += tau * (fast[j] - slow[j]);
      }
    }
  }

  Sizes sizes_;
  int64_t n_inputs_, stride_;
  Scratch<T> scratch_;
  Input<T> x_, next_x_;
  Policy<T> policy_;
  std::array<Critic<T>, 2> critics_;
  std::array<Buffer<float>, 2> values_, gradients_;
  Buffer<float> target_, log_prob_, action_gradient_;
  std::vector<int64_t> lower_;  // rows where a critic is the lower one
};

}  // namespace recall
