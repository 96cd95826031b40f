"""Soft actor-critic: losses, gradients and updates against the plain one, its density against quadrature."""

from collections.abc import Iterator
from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from plain_sac import PlainSAC, as_module, parameters, plain
from small_sac import (
    ACTION,
    BATCH,
    CONFIG,
    OBS,
    RUNS,
    a_batch,
    a_learner,
    no_imitation,
    numbers,
    some_noise,
    temperature,
    tensors,
)
from torch import Tensor

import recall.engine
from recall.agents.sac import (
    Batch,
    SACConfig,
    actor_loss,
    critic_loss,
    sample,
    soft_target,
    squash,
    temperature_gradient,
)
from recall.agents.sac_learner import transitions
from recall.agents.sac_update import Learner, init_learner, update_
from recall.envs.gym_env import GymConfig
from recall.functional import Layers
from recall.off_policy import OffPolicyTraining
from recall.runs import RunSpec
from recall.seeding import Streams


def pairs(learner: Learner, config: SACConfig = CONFIG) -> Iterator[tuple[int, PlainSAC, tuple[Tensor, ...]]]:
    """Every run with its plain form and its part of the first batch."""
    for run in range(RUNS):
        yield run, plain(learner, run, OBS, ACTION, config), tuple(part[run] for part in a_batch())


# Losses


def test_the_target_is_the_soft_bellman_target() -> None:
    learner, noise = a_learner(), some_noise()[0]
    found = soft_target(learner.actor, learner.targets, a_batch(), temperature(learner), noise, CONFIG)
    for run, sac, batch in pairs(learner):
        torch.testing.assert_close(found[run], sac.target(batch, noise[run]))  # type: ignore[arg-type]


def test_termination_ends_the_bootstrap() -> None:
    learner, batch = a_learner(), a_batch()
    found = soft_target(learner.actor, learner.targets, batch, temperature(learner), some_noise()[0], CONFIG)
    ended = batch.terminated.bool()
    assert ended.any()
    assert torch.equal(found[ended], batch.reward[ended])
    assert (found != batch.reward)[~ended].all()


