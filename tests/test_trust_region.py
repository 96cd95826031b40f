"""The loop of trust region policy optimisation: what it collects, what updates keep to, what a kill leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rings import load
from small_control import CART
from small_runs import texts
from small_trust_region import check_stops, set_number, trained, trpo_spec
from test_training import run_until

from recall.agents.trpo import kl_divergence
from recall.analysis.records import load_record
from recall.buffers import by_run
from recall.checkpoints import Checkpoint
from recall.envs.gym_env import GymConfig, GymEnv
from recall.evaluation import evaluation_seeds
from recall.policies import evaluate_policy, load_policy, summary
from recall.runs import spec_json, write_record
from recall.specs import spec_from_json
from recall.training import begin, train
from recall.trust_region import TrustRegionTraining

LINEAR = {"baseline": "linear", "normalise_obs": False, "normalise_reward": False, "kl_per_dimension": False}
FINITE = {**LINEAR, "baseline": "linear-finite"}
KINDS: dict[str, dict[str, Any]] = {"network": {}, "linear": LINEAR, "linear-finite": FINITE}
BODY = "HalfCheetah-v5"
"""Stepped side by side."""


# Collecting


@pytest.mark.parametrize("env_id", [CART, BODY])
def test_a_rollout_is_what_gymnasiums_environments_do(env_id: str) -> None:
    """Each environment's transitions in order; executed is what lies in [-1, 1]; the last states are the true ones."""
    training = TrustRegionTraining(trpo_spec((0, 1), env_id=env_id, initial_std=2.0, n_steps=50))
    envs = [GymEnv(GymConfig(env_id)) for _ in range(6)]
    starts = training.envs.obs.copy()
    rollout = training._collect()
    assert np.abs(rollout.action).max() > 1
    for index, env in enumerate(envs):
        run, place = divmod(index, 3)
        env.load_state(fresh(training, index))
        assert np.array_equal(env.obs, starts[index])
        time = 0
        for t in range(50):
            at = (t, run, place)
            assert np.array_equal(rollout.obs[at], env.obs)
            assert rollout.time[at] == time
            next_obs, *rest = env.step(np.clip(rollout.action[at], -1, 1))
            assert np.array_equal(rollout.next_obs[at], next_obs)
            assert [rollout.reward[at], rollout.terminated[at], rollout.truncated[at]] == rest
            time += 1
            if rest[1] or rest[2]:
                env.reset()
                time = 0
    if env_id == CART:
        assert rollout.terminated.any()
        assert rollout.truncated.any()
        assert not (rollout.terminated & rollout.truncated).all()


def fresh(training: TrustRegionTraining, index: int) -> dict:
    """The state of one of the environments before the first step."""
    return TrustRegionTraining(training.spec).envs.envs[index].state()


def test_all_environments_differ() -> None:
    training = TrustRegionTraining(trpo_spec((0, 1)))
    assert len(np.unique(training.envs.obs, axis=0)) == 6


# Updating


@pytest.mark.parametrize("kind", KINDS)
def test_no_update_moves_the_policy_beyond_the_bound(kind: str) -> None:
    """In the states of the rollout, by the KL of the policies as they act; and the surrogate never falls."""
    training = TrustRegionTraining(trpo_spec((0, 1), target_kl=0.05, cg_damping=1e-3, **KINDS[kind]))
    agent, found = training.agent, []
    for _ in range(15):
        rollout = training._collect()
        obs = rollout.obs.swapaxes(0, 1).reshape(2, -1, training.envs.obs_dim)
        before, normalisation = agent.policy(obs), agent.actor[:3]
        metrics = agent.update(rollout)
        agent.actor[:3] = normalisation
        kl = kl_divergence(before, agent.policy(obs))
        agent._refresh()
        assert kl == pytest.approx(metrics["kl"], abs=1e-6)
        assert (kl <= 0.05 + 1e-6).all()
        assert (metrics["improvement"] >= 0).all()
        found.append(metrics)
    assert max(each["kl"].max() for each in found) > 0.03
    assert np.mean([each["accepted"] for each in found]) > 0.8


@pytest.mark.parametrize(("baseline", "is_an_end"), [("linear", False), ("linear-finite", True)])
def test_beyond_the_time_limit_there_is_a_value_unless_it_is_an_end(baseline: str, is_an_end: bool) -> None:
    """Of transitions that were truncated, the return that is learned is the reward alone, or more."""
    training = TrustRegionTraining(trpo_spec(**{**LINEAR, "baseline": baseline}))
    training.step()
    rollout = training._collect()
    x, time = (by_run(each) for each in (rollout.obs, rollout.time))
    value, advantage = training.agent._advantage(rollout, x, time)
    cut = by_run(rollout.truncated & ~rollout.terminated)
    assert cut.any()
    left = (value + advantage - by_run(rollout.reward))[cut]
    assert bool(np.allclose(left, 0, atol=1e-3)) is is_an_end


