"""Soft actor-critic's loop with and without recall: what pulls the policy, what does not, and in which company."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_control import AGENT, CART, run_eagerly, sac_spec, trained
from small_runs import csv, texts
from torch import Tensor
from torch.distributions import Independent, Normal

import recall.engine
from recall.agents.sac_imitation import TracedPairs
from recall.agents.sac_learner import SAC, transitions
from recall.functional import ADAM_DECAY, mlp
from recall.off_policy import OffPolicyTraining
from recall.runs import RunSpec
from recall.seeding import Streams
from recall.training import train

RECALL_ARMS = ("repaired", "as-written")


@pytest.fixture(autouse=True)
def eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "fast" not in request.node.name:
        run_eagerly(monkeypatch)


def arrays(state: dict) -> Iterator[np.ndarray]:
    """All arrays of nested dictionaries."""
    for value in state.values():
        if isinstance(value, dict):
            yield from arrays(value)
        elif isinstance(value, np.ndarray):
            yield value


def assert_same_agent(a: OffPolicyTraining, b: OffPolicyTraining) -> None:
    pairs = list(zip(arrays(a.agent.state()), arrays(b.agent.state()), strict=True))
    assert len(pairs) > 20
    assert all(x.tobytes() == y.tobytes() for x, y in pairs)


# Imitation


def agent_and_pairs(seed: int = 0) -> tuple[SAC, TracedPairs, list[np.ndarray]]:
    """Two agents that have learned a little, pairs of which some do not count, and a batch."""
    agent, rng = SAC(AGENT, 3, 2, Streams((0, 1))), np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    terminated = np.float32(rng.random((2, 32)) < 0.1)
    batch = [normal(2, 32, 3), np.tanh(normal(2, 32, 2)), normal(2, 32), normal(2, 32, 3), terminated]
    for _ in range(3):
        agent.update(transitions(batch))
    valid = rng.random((2, 10)) < 0.6
    return agent, TracedPairs.of(normal(2, 10, 3), normal(2, 10, 2), valid), batch


def gradient_by_hand(agent: SAC, pairs: TracedPairs, run: int) -> tuple[Tensor, ...]:
    """Of Eq. 6 for one run: minus the mean log-likelihood of its valid pairs, one by one."""
    actor = tuple(layer[run : run + 1].clone().requires_grad_() for layer in agent.learner.actor)
    terms = []
    for place in torch.nonzero(pairs.valid[run])[:, 0]:
        mean, log_std = mlp(actor, pairs.obs[run, place][None, None]).chunk(2, 2)
        terms.append(-Independent(Normal(mean, log_std.exp()), 3).log_prob(pairs.x[run, place][None, None]))
    return torch.autograd.grad(torch.stack(terms).mean(), actor)


def test_the_gradient_is_that_of_equation_6() -> None:
    agent, pairs, _ = agent_and_pairs()
    for weight in (1.0, 0.01):
        found = agent.imitation.gradient(pairs, weight)
        for run in range(2):
            for layer, expected in zip(found, gradient_by_hand(agent, pairs, run), strict=True):
                torch.testing.assert_close(layer[run], weight * expected[0], rtol=1e-4, atol=1e-6)


def test_a_run_without_a_pair_is_not_pulled() -> None:
    agent, pairs, _ = agent_and_pairs()
    pairs.valid[1] = False
    for layer in agent.imitation.gradient(pairs, 1.0):
        assert not layer[1].any()
        assert layer[0].any()


def test_joint_imitation_adds_the_weighted_gradient_to_the_actors_and_nothing_else() -> None:
    (with_it, pairs, batch), (without, *_) = agent_and_pairs(), agent_and_pairs()
    expected = [gradient_by_hand(with_it, pairs, run) for run in range(2)]
    with_it.imitate(pairs.obs.numpy(), pairs.x.numpy(), pairs.valid.numpy(), 0.3)
    found, plain = (agent.update(transitions(batch)) for agent in (with_it, without))
    for name in set(found) - {"imitation_gradient", "actor_parameters"}:
        assert np.array_equal(found[name], plain[name])
    norms = [sum(layer.square().sum() for layer in layers) ** 0.5 for layers in expected]
    assert found["imitation_gradient"] == pytest.approx(0.3 * np.array(norms), rel=1e-4)
    for name, layers in with_it.learner._asdict().items():
        same = [torch.equal(a, b) for a, b in zip(_flat(layers), _flat(without.learner._asdict()[name]), strict=True)]
        assert all(same) == (name not in ("actor", "actor_moments"))
    moments = zip(with_it.learner.actor_moments.first, without.learner.actor_moments.first, strict=True)
    for place, (first, other) in enumerate(moments):
        for run in range(2):
            share = (first - other)[run] / (1 - ADAM_DECAY[0])
            torch.testing.assert_close(share, 0.3 * expected[run][place][0], rtol=1e-3, atol=1e-6)


def _flat(layers: Any) -> list[Tensor]:
    return [layers] if isinstance(layers, Tensor) else [tensor for each in layers for tensor in _flat(each)]


def test_imitation_is_spent_by_one_update() -> None:
    agent, pairs, batch = agent_and_pairs()
    agent.imitate(pairs.obs.numpy(), pairs.x.numpy(), pairs.valid.numpy(), 0.3)
    assert (agent.update(transitions(batch))["imitation_gradient"] > 0).all()
    assert agent.update(transitions(batch))["imitation_gradient"].tolist() == [0, 0]


def test_a_step_of_its_own_moves_the_actor_alone_by_the_learning_rate() -> None:
    """From empty moments Adam goes the learning rate against the sign of each gradient."""
    agent, pairs, _ = agent_and_pairs()
    expected = [gradient_by_hand(agent, pairs, run) for run in range(2)]
    before = {name: [tensor.clone() for tensor in _flat(layers)] for name, layers in agent.learner._asdict().items()}
    agent.imitate_now(pairs.obs.numpy(), pairs.x.numpy(), pairs.valid.numpy(), 1.0)
    for name, layers in agent.learner._asdict().items():
        assert all(map(torch.equal, _flat(layers), before[name])) == (name != "actor")
    for place, (layer, was) in enumerate(zip(agent.learner.actor, before["actor"], strict=True)):
        for run in range(2):
            gradient = expected[run][place][0]
            clear = gradient.abs() > 1e-4
            moved = (layer - was)[run][clear]
            torch.testing.assert_close(moved, -AGENT.learning_rate * gradient[clear].sign(), rtol=1e-2, atol=0)


def far_away(pairs: TracedPairs, agent: SAC) -> TracedPairs:
    """Pairs of no data, where the policy is as certain as it can be of quite another action."""
    agent.learner.actor[-1][..., 2:] = -50
    return pairs._replace(x=pairs.x + 1e4)


def test_a_gradient_too_large_to_square_is_still_a_step() -> None:
    agent, pairs, _ = agent_and_pairs()
    pairs, before = far_away(pairs, agent), [layer.clone() for layer in agent.learner.actor]
    gradient = agent.imitation.gradient(pairs, 1.0)
    assert max(layer.abs().max() for layer in gradient) > 2e19
    agent.imitate_now(pairs.obs.numpy(), pairs.x.numpy(), pairs.valid.numpy(), 1.0)
    moved = (agent.learner.actor[-2] - before[-2]).abs()
    assert moved[..., :2].amax().item() == pytest.approx(AGENT.learning_rate, rel=1e-3)
    assert np.isfinite([array.sum() for array in arrays(agent.state())]).all()


# The loop


def test_random_actions_come_first_and_then_one_update_a_step() -> None:
    training = trained(sac_spec(seeds=(0, 1), env_id=CART), 60)
    assert training.agent.learner.updates == 0
    actions = training.replay.take(np.arange(60)[None].repeat(2, 0)).action
    assert np.abs(actions).max() <= 1
    assert np.histogram(actions, 4, (-1, 1))[0].min() > 15
    assert np.isnan(training.learned.take().get("critic_loss", np.nan))
    for step in range(1, 4):
        training.step()
        assert training.agent.learner.updates == step
    assert training.replay.end == 63


def test_the_buffer_holds_what_happened() -> None:
    """Each transition begins where the one before it led, or anew; only termination is marked."""
    training = trained(sac_spec(seeds=(0, 1), env_id=CART), 140)
    found = training.replay.take(np.arange(140)[None].repeat(2, 0))
    beyond = np.abs(found.next_obs[..., 0]) > 2
    assert np.array_equal(found.terminated > 0, beyond)
    anew = (found.obs[:, 1:] != found.next_obs[:, :-1]).any(2)
    assert (anew >= beyond[:, :-1]).all()
    assert (anew & ~beyond[:, :-1]).any()  # truncated
    assert found.reward == pytest.approx(-np.abs(found.next_obs[..., 0]), rel=1e-6)


def test_tables_of_a_training() -> None:
    tables = train(sac_spec("repaired", seeds=(4, 2), env_id=CART)).tables
    assert set(tables) == {"metrics", "recall"}  # digests come after 1,000 updates
    for table in tables.values():
        assert table["seed"].tolist() == [2] * 4 + [4] * 4
        assert table["step"].tolist() == [60, 120, 180, 200] * 2
    metrics, recalled = tables["metrics"], tables["recall"]
    first = metrics["step"] == 60
    assert metrics["critic_loss"].isna().equals(first)  # nothing was learned until then
    assert metrics["return"].notna().all()
    assert recalled["trace_length"].isna().equals(first)
    assert recalled["held_out_state_nll"].notna().sum() == 6
    timing = train(sac_spec("repaired", env_id=CART)).timing.set_index("phase")["seconds"]
    assert (timing > 0).all()


def test_digests_tell_when_trainings_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that are the same have the same ones; with recall they are others from the first update on."""
    monkeypatch.setattr(OffPolicyTraining, "digest_every", 30)
    recalled, again, alone = (
        train(sac_spec(arm, env_id=CART)).tables["digests"].set_index("step")
        for arm in ("repaired", "repaired", "baseline")
    )
    assert recalled.equals(again)
    assert set(recalled) - set(alone) == {"recaller"}
    assert recalled.index.tolist() == alone.index.tolist() == [30, 60, 90, 120, 150, 180]
    for part in ("agent", "learned"):
        assert (recalled[part] == alone[part]).tolist() == [True] * 2 + [False] * 4, part
        assert alone.loc[90:, part].is_unique


