"""High-value states: the goal first, then by the critic, never one that was not reached."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.buffers import Rollout
from recall.targets import HighValueStates

N_STATES = 8


def rollout(next_obs: list[int], reward: list[float] | None = None, terminated: list[int] | None = None) -> Rollout:
    """Steps of one run in one environment, given by where they lead."""
    shape = (len(next_obs), 1, 1)
    paid = np.zeros(shape, np.float32) if reward is None else np.array(reward, np.float32).reshape(shape)
    ends = np.isin(np.arange(len(next_obs)), terminated or []).reshape(shape)
    zeros = np.zeros(shape, int)
    return Rollout(zeros, zeros, paid, np.array(next_obs).reshape(shape), ends, np.zeros(shape, bool))


def known(*rollouts: Rollout) -> HighValueStates:
    targets = HighValueStates(1, N_STATES)
    for each in rollouts:
        targets.observe(each)
    return targets


def top(targets: HighValueStates, values: list[float], n: int) -> list[int]:
    return targets.top(np.array([values]), n)[0].tolist()


RISING = [float(i) for i in range(N_STATES)]


def test_the_most_valuable_reached_states_come_first() -> None:
    assert top(known(rollout([2, 5, 3, 3])), RISING, 3) == [5, 3, 2]


def test_a_state_that_was_not_reached_is_never_handed_over() -> None:
    targets = known(rollout([0, 1]))
    assert set(top(targets, RISING, N_STATES)) == {0, 1}


def test_a_run_that_reached_few_states_repeats_its_best() -> None:
    assert top(known(rollout([2, 4])), RISING, 4) == [4, 2, 4, 4]


def test_a_rewarded_terminal_state_is_first_however_little_the_critic_thinks_of_it() -> None:
    targets = known(rollout([7, 1], [0, 0.5], [1]))
    assert top(targets, [0.0, -100.0, *[50.0] * 6], 2) == [1, 7]


def test_a_terminal_state_is_worth_the_best_reward_paid_there() -> None:
    targets = known(rollout([3, 4, 3], [0.9, 0.5, 0.2], [0, 1, 2]))
    assert targets.terminal_value[0, [3, 4]].tolist() == np.array([0.9, 0.5], np.float32).tolist()
    assert top(targets, RISING, 2) == [3, 4]


def test_a_terminal_state_without_reward_competes_with_its_reward() -> None:
    targets = known(rollout([3, 6], [-5, 0], [0]))
    assert top(targets, [0.0] * N_STATES, 2) == [6, 3]


def test_a_truncated_episode_makes_no_state_terminal() -> None:
    ended = rollout([3])
    targets = known(Rollout(ended.obs, ended.action, ended.reward, ended.next_obs, ended.terminated, ~ended.terminated))
    assert np.isnan(targets.terminal_value).all()
    assert targets.reached[0].nonzero()[0].tolist() == [3]


def test_only_reward_makes_a_run_know_something() -> None:
    targets = known(rollout([3], [-1.0], [0]))
    assert not targets.rewarded.any()
    targets.observe(rollout([4], [0.1]))
    assert targets.rewarded.all()


def test_a_handed_over_goal_is_first_before_anything_was_reached() -> None:
    targets = HighValueStates(2, N_STATES)
    targets.hand_over(np.array([0]), np.array([6]), 1.0)
    targets.observe(Rollout(*(np.concatenate([x, x], 1) for x in vars(rollout([2])).values())))
    assert targets.top(np.array([RISING, RISING]), 1).tolist() == [[6], [2]]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, N_STATES))
def test_top_is_the_sorted_list(seed: int, n: int) -> None:
    """Against plain sorting, for several runs that reached and were paid at random."""
    rng = np.random.default_rng(seed)
    targets = HighValueStates(3, N_STATES)
    targets.reached[:] = rng.random((3, N_STATES)) < 0.5
    targets.reached[:, 0] = True
    ended = targets.reached & (rng.random((3, N_STATES)) < 0.3)
    targets.terminal_value[ended] = rng.choice([-1, 0, 1, 2], ended.sum()) + rng.random(ended.sum()) / 4
    values = rng.normal(size=(3, N_STATES)).astype(np.float32)
    for run, found in enumerate(targets.top(values, n)):
        terminal = targets.terminal_value[run]
        worth = np.where(np.isnan(terminal), values[run], terminal)
        order = sorted(targets.reached[run].nonzero()[0], key=lambda s: (not terminal[s] > 0, -worth[s]))
        assert found.tolist() == (order + [order[0]] * n)[:n]


def test_a_state_is_put_back() -> None:
    targets, other = known(rollout([2, 5], [0, 1], [1])), HighValueStates(1, N_STATES)
    other.load_state(targets.state())
    assert top(other, RISING, 2) == top(targets, RISING, 2)
    assert other.rewarded.all()
