"""What is measured of recall traces, against brute force; without a simulator; without a trace; beside the training."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_control import CART, run_eagerly, sac_spec, trained
from torch.distributions import Independent, Normal, kl_divergence

from recall.agents.sac import LOG_STD_RANGE, SACConfig
from recall.agents.sac_imitation import Imitation, policy_kl
from recall.continuous_traces import ContinuousTraces
from recall.diagnosis import Diagnosis, cosine
from recall.envs.gym_env import GymConfig
from recall.functional import ADAM_DECAY, Moments, adam_, init_layers, mlp
from recall.off_policy import OffPolicyTraining
from recall.tracer import HELD_OUT


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


def diagnosed(arm: str = "repaired", steps: int = 105, **spec: Any) -> tuple[OffPolicyTraining, Diagnosis]:
    """A training after two recalls and the diagnosis beside it."""
    training = trained(sac_spec(arm, steps=400, eval_every=400, **spec), steps)
    assert training.diagnosis is not None
    return training, training.diagnosis


def with_traces(training: OffPolicyTraining, **parts: np.ndarray) -> None:
    """Put other numbers into the traces at hand."""
    assert training.recaller is not None
    assert training.recaller.traces is not None
    training.recaller.traces = training.recaller.traces._replace(**parts)


def traces_of(training: OffPolicyTraining) -> ContinuousTraces:
    assert training.recaller is not None
    assert training.recaller.traces is not None
    return training.recaller.traces


# Reachability


@pytest.mark.parametrize("env_id", ["InvertedPendulum-v5", "Hopper-v5"])
def test_what_really_happened_can_be_reached(env_id: str) -> None:
    training, diagnosis = diagnosed(env_id=env_id)
    found = diagnosis.measure(0)
    assert found["reach_real"][0] < 1e-6
    assert (found["reach_1"] > 1e-3).all()
    real = training.replay.take(np.arange(60, 100)[None])  # as if the model had dreamt what happened
    shape = (1, 8, 5)
    parts = {"obs": real.obs, "x": np.arctanh(real.action), "next_obs": real.next_obs, "valid": np.ones((1, 40), bool)}
    with_traces(training, **{name: part.reshape(*shape, *part.shape[2:]) for name, part in parts.items()})
    found = diagnosis.measure(0)
    assert found["reach_1"][0] < 1e-5
    assert found["reach_last"][0] < 1e-5


def test_reachability_is_taken_at_the_first_and_at_the_last_valid_step() -> None:
    """Steps of real transitions, but for one in each trace, whose action is another."""
    training, diagnosis = diagnosed()
    real, shape = training.replay.take(np.arange(60, 100)[None]), (1, 8, 5)
    x = np.arctanh(real.action).reshape(*shape, -1)
    parts = {"obs": real.obs.reshape(*shape, -1), "next_obs": real.next_obs.reshape(*shape, -1)}
    last = np.array([0, 4, 2, 1, 3, 3, 4, 1])
    valid = np.arange(5) <= last[:, None]
    for name, places in (("reach_1", np.zeros(8, int)), ("reach_last", last)):
        wrong = x.copy()
        wrong[0, np.arange(8), places] *= -1
        with_traces(training, x=wrong, valid=valid[None], **parts)
        assert diagnosis.measure(0)[name][0] > 1e-3
        elsewhere = np.where(np.arange(5)[:, None] == places[:, None, None], x, -x)
        with_traces(training, x=elsewhere, valid=valid[None], **parts)
        assert diagnosis.measure(0)[name][0] < 1e-5


def test_where_there_is_no_simulator_nothing_can_be_said() -> None:
    found = diagnosed(env_id="Pendulum-v1")[1].measure(0)
    assert np.isnan([found["reach_1"], found["reach_last"], found["reach_real"]]).all()
    assert np.isfinite([found["data_distance_1"], found["data_distance_real"], found["trace_advantage"]]).all()


# Distance and range


def test_the_distance_is_to_the_nearest_other_state() -> None:
    training, diagnosis = diagnosed()
    assert training.recaller is not None
    std = training.recaller.units.obs.std[0]
    known = training.replay.take(np.arange(100)[None]).obs[0]
    for obs in (known[:40], known[:40] + 0.01):
        apart = np.sqrt(np.square((obs[:, None] - known) / std).mean(2))
        nearest = np.where(apart > 0, apart, np.inf).min(1)
        assert nearest.min() > 0
        expected = np.sort(nearest)[19]  # the lower of the two in the middle
        assert diagnosis._distance(0, obs, known) == pytest.approx(expected, rel=1e-3)


def test_the_share_in_range_is_counted_where_nothing_ends_traces_too() -> None:
    training, diagnosis = diagnosed("as-written", env_id=CART)
    traces = traces_of(training)
    assert traces.valid.all()
    obs = traces.obs.copy()
    obs[0, :3] = 1e6
    obs[0, 3:] = training.replay.take(np.array([[60]])).next_obs[0]
    with_traces(training, obs=obs)
    assert diagnosis.measure(0)["in_range"].tolist() == [0.25]
    training, diagnosis = diagnosed(length=40, n_traces=20)
    assert 0 < traces_of(training).valid.mean() < 1
    assert diagnosis.measure(0)["in_range"][0] == pytest.approx(traces_of(training).valid.mean())


# Likelihood


def test_held_out_likelihood_is_that_of_held_out_transitions() -> None:
    training, diagnosis = diagnosed(top_fraction=1.0)
    recalling = training.recaller
    assert recalling is not None
    (pool,) = recalling.held_out
    assert sorted(pool) == list(range(0, recalling.known, HELD_OUT))
    singles = [recalling.units.pairs(training.replay.take(np.array([[number]]))) for number in pool]
    worth = [np.concatenate(recalling.model.log_likelihood(pairs)) for pairs in singles]
    drawn = [diagnosis._likelihood([np.random.default_rng(seed)]) for seed in range(200)]
    for name, expected in zip(("held_out_action_nll", "held_out_state_nll"), np.mean(worth, 0), strict=True):
        assert np.mean([found[name] for found in drawn]) == pytest.approx(-expected, rel=0.02)


def test_held_out_transitions_that_were_overwritten_are_not_used() -> None:
    training, diagnosis = diagnosed()
    assert training.recaller is not None
    training.recaller.held_out = [np.array([20, 100])]
    training.replay.end += 80  # so that 31 is the oldest
    only = training.recaller.units.pairs(training.replay.take(np.array([[100]])))
    found = diagnosis._likelihood([np.random.default_rng(0)])
    assert found["held_out_action_nll"] == pytest.approx(-training.recaller.model.log_likelihood(only)[0], rel=1e-5)


def test_a_run_without_held_out_transitions_costs_the_others_nothing() -> None:
    training, diagnosis = diagnosed(seeds=(0, 1))
    before = diagnosis.measure(0)
    assert training.recaller is not None
    training.recaller.held_out[1] = np.array([], int)
    found = diagnosis.measure(0)
    for name in ("held_out_action_nll", "held_out_state_nll"):
        assert np.isnan(found[name]).tolist() == [False, True]
        assert found[name][0] == before[name][0]


# Gradients


def test_ratio_cosine_and_kl_follow_the_weight() -> None:
    training, diagnosis = diagnosed()
    assert training.recaller is not None
    found = {}
    for weight in (1e-4, 1e-2, 0.0):
        training.recaller.config = replace(training.recaller.config, weight=weight)
        found[weight] = diagnosis.measure(3)
    assert found[1e-2]["gradient_ratio"] == pytest.approx(100 * found[1e-4]["gradient_ratio"], rel=1e-4)
    assert found[1e-2]["gradient_cosine"] == pytest.approx(found[1e-4]["gradient_cosine"], rel=1e-4)
    assert found[1e-2]["imitation_kl"] == pytest.approx(100**2 * found[1e-4]["imitation_kl"], rel=0.3)  # Adam notices
    assert found[0.0]["gradient_ratio"] == 0
    assert found[0.0]["imitation_kl"] == pytest.approx(0, abs=1e-14)
    assert np.isnan(found[0.0]["gradient_cosine"]).all()


def test_a_step_of_its_own_reports_its_own_kl() -> None:
    training, diagnosis = diagnosed("as-written")
    learner, traces = training.agent.learner, traces_of(training)
    before = tuple(layer.clone() for layer in learner.actor)
    training.agent.imitate_now(*traces.flat(), 1.0)
    expected = policy_kl(before, learner.actor, torch.from_numpy(traces.flat()[0])).numpy()
    assert diagnosis.measure(0)["imitation_kl"] == pytest.approx(expected)
    assert expected > 0


def test_the_advantage_is_the_critics_over_the_policys_own_action() -> None:
    training, diagnosis = diagnosed()
    traces, agent = traces_of(training), training.agent
    obs, mean = traces.flat()[0], agent.act(traces.flat()[0])
    with_traces(training, x=np.arctanh(mean).reshape(traces.x.shape))
    assert diagnosis.measure(0)["trace_advantage"] == pytest.approx(0, abs=1e-4)
    x = np.full_like(traces.x, 0.7)
    with_traces(training, x=x, obs=np.broadcast_to(traces.obs[:, :1, :1], traces.obs.shape).copy())
    own, traced = (agent.action_value(obs[:, :1], action)[0, 0] for action in (mean[:, :1], np.tanh(x[:, 0, :1])))
    assert diagnosis.measure(0)["trace_advantage"] == pytest.approx(traced - own, rel=1e-3)
    assert traced != own


def test_a_gradient_too_large_to_square_is_measured() -> None:
    training, diagnosis = diagnosed("as-written")
    training.agent.learner.actor[-1][..., 1] = -50  # as certain of its action as it can be
    with_traces(training, x=traces_of(training).x + 1e4)
    found = diagnosis.measure(0)
    assert found["gradient_ratio"][0] > 1e18
    assert 0 < abs(found["gradient_cosine"][0]) <= 1


def test_a_cosine_is_torchs() -> None:
    rng = [np.random.default_rng(seed) for seed in (0, 1)]
    a, b = init_layers((3, 4, 2), rng), init_layers((3, 4, 2), rng)
    whole = [torch.cat([layer.flatten(1) for layer in each], 1) for each in (a, b)]
    torch.testing.assert_close(cosine(a, b), torch.cosine_similarity(*whole, dim=1))
    torch.testing.assert_close(cosine(a, tuple(-3 * layer for layer in a)), -torch.ones(2))


# How far a policy moves


def test_the_kl_is_that_of_torchs_distributions() -> None:
    rng = [np.random.default_rng(seed) for seed in (0, 1)]
    before, after = (init_layers((3, 16, 4), rng) for _ in range(2))
    obs = torch.from_numpy(np.random.default_rng(2).normal(0, 2, (2, 30, 3)).astype(np.float32))
    policies = []
    for layers in (before, after):
        mean, log_std = mlp(layers, obs).chunk(2, 2)
        policies.append(Independent(Normal(mean, log_std.clamp(*LOG_STD_RANGE).exp()), 1))
    torch.testing.assert_close(policy_kl(before, after, obs), kl_divergence(*policies).mean(1))


def test_a_small_kl_is_not_lost_in_rounding() -> None:
    """It is the square of a small move: half of (shift / deviation)^2 for a shift of the mean."""
    before = init_layers((3, 16, 2), [np.random.default_rng(0)])
    after = (*before[:-1], before[-1] + torch.tensor([1e-5, 0]))
    obs = torch.from_numpy(np.random.default_rng(2).normal(size=(1, 30, 3)).astype(np.float32))
    (mean, log_std), moved = mlp(before, obs).chunk(2, 2), mlp(after, obs)[..., :1]
    expected = (0.5 * ((moved - mean).double() / log_std.double().exp()).square()).mean()
    assert policy_kl(before, after, obs).item() == pytest.approx(expected.item(), rel=1e-3)
    assert policy_kl(before, before, obs).item() == pytest.approx(0, abs=1e-14)


def test_what_a_gradient_adds_is_what_real_updates_differ_by() -> None:
    """Exact where Adam's second moment does not notice: the actor's gradient g is constant, and -2 g is added once.

    Then squares stay as they are, and after many updates the momentum of the addition has been spent.
    """
    config = SACConfig(learning_rate=1e-2)
    actor = init_layers((3, 4, 2), [np.random.default_rng(0)])
    grads = init_layers((3, 4, 2), [np.random.default_rng(1)])
    added = tuple(-2 * grad for grad in grads)
    moments, updates = Moments.of(actor), torch.zeros(())
    for _ in range(300):  # long enough for the bias of the first moment to be gone
        updates += 1
        adam_(actor, grads, moments, updates, config.learning_rate)
    moved = Imitation(actor, config).moved(added, grads, moments, updates)
    shifts = [after - before for after, before in zip(moved, actor, strict=True)]
    ends = []
    for first in (grads, tuple(grad + more for grad, more in zip(grads, added, strict=True))):
        layers, states, count = *deepcopy((actor, moments)), updates.clone()
        for step in range(200):
            count += 1
            adam_(layers, grads if step else first, states, count, config.learning_rate)
        ends.append(layers)
    assert ADAM_DECAY[0] ** 200 < 1e-8
    for shift, without, with_it in zip(shifts, *ends, strict=True):
        torch.testing.assert_close(with_it - without, shift, rtol=2e-3, atol=2e-5)


# Beside the training


def test_before_the_first_traces_there_is_nothing_to_measure() -> None:
    training, diagnosis = diagnosed(steps=50)
    assert diagnosis.measure(0) == {}
    assert training.recaller is not None
    assert training.recaller.traces is None


@pytest.mark.parametrize("arm", ["repaired", "as-written"])
def test_measuring_moves_nothing(arm: str) -> None:
    training, diagnosis = diagnosed(arm)
    before = deepcopy({name: part for name, part in training.state().items() if name not in ("replay", "seconds")})
    first, second, other = (diagnosis.measure(seed) for seed in (5, 5, 6))
    after = training.state()
    np.testing.assert_equal({name: after[name] for name in before}, before)
    np.testing.assert_equal(first, second)
    assert first["data_distance_real"] != other["data_distance_real"]


def test_a_run_is_measured_as_alone() -> None:
    """Whichever others share its group, and wherever in it."""
    _, diagnosis = diagnosed(seeds=(4, 7), env_id=CART)
    other = trained(sac_spec("repaired", (7,), steps=400, eval_every=400, env_id=CART), 105)
    assert other.diagnosis is not None
    together, alone = diagnosis.measure(1), other.diagnosis.measure(1)
    assert set(together) == set(alone)
    for name, value in alone.items():
        assert together[name][1:] == pytest.approx(value, rel=1e-3, abs=1e-4, nan_ok=True), name


def test_a_run_without_a_valid_trace_has_the_measures_that_need_none() -> None:
    training, diagnosis = diagnosed(seeds=(0, 1))
    before = diagnosis.measure(0)
    valid = traces_of(training).valid.copy()
    valid[1] = False
    with_traces(training, valid=valid)
    found = diagnosis.measure(0)
    assert set(found) == set(before)
    of_traces = {"reach_1", "reach_last", "data_distance_1", "data_distance_last", "gradient_cosine", "trace_advantage"}
    for name in of_traces:
        assert np.isnan(found[name]).tolist() == [False, True], name
    for name in {"in_range", "gradient_ratio", "imitation_kl"}:
        assert found[name][1] == pytest.approx(0, abs=1e-14)
    assert np.isfinite([found[name] for name in set(found) - of_traces]).all()


def test_there_is_a_simulator_where_the_observation_tells_the_state() -> None:
    training = trained(sac_spec("repaired"), 0)
    assert training.recaller is not None
    for env_id, there in (("Hopper-v5", True), ("Pendulum-v1", False)):
        diagnosis = Diagnosis(GymConfig(env_id), training.replay, training.recaller, training.agent)
        assert (diagnosis.simulator is not None) == there
    assert trained(sac_spec(), 0).diagnosis is None