def test_a_policy_that_cannot_improve_stays_to_the_bit() -> None:
    """The bound is so small that rounding hides every step."""
    training = TrustRegionTraining(trpo_spec(target_kl=1e-30))
    before = training.agent.parameters.copy()
    training.step()
    assert training.agent.parameters.tobytes() == before.tobytes()
    learned = training.learned.take()
    assert (learned["accepted"], learned["kl"], learned["line_search_steps"]) == (0, 0, 10)


def test_a_bound_by_dimension_is_one_on_the_mean_over_them() -> None:
    settings = {"env_id": "Swimmer-v5", "updates": 3, "eval_every": 3}
    per = trained(trpo_spec(target_kl=0.01, cg_damping=0.1, **settings))
    whole = trained(trpo_spec(target_kl=0.02, cg_damping=0.2, kl_per_dimension=False, **settings))
    assert np.array_equal(per.agent.parameters, whole.agent.parameters)


def test_observations_are_normalised_by_what_rollouts_showed_before() -> None:
    """Exactly: mean and deviation of every observation of the rollouts so far, to plus and minus 10."""
    training = TrustRegionTraining(trpo_spec((0, 1)))
    seen = []
    for _ in range(4):
        rollout = training._collect()
        training.agent.update(rollout)
        seen.append(rollout.obs.swapaxes(0, 1).reshape(2, -1, 2).astype(np.float64))
    rows = np.concatenate(seen, 1)
    mean, inverse, limit = training.agent.actor[:3]
    np.testing.assert_allclose(mean[:, 0], rows.mean(1), atol=1e-6)
    np.testing.assert_allclose(1 / inverse[:, 0], rows.std(1), rtol=1e-5)
    assert np.unique(limit).tolist() == [10]
    raw = trained(trpo_spec(normalise_obs=False), 2).agent.actor
    assert not raw[0].any()
    assert (np.unique(raw[1]).tolist(), np.unique(raw[2]).tolist()) == ([1], [np.inf])


def test_it_learns_to_balance() -> None:
    """Within seconds the pole stands for all of its 1000 steps."""
    spec = trpo_spec((0, 1), 40, "InvertedPendulum-v5", 40, n_envs=8, n_steps=128, value_epochs=5, cg_iterations=10)
    metrics = train(spec).tables["metrics"]
    assert (metrics["return"] > 900).all()


