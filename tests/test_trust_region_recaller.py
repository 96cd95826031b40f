"""The recaller of trust regions: what it remembers, learns from and starts at, in each of its variants."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_control import run_eagerly
from small_trust_region import REPAIRED, recall_spec, recalling, trained

from recall import trpo_experiments
from recall.buffers import TimedRollout
from recall.errors import ConfigError
from recall.replay import Transitions
from recall.rewards_to_go import RewardsToGo, transitions
from recall.tracer import HELD_OUT
from recall.trust_region import TrustRegionTraining
from recall.trust_region_recaller import TrustRegionRecallConfig, TrustRegionRecaller
from recall.units import Units


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


class Watched:
    """A training whose rollouts and model's transitions are kept."""

    def __init__(self, arm: str, updates: int, monkeypatch: pytest.MonkeyPatch, **recall: Any) -> None:
        self.training = TrustRegionTraining(recall_spec(arm, (0, 1), updates, **recall))
        self.recaller = recalling(self.training)
        self.rollouts: list[TimedRollout] = []
        self.learned: list[np.ndarray] = []
        update, take = self.recaller.update, self.recaller.data.take

        def keep(rollout: TimedRollout) -> dict:
            self.rollouts.append(rollout)
            self.learned.clear()
            return update(rollout)

        def taken(numbers: np.ndarray) -> Transitions:
            if numbers.shape[1] == self.recaller.config.model_batch:
                self.learned.append(numbers)
            return take(numbers)

        monkeypatch.setattr(self.recaller, "update", keep)
        monkeypatch.setattr(self.recaller.data, "take", taken)
        for _ in range(updates):
            self.training.step()

    @property
    def all_rewards(self) -> np.ndarray:
        """Of every transition so far, (runs, n)."""
        return np.concatenate([transitions(rollout).reward for rollout in self.rollouts], 1)


def starts(recaller: TrustRegionRecaller) -> np.ndarray:
    """States that the traces start from, (runs, traces, obs_dim)."""
    assert recaller.traces is not None
    return recaller.traces.next_obs[:, :, 0]


# What is remembered


def test_the_buffer_is_that_of_the_highest_rewards_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watched("repaired", 6, monkeypatch)
    best = seen.recaller.best
    assert best.seen.tolist() == [360, 360]
    for run in range(2):
        assert best.scores[run].tolist() == sorted(seen.all_rewards[run], reverse=True)[:150]
        assert np.array_equal(best.scores[run], best.held.reward[run])


