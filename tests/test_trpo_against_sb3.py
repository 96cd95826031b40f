"""Our update is sb3-contrib's: the same policies and values after the same rollouts, shuffled alike."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sb3_contrib import TRPO as Theirs  # noqa: N811 (it is a class of two)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from torch import nn

from recall.agents.trpo import TRPOConfig
from recall.agents.trpo_learner import TRPO
from recall.buffers import TimedRollout
from recall.perceptron import views
from recall.seeding import Streams

CONFIG = TRPOConfig(
    n_envs=2, n_steps=64, hidden=(16, 16), cg_iterations=10, value_epochs=3, value_batch=32, target_kl=0.002,
    normalise_obs=False, normalise_reward=False,
)  # fmt: skip
OBS_DIM, ACTION_DIM, UPDATES = 8, 2, 5
SIZE = CONFIG.steps_per_update
STEP_MAJOR = np.arange(SIZE).reshape(CONFIG.n_steps, CONFIG.n_envs).T.ravel()
"""Where their rows, which have one environment after the other, stand among ours."""


@pytest.fixture
def ours() -> TRPO:
    """A learner in the sizes of Swimmer-v5, whose two action dimensions show how theirs counts them."""
    return TRPO(CONFIG, OBS_DIM, ACTION_DIM, Streams((0,)))


@pytest.fixture
def theirs(ours: TRPO, monkeypatch: pytest.MonkeyPatch) -> Theirs:
    """Theirs with our parameters, and conjugate gradient from 0 as ours has it."""
    model = Theirs(
        "MlpPolicy",
        make_vec_env("Swimmer-v5", CONFIG.n_envs),
        n_steps=CONFIG.n_steps,
        batch_size=CONFIG.value_batch,
        cg_max_steps=CONFIG.cg_iterations,
        n_critic_updates=CONFIG.value_epochs,
        target_kl=CONFIG.target_kl,
        learning_rate=CONFIG.value_learning_rate,
        policy_kwargs={"net_arch": list(CONFIG.hidden)},
        device="cpu",
        seed=0,
    )
    model.set_logger(configure(None, []))
    for modules, layers in ((actor(model), ours.actor[3:-1]), (critic(model), ours.baseline.layers)):  # type: ignore[attr-defined]
        with torch.no_grad():
            for module, weight, bias in zip(modules, layers[::2], layers[1::2], strict=True):
                module.weight.copy_(torch.from_numpy(weight[0].T))
                module.bias.copy_(torch.from_numpy(bias[0, 0]))
    monkeypatch.setattr("torch.randn_like", torch.zeros_like)
    return model


def actor(model: Theirs) -> list[nn.Linear]:
    return [*linears(model.policy.mlp_extractor.policy_net), model.policy.action_net]


def critic(model: Theirs) -> list[nn.Linear]:
    return [*linears(model.policy.mlp_extractor.value_net), model.policy.value_net]


def linears(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network, in order."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def taken(modules: list[nn.Linear]) -> list[np.ndarray]:
    """Their parameters in our order and shape."""
    return [
        array for module in modules for array in (module.weight.detach().numpy().T, module.bias.detach().numpy()[None])
    ]


def rollouts(agent: TRPO, rng: np.random.Generator) -> Iterator[TimedRollout]:
    """Random transitions, of which some end an episode in either way, with actions of the policy."""
    shape = (CONFIG.n_steps, 1, CONFIG.n_envs)
    for _ in range(UPDATES):
        obs = rng.standard_normal((CONFIG.n_steps + 1, 1, CONFIG.n_envs, OBS_DIM), np.float32)
        noise = rng.standard_normal((*shape, ACTION_DIM), np.float32)
        action = np.stack([agent.act(each, noise[t]) for t, each in enumerate(obs[:-1])])
        end = rng.choice(3, shape, p=(0.8, 0.1, 0.1))
        next_obs = np.where(end[..., None] == 0, obs[1:], rng.standard_normal(obs[1:].shape, np.float32))
        reward = np.float64(-np.square(obs[:-1, ..., :ACTION_DIM] - action).sum(3) + rng.standard_normal(shape))
        yield TimedRollout(obs[:-1], action, reward, next_obs, end == 1, end == 2, np.zeros(shape, np.int64))


def fill(model: Theirs, rollout: TimedRollout) -> None:
    """Put a rollout into their buffer as their collecting does: a truncated step pays what its last state is worth."""
    policy, buffer = model.policy, model.rollout_buffer
    buffer.reset()
    ended = rollout.terminated[:, 0] | rollout.truncated[:, 0]
    starts = np.concatenate([np.ones((1, CONFIG.n_envs), bool), ended[:-1]])
    with torch.no_grad():
        for t in range(CONFIG.n_steps):
            obs, action = torch.from_numpy(rollout.obs[t, 0]), torch.from_numpy(rollout.action[t, 0])
            beyond = policy.predict_values(torch.from_numpy(rollout.next_obs[t, 0])).numpy()[:, 0]
            reward = rollout.reward[t, 0] + model.gamma * beyond * rollout.truncated[t, 0]
            value, log_prob, _ = policy.evaluate_actions(obs, action)
            buffer.add(obs.numpy(), action.numpy(), reward, starts[t], value, log_prob)
        last = policy.predict_values(torch.from_numpy(rollout.next_obs[-1, 0]))
    buffer.compute_returns_and_advantage(last, ended[-1])


def test_the_same_rollouts_lead_to_the_same_parameters(
    ours: TRPO, theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, accepted = np.random.default_rng(0), 0.0
    for rollout in rollouts(ours, rng):
        fill(theirs, rollout)
        orders = [rng.permutation(SIZE) for _ in range(CONFIG.value_epochs)]
        drawn = iter([np.arange(SIZE), *orders])  # theirs shuffles for the policy too, where it does not matter
        monkeypatch.setattr("numpy.random.permutation", lambda size, drawn=drawn: next(drawn))
        shuffled = iter([STEP_MAJOR[order] for order in orders])
        shuffler = SimpleNamespace(permutation=lambda size, shuffled=shuffled: next(shuffled))
        monkeypatch.setitem(ours.baseline.streams._generators, "replay", [shuffler])  # type: ignore[attr-defined]
        accepted += ours.update(rollout)["accepted"][0]
        theirs.train()
    assert accepted >= 3
    *policy, log_std = views(ours.parameters, ours._like)
    for mine, other in zip(policy, taken(actor(theirs)), strict=True):
        np.testing.assert_allclose(mine[0], other, atol=1e-4)
    np.testing.assert_allclose(log_std[0, 0], theirs.policy.log_std.detach().numpy(), atol=1e-4)
    for mine, other in zip(ours.baseline.layers, taken(critic(theirs)), strict=True):  # type: ignore[attr-defined]
        np.testing.assert_allclose(mine[0], other, atol=1e-4)
