"""The actor-critic against plain torch: losses, action distribution, and whole updates."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import AGENT, small_spec
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional

from recall.agents.actor_critic import (
    ActorCritic,
    ActorCriticConfig,
    by_run,
    entropy,
    policy_gradient_loss,
    value_loss,
)
from recall.buffers import Rollout
from recall.errors import ConfigError
from recall.imitation import annealed, imitation_loss
from recall.on_policy import OnPolicyTraining
from recall.seeding import Streams

N_STATES, N_ACTIONS, SEEDS = 6, 3, (0, 1)


def agent(**settings: Any) -> ActorCritic:
    return ActorCritic(replace(AGENT, **settings), N_STATES, N_ACTIONS, Streams(SEEDS))


def random_rollout(rng: np.random.Generator, n_steps: int = 7, n_envs: int = 3) -> Rollout:
    """Transitions that go on within an episode and end in both ways."""
    shape = (n_steps, len(SEEDS), n_envs)
    states = rng.integers(0, N_STATES, (n_steps + 1, *shape[1:]))
    end = rng.choice(3, shape, p=(0.7, 0.15, 0.15))
    next_obs = np.where(end == 0, states[1:], rng.integers(0, N_STATES, shape))
    reward = rng.normal(size=shape).astype(np.float32)
    return Rollout(states[:-1], rng.integers(0, N_ACTIONS, shape), reward, next_obs, end == 1, end == 2)


# Losses


def logits_and_actions(runs: int = 2, batch: int = 50) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(runs, batch, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    return (
        logits,
        torch.randint(4, (runs, batch), generator=generator),
        torch.randn(runs, batch, generator=generator, dtype=torch.float64),
    )


def assert_same_gradient(ours: Tensor, plain: Tensor, leaf: Tensor) -> None:
    """Values a run and the gradient of their sum agree."""
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(loss.sum(), leaf, retain_graph=True)[0] for loss in (ours, plain)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_policy_gradient_loss() -> None:
    logits, action, advantage = logits_and_actions()
    log_prob = torch.log_softmax(logits, 2).gather(2, action[..., None])[..., 0]
    plain = torch.stack([-(Categorical(logits=logits[i]).log_prob(action[i]) * advantage[i]).mean() for i in range(2)])
    assert_same_gradient(policy_gradient_loss(log_prob, advantage), plain, logits)


def test_entropy() -> None:
    logits, _, _ = logits_and_actions()
    plain = torch.stack([Categorical(logits=logits[i]).entropy().mean() for i in range(2)])
    assert_same_gradient(entropy(torch.log_softmax(logits, 2)), plain, logits)


def test_value_loss() -> None:
    _, _, returns = logits_and_actions()
    value = torch.zeros_like(returns).requires_grad_()
    plain = torch.stack([functional.mse_loss(value[i], returns[i]) / 2 for i in range(2)])
    assert_same_gradient(value_loss(value, returns), plain, value)


def test_imitation_loss_is_the_cross_entropy_of_valid_pairs() -> None:
    logits, action, noise = logits_and_actions()
    valid = noise > 0
    log_prob = torch.log_softmax(logits, 2).gather(2, action[..., None])[..., 0]
    plain = torch.stack([functional.cross_entropy(logits[i][valid[i]], action[i][valid[i]]) for i in range(2)])
    assert_same_gradient(imitation_loss(log_prob, valid), plain, logits)


def test_a_run_without_a_valid_pair_imitates_nothing() -> None:
    log_prob = torch.full((2, 3), -5.0, requires_grad=True)
    loss = imitation_loss(log_prob, torch.tensor([[False] * 3, [True, False, True]]))
    loss.sum().backward()
    assert loss.tolist() == [0, 5]
    assert log_prob.grad is not None
    assert log_prob.grad.tolist() == [[0, 0, 0], [-0.5, 0, -0.5]]


@pytest.mark.parametrize(
    ("progress", "anneal", "expected"),
    [(0, 0.5, 2), (0.25, 0.5, 1), (0.5, 0.5, 0), (0.9, 0.5, 0), (0.5, 1, 1), (1, 1, 0), (0, 0, 2), (1, 0, 2)],
)
def test_annealing_is_linear_and_0_keeps_the_weight(progress: float, anneal: float, expected: float) -> None:
    assert annealed(2, progress, anneal) == pytest.approx(expected)


# Acting


def test_actions_are_distributed_as_the_policy() -> None:
    """At equally spaced numbers, each action is taken for a stretch as long as its probability."""
    ours, n = agent(), 20_000
    with torch.no_grad():
        ours.policy.biases[-1] += torch.tensor([[[1.0, -1.0, 0.3]], [[0.0, 2.0, -4.0]]])
    ours._tabulate()
    grid = np.broadcast_to((np.arange(n, dtype=np.float32) + 0.5) / n, (len(SEEDS), n))
    for state in range(N_STATES):
        action = ours.act(np.full(grid.shape, state), grid)
        share = (action[..., None] == np.arange(N_ACTIONS)).mean(1)
        assert share == pytest.approx(ours.probs[:, state], abs=2 / n)


def test_the_ends_of_the_unit_interval_give_actions() -> None:
    ends = np.tile(np.array([0, np.nextafter(np.float32(1), np.float32(0))], np.float32), (len(SEEDS), 1))
    assert agent().act(np.zeros((len(SEEDS), 2), int), ends).tolist() == [[0, N_ACTIONS - 1]] * 2


def test_the_policy_starts_near_uniform_and_is_a_distribution() -> None:
    ours = agent()
    assert ours.probs == pytest.approx(1 / N_ACTIONS, abs=0.01)
    assert ours.probs.sum(2) == pytest.approx(1, abs=1e-6)


def test_lookups_pick_the_run_and_state() -> None:
    ours, rng = agent(), np.random.default_rng(0)
    obs, action = rng.integers(0, N_STATES, (2, 9)), rng.integers(0, N_ACTIONS, (2, 9))
    log_prob, value = ours.log_prob(obs, action), ours.value(obs)
    for run, i in np.ndindex(obs.shape):
        assert log_prob[run, i] == ours.log_probs[run, obs[run, i], action[run, i]]
        assert value[run, i] == ours.state_values[run, obs[run, i]]


def test_by_run_keeps_each_runs_transitions_together() -> None:
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    for run in range(3):
        assert np.array_equal(by_run(array)[run], np.concatenate([array[0, run], array[1, run]]))


# Updates


class PlainActorCritic:
    """One run as one would write it without tables and groups: two torch networks and Adam."""

    def __init__(self, ours: ActorCritic, run: int) -> None:
        self.config, self.run = ours.config, run
        self.policy, self.critic = (self._copy(net) for net in (ours.policy, ours.critic))
        parameters = [*self.policy.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(parameters, self.config.learning_rate, eps=self.config.adam_eps)

    def _copy(self, network: Any) -> nn.Sequential:
        layers: list[nn.Module] = []
        for weight, bias in zip(network.weights, network.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[2])
            with torch.no_grad():
                linear.weight.copy_(weight[self.run].T)
                linear.bias.copy_(bias[self.run, 0])
            layers += [linear, nn.Tanh()]
        return nn.Sequential(*layers[:-1])

    def value(self, obs: np.ndarray) -> Tensor:
        return self.critic(one_hot(obs))[..., 0]

    def worth(self, obs: np.ndarray) -> float:
        return self.value(obs).item()

    def advantage(self, rollout: Rollout, env: int) -> list[float]:
        """GAE by its recursion, one step at a time."""
        following = 0.0
        found: list[float] = []
        discount, gae_lambda = self.config.discount, self.config.gae_lambda
        for t in reversed(range(len(rollout.obs))):
            at = (t, self.run, env)
            beyond = 0.0 if rollout.terminated[at] else self.worth(rollout.next_obs[at])
            error = float(rollout.reward[at]) + discount * beyond - self.worth(rollout.obs[at])
            goes_on = not (rollout.terminated[at] or rollout.truncated[at])
            following = error + discount * gae_lambda * following * goes_on
            found.insert(0, following)
        return found

    def update(self, rollout: Rollout, imitated: tuple[np.ndarray, np.ndarray], weight: float) -> None:
        """One step on the rollout and on imitated pairs."""
        obs, action = rollout.obs[:, self.run].ravel(), torch.from_numpy(rollout.action[:, self.run].ravel())
        n_envs = rollout.obs.shape[2]
        advantage = torch.tensor([self.advantage(rollout, env) for env in range(n_envs)]).T.ravel()
        returns = advantage + self.value(obs).detach()
        policy = Categorical(logits=self.policy(one_hot(obs)))
        traced = Categorical(logits=self.policy(one_hot(imitated[0][self.run])))
        loss = -(policy.log_prob(action) * advantage).mean() - self.config.entropy * policy.entropy().mean()
        loss = loss + 0.5 * functional.mse_loss(self.value(obs), returns)
        loss = loss - weight * traced.log_prob(torch.from_numpy(imitated[1][self.run])).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def one_hot(obs: np.ndarray) -> Tensor:
    return functional.one_hot(torch.as_tensor(obs), N_STATES).float()


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_updates_equal_a_plain_implementation(weight: float) -> None:
    rng, ours = np.random.default_rng(3), agent(entropy=0.1)
    plain = [PlainActorCritic(ours, run) for run in range(len(SEEDS))]
    for _ in range(4):
        rollout = random_rollout(rng)
        imitated = rng.integers(0, N_STATES, (2, 10)), rng.integers(0, N_ACTIONS, (2, 10))
        ours.add_loss(weight * imitation_loss(ours.log_prob(*imitated), torch.ones(2, 10, dtype=torch.bool)))
        ours.update(rollout)
        for each in plain:
            each.update(rollout, imitated, weight)
    states = np.arange(N_STATES)
    for run, each in enumerate(plain):
        expected = torch.softmax(each.policy(one_hot(states)), 1).detach().numpy()
        assert ours.probs[run] == pytest.approx(expected, abs=2e-5)
        assert ours.state_values[run] == pytest.approx(each.value(states).detach().numpy(), abs=2e-5)


def test_what_follows_a_terminated_episode_does_not_matter() -> None:
    """The critic's opinion of a terminal state is never asked."""
    rollout = random_rollout(np.random.default_rng(0))
    elsewhere = np.where(rollout.terminated, (rollout.next_obs + 1) % N_STATES, rollout.next_obs)
    cut = np.where(rollout.truncated, (rollout.next_obs + 1) % N_STATES, rollout.next_obs)
    results = []
    for next_obs in (rollout.next_obs, elsewhere, cut):
        ours = agent()
        ours.update(replace(rollout, next_obs=next_obs))
        results.append(ours.state_values)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_an_added_loss_is_descended_once() -> None:
    obs, action = np.zeros((2, 1), int), np.ones((2, 1), int)
    rollout = random_rollout(np.random.default_rng(0))
    pulled, reference = agent(), agent()
    pulled.add_loss(-10 * pulled.log_prob(obs, action).mean(1))
    for each in (pulled, reference):
        each.update(rollout)
    assert (pulled.probs[:, 0, 1] > reference.probs[:, 0, 1]).all()
    assert not pulled._added_loss.any()


def test_a_seed_trains_in_a_group_as_it_trains_alone() -> None:
    """Until rounding, which depends on the group's size, tips a sampled action over."""
    together, alone = (OnPolicyTraining(small_spec("learned", seeds)) for seeds in ((3, 4, 5), (4,)))
    for _ in range(6):
        together.step()
        alone.step()
    assert np.array_equal(together.exploration.visits[:, 1], alone.exploration.visits[:, 0])
    assert together.agent.probs[1] == pytest.approx(alone.agent.probs[0], abs=1e-4)
    assert together.agent.state_values[1] == pytest.approx(alone.agent.state_values[0], abs=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"entropy": -0.1},
        {"adam_eps": 0.0},
        {"discount": 0.0},
        {"discount": 1.01},
        {"gae_lambda": -0.1},
        {"gae_lambda": 1.1},
        {"n_envs": 0},
        {"n_steps": 0},
        {"hidden": (8, 0)},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ActorCriticConfig(**wrong)