@pytest.mark.parametrize("arm", ["baseline", *RECALL_ARMS])
def test_the_same_specification_gives_the_same_bytes_and_another_seed_others(arm: str) -> None:
    first, again, other = (train(sac_spec(arm, (seed,), steps=130, env_id=CART)) for seed in (0, 0, 1))
    assert texts(again) == texts(first)
    assert texts(other)["metrics"] != texts(first)["metrics"].replace("\n0,", "\n1,")


# What recall may move and what not


def with_weight_0(arm: str, agent: Any = AGENT) -> tuple[OffPolicyTraining, OffPolicyTraining]:
    """Soft actor-critic alone, and with recall that has no weight, both at their end."""
    specs = [sac_spec(agent=agent), sac_spec(arm, agent=agent, weight=0.0)]
    baseline, recalling = (trained(spec, spec.n_updates) for spec in specs)
    return baseline, recalling


def assert_recall_did_nothing(baseline: OffPolicyTraining, recalling: OffPolicyTraining) -> None:
    tables, others = texts(baseline.result()), texts(recalling.result())
    assert set(others) - set(tables) == {"recall"}
    assert all(others[name] == table for name, table in tables.items())
    assert recalling.recaller is not None
    assert recalling.recaller.traces is not None
    for name, layers in baseline.agent.learner._asdict().items():
        assert all(map(torch.equal, _flat(layers), _flat(recalling.agent.learner._asdict()[name])))
    assert np.array_equal(baseline.replay.rows, recalling.replay.rows)


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_weight_0_is_soft_actor_critic_byte_for_byte(arm: str) -> None:
    assert_recall_did_nothing(*with_weight_0(arm))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_weight_0_is_soft_actor_critic_byte_for_byte_compiled(arm: str, precision: Any) -> None:
    assert_recall_did_nothing(*with_weight_0(arm, replace(AGENT, precision=precision)))


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_with_a_weight_it_differs_from_the_first_traces_on(arm: str) -> None:
    results = [train(sac_spec(each, steps=180, eval_every=10)) for each in ("baseline", arm)]
    baseline, recalling = (result.tables["metrics"] for result in results)
    before = recalling["step"] <= 60
    assert csv(recalling[before]) == csv(baseline[before])
    assert (recalling["actor_parameters"][~before] != baseline["actor_parameters"][~before]).all()


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_recall_takes_no_number_from_the_agent(arm: str) -> None:
    streams = [trained(sac_spec(each, env_id=CART), 90).streams.state() for each in ("baseline", arm)]
    for name in ("init", "env", "policy", "noise", "replay"):
        assert streams[0][name] == streams[1][name]
    for name in ("model_init", "model", "traces"):
        assert streams[0][name] != streams[1][name]


