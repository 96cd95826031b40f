"""The trajectory buffer against a plain list of transitions."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.buffers import Rollout, TrajectoryBuffer

DISCOUNT = 0.9


class Entry(NamedTuple):
    """A stored transition and the place of its trajectory in the list of all."""

    obs: int
    action: int
    next_obs: int
    trajectory: int


@dataclass
class Naive:
    """What one run's environment did: all transitions, and the rewards of every trajectory."""

    capacity: int
    entries: list[Entry] = field(default_factory=list)
    rewards: list[list[float]] = field(default_factory=lambda: [[]])

    def add(self, obs: int, action: int, reward: float, next_obs: int, done: bool) -> None:
        self.entries.append(Entry(obs, action, next_obs, len(self.rewards) - 1))
        self.rewards[-1].append(reward)
        if done:
            self.rewards.append([])

    def returns(self) -> dict[int, float]:
        """Discounted return of every ended trajectory whose last transition is still kept."""
        kept = {entry.trajectory for entry in self.entries[-self.capacity :]}
        ended = range(len(self.rewards) - 1)
        return {i: sum(DISCOUNT**t * r for t, r in enumerate(self.rewards[i])) for i in ended if i in kept}

    def kept(self, level: float) -> list[tuple[int, int, int]]:
        """Kept transitions of trajectories that reach a level."""
        good = {i for i, value in self.returns().items() if value >= level - 1e-6}
        return [entry[:3] for entry in self.entries[-self.capacity :] if entry.trajectory in good]


def fill(
    seed: int, capacity: int, n_runs: int, n_envs: int, n_steps: int
) -> tuple[TrajectoryBuffer, list[list[Naive]]]:
    """The same random experience in both, in rollouts of random lengths; every observation is unique."""
    rng = np.random.default_rng(seed)
    buffer = TrajectoryBuffer(capacity, n_runs, n_envs, DISCOUNT)
    naive = [[Naive(capacity) for _ in range(n_envs)] for _ in range(n_runs)]
    taken = 0
    while taken < n_steps:
        shape = (int(rng.integers(1, 6)), n_runs, n_envs)
        obs = (taken * n_runs * n_envs + np.arange(np.prod(shape))).reshape(shape)
        action, end = rng.integers(0, 4, shape), rng.choice(3, shape, p=(0.7, 0.15, 0.15))
        reward = rng.choice([0, 0, 1, 2, -1], shape).astype(np.float32)
        buffer.add(Rollout(obs, action, reward, obs + 1000, end == 1, end == 2))
        for t, run, env in np.ndindex(shape):
            at = (t, run, env)
            naive[run][env].add(int(obs[at]), int(action[at]), float(reward[at]), int(obs[at]) + 1000, bool(end[at]))
        taken += len(obs)
    return buffer, naive


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 40), st.sampled_from([0.2, 0.5, 1.0]))
def test_the_best_trajectories_are_those_of_a_plain_list(
    seed: int, capacity: int, n_steps: int, fraction: float
) -> None:
    buffer, naive = fill(seed, capacity, 2, 2, n_steps)
    numbers = np.tile((np.arange(400, dtype=np.float32) + 0.5) / 400, (2, 1))
    batch, levels = buffer.sample_top(fraction, numbers), buffer.threshold(fraction)
    for run, envs in enumerate(naive):
        paid = [value for env in envs for value in env.returns().values() if value > 0]
        assert batch["found"][run] == bool(paid)
        if paid:
            assert levels[run] == pytest.approx(np.quantile(paid, 1 - fraction), abs=1e-5)
            expected = sorted(entry for env in envs for entry in env.kept(levels[run]))
            drawn = zip(*(batch[name][run].tolist() for name in TrajectoryBuffer.FIELDS), strict=True)
            assert sorted(set(drawn)) == expected
        else:
            assert levels[run] == np.inf