def test_by_reward_to_go_it_holds_what_was_followed_by_most(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watched("reward-to-go", 6, monkeypatch)
    pending, scores = RewardsToGo(seen.training.config.discount), list[np.ndarray]()
    for rollout in seen.rollouts:
        scores.append(pending.add(rollout)[1])
    for run in range(2):
        known = np.concatenate([each[run][each[run] > -np.inf] for each in scores])
        count = min(150, len(known))
        assert 100 < count < 360
        assert seen.recaller.best.scores[run, :count].tolist() == sorted(known, reverse=True)[:count]


def test_the_units_follow_every_transition(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watched("repaired", 3, monkeypatch)
    next_obs = np.concatenate([transitions(rollout).next_obs for rollout in seen.rollouts], 1)
    assert seen.recaller.units.obs.count == 180
    np.testing.assert_allclose(seen.recaller.units.obs.mean, next_obs.mean(1), atol=1e-5)


def test_actions_are_those_that_the_policy_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond [-1, 1] too, in the buffer, for the model, and in the traces; executed is what lies within."""
    seen = Watched("as-written", 3, monkeypatch)
    recaller = seen.recaller
    assert np.abs(recaller.best.held.action).max() > 1
    pairs = recaller.units.pairs(recaller.best.held)
    assert np.array_equal(pairs.action.numpy(), recaller.best.held.action)
    assert recaller.traces is not None
    assert np.abs(recaller.traces.x).max() > 1
    units, x = Units(1, 2, True, None), np.array([[[-3.0], [0.4], [1.5]]], np.float32)
    assert np.array_equal(units.drawn(x), x)
    assert units.executed(x)[0, :, 0] == pytest.approx([-1, 0.4, 1])


# What is learned from


def test_the_model_learns_from_the_best_share_but_for_what_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for updates, top in ((2, 48), (6, 144), (9, 150)):  # 0.4 of 60 an update, until the buffer is full
        seen = Watched("repaired", updates, monkeypatch, model_updates=60)
        learned, births = np.concatenate(seen.learned, 1), seen.recaller.best.births
        for run in range(2):
            held_out = {rank for rank in range(top) if births[run, rank] % HELD_OUT == 0}
            assert set(seen.recaller.held_out[run]) == held_out
            assert set(learned[run]) == set(range(top)) - held_out


def test_from_trajectories_it_learns_those_of_the_iteration_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watched("trajectories", 4, monkeypatch, model_updates=60)
    recaller, fresh = seen.recaller, transitions(seen.rollouts[-1])
    found = recaller.data.take(np.concatenate(seen.learned, 1))
    for run in range(2):
        held = {float(obs) for obs in recaller.data.take(np.stack([recaller.held_out[run]] * 2)).obs[run, :, 0]}
        assert len(recaller.held_out[run]) == 60 // HELD_OUT
        assert {float(obs) for obs in found.obs[run, :, 0]} == {float(obs) for obs in fresh.obs[run, :, 0]} - held
    assert recaller.best.seen.tolist() == [240, 240]


def test_the_trajectories_variant_starts_where_the_buffer_says(monkeypatch: pytest.MonkeyPatch) -> None:
    recaller = Watched("trajectories", 4, monkeypatch, target_fraction=0.05, n_traces=200).recaller
    for run in range(2):
        assert {tuple(s) for s in starts(recaller)[run]} == {tuple(s) for s in recaller.best.held.next_obs[run, :12]}


# Where traces start


def test_traces_start_where_the_best_tuples_led(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watched("repaired", 4, monkeypatch, target_fraction=0.05, n_traces=200)
    for run in range(2):
        order = np.argsort(-seen.all_rewards[run], kind="stable")[: 240 // 20]
        found = np.concatenate([transitions(rollout).next_obs for rollout in seen.rollouts], 1)[run, order]
        assert {tuple(state) for state in starts(seen.recaller)[run]} == {tuple(state) for state in found}


def test_as_written_they_start_at_the_single_best(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watched("as-written", 4, monkeypatch)
    for run in range(2):
        best = np.argmax(seen.all_rewards[run])
        state = np.concatenate([transitions(rollout).next_obs for rollout in seen.rollouts], 1)[run, best]
        assert np.array_equal(starts(seen.recaller)[run], np.broadcast_to(state, (4, 2)))


def test_a_share_larger_than_the_buffer_is_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    recaller = Watched("repaired", 6, monkeypatch, target_fraction=1.0, n_traces=2000, length=1).recaller
    for run in range(2):
        assert {tuple(s) for s in starts(recaller)[run]} == {tuple(s) for s in recaller.best.held.next_obs[run]}


def test_by_reward_to_go_nothing_happens_before_an_episode_has_ended() -> None:
    """Carts that go nowhere last 20 steps: the fourth rollout of 5 ends them."""
    spec = recall_spec("reward-to-go", (0, 1))
    training = TrustRegionTraining(replace(spec, agent=replace(spec.agent, n_steps=5, initial_std=1e-3)))
    waited = 0
    while recalling(training).traces is None:
        assert recalling(training).model.updates == 0
        training.step()
        waited += 1
    assert recalling(training).best.counts.all()
    assert waited == 4


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: 0} for name in ("length", "n_traces", "model_updates", "model_batch", "capacity", "top_fraction")),
        *({name: -0.1} for name in ("weight", "learning_rate", "action_std", "kl_share")),
        *({name: float("nan")} for name in ("weight", "learning_rate", "top_fraction", "kl_share")),
        *({name: 1.1} for name in ("top_fraction", "target_fraction", "kl_share")),
        *({name: "value"} for name in ("rank", "learn_from")),
        {"model_learning_rate": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TrustRegionRecallConfig(**wrong)


def test_the_arm_as_written_is_what_the_settings_say_it_is() -> None:
    text = str(TrustRegionRecallConfig.__doc__)
    literal = text[text.index("kl_share=None") : text.index(". In both")]
    found = eval(f"replace(REPAIRED, {literal})", {"replace": replace, "REPAIRED": REPAIRED})  # noqa: S307 (our own)
    assert found == recall_spec("as-written").recall
    assert eval(f"TrustRegionRecallConfig({literal})") == trpo_experiments.ARMS["as-written"]  # noqa: S307 (our own)


def test_a_trained_policy_is_the_same_alone_and_in_company() -> None:
    together = trained(recall_spec(seeds=(3, 8)))
    for run, seed in enumerate((3, 8)):
        alone = trained(recall_spec(seeds=(seed,)))
        np.testing.assert_allclose(together.agent.parameters[run], alone.agent.parameters[0], atol=2e-3)
        state = together.streams.state()
        assert all(state[name][run] == group[0] for name, group in alone.streams.state().items())
