"""Our update is stable-baselines3's: the same parameters after the same batches and the same noise."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC as Theirs  # noqa: N811 (it is a class of two)
from stable_baselines3.common.logger import configure
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import nn

from recall.agents.sac import Batch, SACConfig
from recall.agents.sac_learner import SAC
from recall.functional import Layers
from recall.seeding import Streams

OBS_DIM, ACTION_DIM, HIDDEN, SIZE, UPDATES = 3, 1, (16, 16), 32, 50


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> SAC:
    """A learner in float32, in the sizes of Pendulum-v1; eager, for the compiled one is compared with it elsewhere."""
    monkeypatch.setattr("recall.engine.engine", lambda: "eager")
    config = SACConfig(hidden=HIDDEN, batch_size=SIZE, precision="float32")
    return SAC(config, OBS_DIM, ACTION_DIM, Streams((0,)))


@pytest.fixture
def theirs(ours: SAC) -> Theirs:
    """Theirs with our parameters."""
    model = Theirs("MlpPolicy", "Pendulum-v1", policy_kwargs={"net_arch": list(HIDDEN)}, device="cpu", seed=0)
    model.set_logger(configure(None, []))
    learner = ours.learner
    put(linears(model.actor.latent_pi), learner.actor[:-2])
    means, log_stds = zip(*(layer.chunk(2, 2) for layer in learner.actor[-2:]), strict=True)
    put([model.actor.mu], means)
    put([model.actor.log_std], log_stds)
    for critics, layers in ((model.critic, learner.critics), (model.critic_target, learner.targets)):
        for index, network in enumerate(critics.q_networks):
            put(linears(network), tuple(layer[index : index + 1] for layer in layers))
    return model


def linears(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network, in order."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def put(modules: list[nn.Linear], layers: Layers) -> None:
    """Copy our weights and biases into theirs."""
    with torch.no_grad():
        for module, weight, bias in zip(modules, layers[::2], layers[1::2], strict=True):
            module.weight.copy_(weight[0].T)
            module.bias.copy_(bias[0, 0])


def taken(modules: list[nn.Linear]) -> list[np.ndarray]:
    """Their parameters in our order and shape."""
    return [
        array for module in modules for array in (module.weight.detach().numpy().T, module.bias.detach().numpy()[None])
    ]


def batches(generator: np.random.Generator) -> Iterator[tuple[Batch, np.ndarray]]:
    """Random transitions, a third of them terminal, and the noise of one update, (2, batch, action_dim)."""
    for _ in range(UPDATES):
        obs, next_obs = generator.standard_normal((2, 1, SIZE, OBS_DIM), np.float32)
        action = generator.uniform(-1, 1, (1, SIZE, ACTION_DIM)).astype(np.float32)
        reward = generator.standard_normal((1, SIZE), np.float32)
        terminated = (generator.random((1, SIZE)) < 1 / 3).astype(np.float32)
        arrays = (obs, action, reward, next_obs, terminated)
        yield Batch(*map(torch.from_numpy, arrays)), generator.standard_normal((2, SIZE, ACTION_DIM), np.float32)


def test_the_same_batches_and_noise_lead_to_the_same_parameters(
    ours: SAC, theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch, noise in batches(np.random.default_rng(0)):
        monkeypatch.setattr(ours.streams, "normal", lambda *_, noise=noise: noise[None])
        ours.update(batch)
        rows = ReplayBufferSamples(
            observations=batch.obs[0],
            actions=batch.action[0],
            next_observations=batch.next_obs[0],
            dones=batch.terminated[0][:, None],
            rewards=batch.reward[0][:, None],
        )
        monkeypatch.setattr(theirs.replay_buffer, "sample", lambda *_, rows=rows, **__: rows)
        drawn = iter((noise[1], noise[0]))  # theirs draws for the states first, then for the next states
        monkeypatch.setattr(
            "torch.distributions.normal._standard_normal", lambda *_, drawn=drawn, **__: torch.from_numpy(next(drawn))
        )
        theirs.train(gradient_steps=1, batch_size=SIZE)
    learner = ours.learner
    hidden = taken(linears(theirs.actor.latent_pi))
    heads = [
        np.concatenate(pair, 1) for pair in zip(taken([theirs.actor.mu]), taken([theirs.actor.log_std]), strict=True)
    ]
    for mine, other in zip(learner.actor, hidden + heads, strict=True):
        np.testing.assert_allclose(mine[0].numpy(), other, atol=2e-5)
    for critics, layers in ((theirs.critic, learner.critics), (theirs.critic_target, learner.targets)):
        for index, network in enumerate(critics.q_networks):
            for mine, other in zip(layers, taken(linears(network)), strict=True):
                np.testing.assert_allclose(mine[index].numpy(), other, atol=2e-5)
    np.testing.assert_allclose(learner.log_temperature[0][0], theirs.log_ent_coef.detach().numpy(), atol=1e-6)
