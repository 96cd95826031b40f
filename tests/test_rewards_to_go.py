"""Rewards-to-go against adding up what followed, episode by episode, however rollouts cut them."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import load

from recall.buffers import TimedRollout
from recall.checkpoints import Checkpoint
from recall.rewards_to_go import RewardsToGo, rewards_to_go, transitions

DISCOUNT = 0.9
RUNS, ENVS = 2, 3


def experience(steps: int, seed: int, ends: float) -> TimedRollout:
    """Steps of all environments; observations tell which."""
    rng, shape = np.random.default_rng(seed), (steps, RUNS, ENVS)
    tags = np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1)
    drawn = rng.random(shape)
    reward = rng.standard_normal(shape).astype(np.float32)
    terminated, truncated = drawn < ends / 2, (drawn >= ends / 2) & (drawn < ends)
    return TimedRollout(tags, tags + 0.25, reward, tags + 0.5, terminated, truncated, tags[..., 0])


def part(rollout: TimedRollout, start: int, end: int) -> TimedRollout:
    return TimedRollout(**{name: array[start:end] for name, array in vars(rollout).items()})


def by_hand(rollout: TimedRollout) -> dict[float, float]:
    """The reward-to-go of every transition whose episode has ended, by its observation."""
    found: dict[float, float] = {}
    ended = rollout.terminated | rollout.truncated
    for run, env in np.ndindex(RUNS, ENVS):
        ends = np.flatnonzero(ended[:, run, env])
        for t in range(len(ended)):
            later = ends[ends >= t]
            if len(later):
                rewards = rollout.reward[t : later[0] + 1, run, env].astype(float)
                found[float(rollout.obs[t, run, env, 0])] = float(rewards @ DISCOUNT ** np.arange(len(rewards)))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 7), min_size=1, max_size=6), st.sampled_from([0, 0.05, 0.3, 1]))
def test_each_transition_comes_out_once_with_what_followed_it(seed: int, lengths: list[int], ends: float) -> None:
    rollout, end, out = experience(sum(lengths), seed, ends), 0, dict[float, float]()
    pending = RewardsToGo(DISCOUNT)
    for length in lengths:
        found, scores = pending.add(part(rollout, end, end + length))
        end += length
        for run, place in np.argwhere(scores > -np.inf):
            tag = float(found.obs[run, place, 0])
            assert tag not in out
            out[tag] = float(scores[run, place])
            t, own_run, env = np.unravel_index(int(tag), rollout.reward.shape)
            assert own_run == run
            for name in ("action", "reward", "next_obs", "terminated"):
                assert np.array_equal(getattr(found, name)[run, place], getattr(rollout, name)[t, run, env])
        expected = by_hand(part(rollout, 0, end))
        assert out.keys() == expected.keys()
    for tag, score in by_hand(rollout).items():
        assert abs(out[tag] - score) < 1e-5


def test_nothing_waits_for_longer_than_its_episode_lasts() -> None:
    pending, rollout = RewardsToGo(DISCOUNT), experience(50, 0, 0.3)
    pending.add(rollout)
    ended = rollout.terminated | rollout.truncated
    assert (
        50 - len(pending.waiting["reward"]) == min(np.argwhere(ended[:, r, e]).max() for r, e in np.ndindex(2, 3)) + 1
    )


def test_without_an_end_nothing_is_known() -> None:
    reward = np.ones((5, 1))
    sums, known = rewards_to_go(reward, np.zeros((5, 1), bool), DISCOUNT)
    assert not known.any()
    ended = np.array([[False], [False], [True], [False], [False]])
    sums, known = rewards_to_go(reward, ended, DISCOUNT)
    assert known[:, 0].tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(sums[:3, 0], [2.71, 1.9, 1])


def test_transitions_of_a_rollout_are_those_of_each_run() -> None:
    rollout = experience(4, 1, 0.5)
    found = transitions(rollout)
    for t, run, env in np.ndindex(4, RUNS, ENVS):
        for name, column in found._asdict().items():
            assert np.array_equal(column[run, t * ENVS + env], getattr(rollout, name)[t, run, env])


def test_what_waits_survives_a_checkpoint(tmp_path: Path) -> None:
    rollout, first, second = experience(20, 2, 0.1), RewardsToGo(DISCOUNT), RewardsToGo(DISCOUNT)
    for cut, end in ((0, 6), (6, 13), (13, 20)):
        Checkpoint(tmp_path).save({"pending": first.state()})
        state = load(tmp_path)
        assert state is not None
        second.load_state(state["pending"])
        found = [each.add(part(rollout, cut, end)) for each in (first, second)]
        assert np.array_equal(found[0][1], found[1][1])
        assert all(map(np.array_equal, found[0][0], found[1][0]))