def test_truncation_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pendulum never terminates and is cut after 200 steps: the next state of the cut is kept, and counts."""
    monkeypatch.setattr(recall.engine, "engine", lambda: "eager")
    agent = replace(CONFIG, random_steps=500)
    spec = RunSpec("sac", "x", "x", GymConfig("Pendulum-v1"), agent, None, (0, 1), 450, 450)
    training = OffPolicyTraining(spec)
    for _ in range(450 - 1):
        training.step()
    kept = training.replay.take(np.tile(np.arange(449), (2, 1)))
    assert not kept.terminated.any()
    follows = (kept.next_obs[:, :-1] == kept.obs[:, 1:]).all(2)
    assert (np.flatnonzero(~follows[0]) == [199, 399]).all()
    assert (np.abs(kept.next_obs[:, 199] - kept.obs[:, 199]) < 1).all(), "the next state is not where the reset led"
    batch = transitions(kept)
    learner = training.agent.learner
    noise = numbers(2, 449, training.envs.action_dim)
    found = soft_target(learner.actor, learner.targets, batch, temperature(learner), noise, agent)
    assert (found[:, 199] != batch.reward[:, 199]).all()


def test_the_critics_loss_and_gradient_are_autograds() -> None:
    learner, target = a_learner(), numbers(RUNS, BATCH, seed=5)
    gradient = torch.func.grad(lambda layers: critic_loss(layers, a_batch(), target, "float32").sum())(learner.critics)
    found = critic_loss(learner.critics, a_batch(), target, "float32")
    for run, sac, batch in pairs(learner):
        loss = sac.critic_loss(batch, target[run])  # type: ignore[arg-type]
        torch.testing.assert_close(found[run], loss.detach())
        loss.backward()
        expected = [leaf.grad for leaf in parameters(sac.critics)]
        assert_same_gradient([layer[row] for row in (2 * run, 2 * run + 1) for layer in gradient], expected)


def test_the_actors_loss_and_gradient_are_autograds() -> None:
    learner, noise = a_learner(), some_noise()[1]
    arguments = (learner.critics, a_batch().obs, temperature(learner), noise, "float32")
    gradient = torch.func.grad(lambda layers: actor_loss(layers, *arguments)[0].sum())(learner.actor)  # type: ignore[arg-type]
    found, log_prob = actor_loss(learner.actor, *arguments)  # type: ignore[arg-type]
    for run, sac, batch in pairs(learner):
        loss, expected_log_prob = sac.actor_loss(batch[0], noise[run])
        torch.testing.assert_close(found[run], loss.detach())
        torch.testing.assert_close(log_prob[run], expected_log_prob.detach())
        loss.backward()
        assert_same_gradient([layer[run] for layer in gradient], [leaf.grad for leaf in sac.actor.parameters()])


def assert_same_gradient(layers: list[Tensor], leaves: list[Tensor | None]) -> None:
    for layer, leaf in zip(layers, leaves, strict=True):
        assert leaf is not None
        torch.testing.assert_close(as_module(layer, leaf), leaf, rtol=1e-4, atol=1e-6)


def test_the_temperatures_gradient_is_autograds() -> None:
    log_prob = torch.tensor([-3.0, 0.5])
    found = temperature_gradient(log_prob, ACTION)
    for run in range(RUNS):
        sac = PlainSAC(OBS, ACTION, CONFIG)
        sac.temperature_loss(log_prob[run]).backward()
        assert found[run] == sac.log_temperature.grad
    assert found[0] > 0 > temperature_gradient(torch.tensor(2.5), ACTION), "entropy 3 is above -2, entropy -2.5 below"


# Updates


def test_updates_are_the_plain_ones() -> None:
    """Twenty of them, by torch's Adam."""
    learner = a_learner()
    plains = [plain(learner, run, OBS, ACTION, CONFIG) for run in range(RUNS)]
    for step in range(20):
        batch, noise = a_batch(step), some_noise(step)
        update_(learner, batch, noise, no_imitation(learner), CONFIG)
        for run, sac in enumerate(plains):
            sac.update(tuple(part[run] for part in batch), noise[:, run])  # type: ignore[arg-type]
    for run, sac in enumerate(plains):
        expected = plain(learner, run, OBS, ACTION, CONFIG)
        for found, other in zip((sac.actor, *sac.targets), (expected.actor, *expected.targets), strict=True):
            for one, two in zip(found.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(sac.log_temperature, expected.log_temperature)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_runs_do_not_feel_each_other(precision: str) -> None:
    config = replace(CONFIG, precision=precision)
    together = a_learner(config, (3, 8))
    for run, seed in enumerate((3, 8)):
        alone = init_learner(config, OBS, ACTION, Streams((seed,)))
        for step in range(3):
            own = Batch(*(part[run : run + 1] for part in a_batch(step)))
            update_(alone, own, some_noise(step)[:, run : run + 1], no_imitation(alone), config)
        for (name, one), (_, both) in zip(tensors(alone), tensors(together), strict=True):
            rows = len(one) if one.ndim else 0
            shared = both[run * rows : (run + 1) * rows] if rows else both
            torch.testing.assert_close(one, shared, rtol=1e-4, atol=1e-6, msg=name)


def test_a_fixed_temperature_stays() -> None:
    fixed, free = (a_learner(replace(CONFIG, temperature=value)) for value in (0.2, None))
    assert (fixed.log_temperature[0] == log(0.2)).all()
    assert not any(moment.any() for moment in sum(fixed.temperature_moments, ()))
    assert (free.log_temperature[0] != 0).all()


def test_imitation_adds_its_gradient() -> None:
    """A gradient that cancels the actor's own leaves the actor where it is, and the critics do not feel it."""
    with_, without = a_learner(updates=0), a_learner(updates=0)
    arguments = (a_batch(), some_noise())
    critics = a_learner(updates=0)
    update_(critics, *arguments, no_imitation(critics), CONFIG)
    loss = (critics.critics, a_batch().obs, temperature(with_), some_noise()[1], "float32")
    own = torch.func.grad(lambda layers: actor_loss(layers, *loss)[0].sum())(with_.actor)  # type: ignore[arg-type]
    update_(with_, *arguments, tuple(-layer for layer in own), CONFIG)
    update_(without, *arguments, no_imitation(without), CONFIG)
    for before, after in zip(a_learner(updates=0).actor, with_.actor, strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=1e-5)
    assert all(torch.equal(one, other) for one, other in zip(with_.critics, without.critics, strict=True))
    assert not torch.equal(with_.actor[0], without.actor[0])


# The policy's distribution


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (1.5, -1.0), (-0.5, 1.0), (0.3, -4.0)])
def test_the_density_integrates_to_one(mean: float, log_std: float) -> None:
    """Over actions, by the trapezoidal rule on a fine grid of the noise."""
    actor: Layers = (torch.zeros(1, 1, 2), torch.tensor([[[mean, log_std]]]))
    noise = torch.linspace(-7, 7, 20_001)[None, :, None]
    action, log_prob = sample(actor, torch.zeros(1, 20_001, 1), noise, "float32")
    density, a = log_prob[0].double().exp(), action[0, :, 0].double()
    inside = a.abs() < 1 - 1e-5  # nearer to the edge float32 cannot tell actions apart
    mass = torch.trapezoid(density[inside], a[inside])
    outside = torch.distributions.Normal(mean, np.exp(log_std)).cdf(torch.tensor([-6.1, 6.1])).double()
    assert mass == pytest.approx(float(outside[1] - outside[0]), abs=2e-3)


def test_the_density_is_the_transformed_gaussians() -> None:
    learner, noise = a_learner(), some_noise()[1]
    action, log_prob = sample(learner.actor, a_batch().obs, noise, "float32")
    for run, sac, batch in pairs(learner):
        with torch.no_grad():
            expected = sac.act(batch[0], noise[run])
        torch.testing.assert_close(action[run], expected[0])
        torch.testing.assert_close(log_prob[run], expected[1])


@pytest.mark.parametrize("mean", [-300.0, -20.0, 20.0, 300.0])
def test_saturated_actions_have_a_finite_density(mean: float) -> None:
    """And a finite gradient; torch's own form of the density agrees."""
    bias = torch.tensor([[[mean, -3.0]]])

    def density(bias: Tensor) -> Tensor:
        return sample((torch.zeros(1, 1, 2), bias), torch.zeros(1, 4, 1), numbers(1, 4, 1), "float32")[1].sum()

    action, log_prob = sample((torch.zeros(1, 1, 2), bias), torch.zeros(1, 4, 1), numbers(1, 4, 1), "float32")
    assert (action.abs() == 1).all()
    assert log_prob.isfinite().all()
    assert torch.func.grad(density)(bias).isfinite().all()
    base = torch.distributions.Normal(bias[..., 0], bias[..., 1].exp())
    x = mean + np.exp(-3) * numbers(1, 4, 1)[..., 0]
    jacobian = torch.distributions.TanhTransform().log_abs_det_jacobian(x, action[..., 0])
    torch.testing.assert_close(log_prob, base.log_prob(x) - jacobian, rtol=1e-4, atol=1e-4)


def test_squashing_is_tanh() -> None:
    x = torch.linspace(-30, 30, 100_001)
    torch.testing.assert_close(squash(x), x.tanh(), rtol=0, atol=2e-7)