def episode(buffer: TrajectoryBuffer, states: range, reward: float, ends: bool = True) -> None:
    """A run of states in one environment whose last step pays."""
    obs = np.array(states).reshape(-1, 1, 1)
    last = (np.arange(len(states)) == len(states) - 1).reshape(-1, 1, 1)
    paid, nothing = (last * reward).astype(np.float32), np.zeros_like(last)
    buffer.add(Rollout(obs, obs * 0, paid, obs + 1, last & ends, nothing))


def drawn(buffer: TrajectoryBuffer, fraction: float = 1.0, n: int = 1000) -> list[int]:
    numbers = ((np.arange(n, dtype=np.float32) + 0.5) / n)[None]
    return buffer.sample_top(fraction, numbers)["obs"][0].tolist()


def test_an_unfinished_episode_takes_no_part_until_it_ends() -> None:
    buffer = TrajectoryBuffer(20, 1, 1, 1.0)
    episode(buffer, range(3), 1)
    episode(buffer, range(10, 13), 5, ends=False)
    assert set(drawn(buffer)) == {0, 1, 2}
    episode(buffer, range(13, 15), 0)
    assert set(drawn(buffer, fraction=0.1)) == {10, 11, 12, 13, 14}


def test_a_trajectory_without_reward_is_never_good() -> None:
    buffer = TrajectoryBuffer(20, 1, 1, 1.0)
    episode(buffer, range(3), 0)
    episode(buffer, range(10, 13), -1)
    assert not buffer.sample_top(1.0, np.zeros((1, 4), np.float32))["found"].any()
    assert buffer.threshold(1.0).tolist() == [np.inf]


def test_draws_are_uniform_over_transitions() -> None:
    buffer = TrajectoryBuffer(20, 1, 1, 1.0)
    episode(buffer, range(2), 1)
    episode(buffer, range(10, 18), 1)
    counts = np.unique(drawn(buffer), return_counts=True)
    assert counts[0].tolist() == [0, 1, *range(10, 18)]
    assert set(counts[1]) == {100}


def test_the_ring_forgets_the_oldest() -> None:
    buffer = TrajectoryBuffer(5, 1, 1, 1.0)
    episode(buffer, range(4), 1)
    episode(buffer, range(10, 13), 1)
    assert set(drawn(buffer)) == {2, 3, 10, 11, 12}


def test_an_episode_longer_than_the_buffer_keeps_its_whole_return() -> None:
    buffer = TrajectoryBuffer(4, 1, 1, 0.5)
    episode(buffer, range(10), 1)
    assert set(drawn(buffer)) == {6, 7, 8, 9}
    assert buffer.threshold(1.0)[0] == pytest.approx(0.5**9)


def test_the_last_number_below_1_is_within_the_buffer() -> None:
    buffer = TrajectoryBuffer(2048, 1, 8, 0.99)
    ones = np.ones((2048, 1, 8), bool)
    buffer.add(Rollout(ones * 1, ones * 1, ones * 1.0, ones * 2, ones, ~ones))
    last = np.nextafter(np.float32(1), np.float32(0))
    assert buffer.sample_top(1.0, np.full((1, 3), last, np.float32))["next_obs"].tolist() == [[2, 2, 2]]


def test_a_state_is_put_back_and_goes_on() -> None:
    buffer, _ = fill(0, 9, 2, 2, 14)
    other = TrajectoryBuffer(9, 2, 2, DISCOUNT)
    state = buffer.state()
    other.load_state({**state, "data": {name: array.copy() for name, array in state["data"].items()}})
    ones = np.ones((3, 2, 2), int)
    for each in (buffer, other):
        each.add(Rollout(ones, ones, ones.astype(np.float32), ones, ones == 1, ones == 0))
    numbers = np.random.default_rng(0).random((2, 50), np.float32)
    for name, array in buffer.sample_top(0.5, numbers).items():
        assert np.array_equal(other.sample_top(0.5, numbers)[name], array)


def test_steps_of_a_rollout() -> None:
    arrays = [np.zeros((5, 2, 3))] * 6
    assert Rollout(*arrays).n_steps == 15