# Recording


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_a_training(kind: str) -> None:
    result = train(trpo_spec((4, 2), **KINDS[kind]))
    metrics = result.tables["metrics"]
    assert metrics["seed"].tolist() == [2] * 4 + [4] * 4
    assert metrics["step"].tolist() == [360, 720, 1080, 1200] * 2
    expected = ["seed", "step", "return", "episode_length", "train_return", "kl", "improvement", "line_search_steps",
                "accepted", "entropy", "policy_gradient", "policy_step", "value_loss", "value_gradient",
                "explained_variance"]  # fmt: skip
    assert list(metrics) == [name for name in expected if kind == "network" or name != "value_gradient"]
    assert metrics.notna().to_numpy().all()
    timing = result.timing.set_index("phase")["seconds"]
    assert (timing.drop("recall") > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_policy_is_evaluated_as_the_training_did(kind: str, tmp_path: Path) -> None:
    spec = trpo_spec((3, 4), env_id="Swimmer-v5", updates=3, eval_every=2, **KINDS[kind])
    training = trained(spec)
    policy = load_policy(load_record(write_record(tmp_path, spec, training.result(), {})))
    obs = 3 * np.random.default_rng(0).standard_normal(training.envs.obs_dim, np.float32)
    for run in (0, 1):
        acted = training.agent.act(obs[None, None], runs=slice(run, run + 1))[0, 0]
        assert np.array_equal(policy.action(run, obs), np.clip(acted, -1, 1))
    episodes = evaluate_policy(policy)
    assert episodes["reset_seed"].tolist() == 2 * list(evaluation_seeds(1, 10))
    assert summary(policy, episodes).count("in the same 10 episodes") == 2
    means = episodes.groupby("seed")["return"].mean()
    last = training.tables()["metrics"].groupby("seed")["return"].last()
    assert means.to_dict() == pytest.approx(last.to_dict(), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_specifications_come_back(kind: str) -> None:
    spec = trpo_spec((3, 4), **KINDS[kind])
    assert spec_from_json(spec_json(spec)) == spec
    assert isinstance(begin(spec), TrustRegionTraining)


# The same numbers, another time


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_specification_gives_the_same_bytes_and_another_seed_others(kind: str) -> None:
    first, again, other = (train(trpo_spec((seed,), 8, **KINDS[kind])) for seed in (0, 0, 1))
    assert texts(again) == texts(first)
    assert texts(other)["metrics"] != texts(first)["metrics"].replace("\n0,", "\n1,")


def test_seeds_train_together_as_alone() -> None:
    together, alone = trained(trpo_spec((3, 8), 8)), [trained(trpo_spec((seed,), 8)) for seed in (3, 8)]
    for run, single in enumerate(alone):
        np.testing.assert_allclose(together.agent.parameters[run], single.agent.parameters[0], atol=1e-4)
        assert all(together.streams.state()[name][run] == group[0] for name, group in single.streams.state().items())


def test_measuring_more_often_changes_nothing_that_is_learned() -> None:
    often, once = (trained(trpo_spec(updates=8, eval_every=every)) for every in (1, 8))
    assert often.agent.parameters.tobytes() == once.agent.parameters.tobytes()
    assert often.streams.state() == once.streams.state()


@pytest.mark.parametrize("env_id", [CART, BODY])
@pytest.mark.parametrize("kind", KINDS)
def test_going_on_from_a_checkpoint_changes_nothing(kind: str, env_id: str, tmp_path: Path) -> None:
    spec = trpo_spec((0, 1), 9, env_id, 9 if env_id == BODY else 4, **KINDS[kind])
    expected = trained(spec)
    for update in (5,) if env_id == BODY else (1, 5, 8):
        goes_on = TrustRegionTraining(spec)
        Checkpoint(tmp_path).save(trained(spec, update).state())
        state = load(tmp_path)
        assert state is not None
        goes_on.load_state(state)
        while goes_on.update < spec.n_updates:
            goes_on.step()
        assert texts(goes_on.result()) == texts(expected.result())
        assert goes_on.agent.parameters.tobytes() == expected.agent.parameters.tobytes()


KILLABLE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import recall.training
from small_runs import report, texts
from small_trust_region import trpo_spec
recall.training.CHECKPOINT_SECONDS = -1
result = recall.training.train(trpo_spec((0, 1), 40), Path({file!r}), report)
print(texts(result))
"""


def kill_and_go_on(tmp_path: Path, kills: list[int]) -> None:
    code = KILLABLE.format(tests=str(Path(__file__).parent), file=str(tmp_path / "checkpoint"))
    begins = []
    for update in [*kills, 10**6]:
        begin, output = run_until(code, update)
        begins.append(begin)
    assert output.splitlines()[-1] == str(texts(train(trpo_spec((0, 1), 40))))
    assert begins == [1, *(update + 1 for update in kills)]


def test_a_killed_process_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    kill_and_go_on(tmp_path, [19])


@pytest.mark.slow
def test_a_process_killed_ten_times_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    updates = np.random.default_rng(0).choice(np.arange(1, 37), 10, replace=False)
    kill_and_go_on(tmp_path, sorted({int(update) for update in updates}))


# Numbers that are none


def through_env(part: int) -> Callable[[TrustRegionTraining], None]:
    """A fault in what an environment returns: 0 the observation, 1 the reward."""

    def inject(training: TrustRegionTraining) -> None:
        env = training.envs.envs[1].env
        inner = env.step

        def step(action: np.ndarray) -> tuple:
            returned = list(inner(action))
            returned[part] = returned[part] + np.nan
            return tuple(returned)

        env.step = step  # type: ignore[method-assign]

    return inject


def number(path: str, value: float) -> Callable[[TrustRegionTraining], None]:
    """A fault in one number of the agent's state, in place: a path such as baseline/first."""

    def inject(training: TrustRegionTraining) -> None:
        set_number(training.agent.state(), path, value)
        training.agent._refresh()

    return inject


NAN, INF = np.nan, np.inf
FAULTS: dict[str, tuple[Callable[[TrustRegionTraining], None], str]] = {
    "observation": (through_env(0), "step .* of an episode: the observation is NaN or infinite"),
    "reward": (through_env(1), "step .* of an episode: the reward is NaN or infinite"),
    "policy nan": (number("parameters", NAN), "step .* of an episode: the action is NaN or infinite"),
    "value nan": (number("baseline/parameters", NAN), "update 6: .*value_loss.*baseline.* is NaN or infinite"),
    "value inf": (number("baseline/parameters", INF), "update 6: .*baseline.* is NaN or infinite"),
    "moments nan": (number("baseline/first", NAN), "update 6: .*baseline.* is NaN or infinite"),
    "squares inf": (number("baseline/second", INF), "update 6: .*baseline is NaN or infinite"),
    "mean": (number("obs_moments/mean", NAN), "step .* of an episode: the action is NaN or infinite"),
    "squares": (number("obs_moments/squares", INF), "normalisation is NaN or infinite"),
    "returns": (number("reward_scale/returns", NAN), "normalisation is NaN or infinite"),
}


@pytest.mark.parametrize("place", FAULTS)
def test_a_number_that_is_none_stops_the_run_at_that_update(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_stops(trpo_spec(), tmp_path, monkeypatch, *FAULTS[place])