@pytest.mark.parametrize("arm", ["baseline", *RECALL_ARMS])
def test_measuring_more_often_changes_nothing_that_is_learned(arm: str) -> None:
    often, once = (trained(sac_spec(arm, steps=110, env_id=CART, eval_every=every), 110) for every in (15, 110))
    assert_same_agent(often, once)
    assert often.streams.state() == once.streams.state()
    if arm != "baseline":
        assert often.recaller is not None
        assert once.recaller is not None
        assert all(map(np.array_equal, arrays(often.recaller.state()), arrays(once.recaller.state())))
    last = [training.tables()["metrics"].iloc[-1] for training in (often, once)]
    assert last[0]["actor_parameters"] == pytest.approx(last[1]["actor_parameters"], rel=1e-2)


# A group of seeds


@pytest.mark.parametrize("arm", ["baseline", *RECALL_ARMS])
def test_seeds_train_together_as_alone(arm: str) -> None:
    """The same numbers are drawn; sums of several runs' products may differ in the last bits, which then grow."""

    def spec(*seeds: int) -> RunSpec:
        return sac_spec(arm, seeds, steps=100, env_id=CART, eval_every=20)

    together, alone = trained(spec(3, 8), 100), [trained(spec(seed), 100) for seed in (3, 8)]
    for run, (seed, single) in enumerate(zip((3, 8), alone, strict=True)):
        random = np.arange(60)
        for found, expected in zip(
            together.replay.take(np.stack([random] * 2)), single.replay.take(random[None]), strict=True
        ):
            assert np.array_equal(found[run], expected[0])  # before learning, to the bit
        state = together.streams.state()
        assert all(state[name][run] == group[0] for name, group in single.streams.state().items())
        for name, expected in single.tables().items():
            found = together.tables()[name]
            found = found[found["seed"] == seed].reset_index(drop=True)
            assert list(found) == list(expected)
            assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-3, abs=1e-4, nan_ok=True), name


# Fast


@pytest.mark.parametrize("engine", ["native", "compiled"])
def test_fast_training_is_the_eager_one(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as float32 goes: the whole loop with recall in every update, to its end."""
    spec = sac_spec("repaired", steps=100, env_id=CART, eval_every=20)
    if engine == "compiled":
        monkeypatch.setattr(recall.engine, "_native", lambda precision: False)
    elif spec.agent.numerics["engine"] != engine:
        pytest.skip("no native update in float32 here")
    fast = train(spec)
    run_eagerly(monkeypatch)
    eager = train(spec)
    for name, table in eager.tables.items():
        found = fast.tables[name]
        assert found.to_numpy() == pytest.approx(table.to_numpy(), rel=2e-3, abs=1e-3, nan_ok=True), name
