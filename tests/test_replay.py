"""The replay buffer against a plain list, and its way through a checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.checkpoints import Checkpoint
from recall.replay import ReplayBuffer, Transitions

RUNS, OBS, ACTION = 2, 3, 2


def transition(number: int) -> Transitions:
    """One of every run that carries its number and its run's in every part."""
    tag = number + np.arange(RUNS)[:, None] / 8
    parts = [np.repeat(tag + part / 32, width, 1) for part, width in enumerate((OBS, ACTION, 1, OBS))]
    obs, action, reward, next_obs = parts
    return Transitions(obs, action, reward[:, 0], next_obs, (number + np.arange(RUNS)) % 3 == 0)


def filled(capacity: int, n: int) -> ReplayBuffer:
    replay = ReplayBuffer(capacity, RUNS, OBS, ACTION)
    for number in range(n):
        replay.add(*transition(number))
    return replay


def assert_holds(replay: ReplayBuffer, numbers: np.ndarray) -> None:
    """The buffer gives these transitions, (runs, n) numbers, as they were added."""
    found = replay.take(numbers)
    for run, row in enumerate(numbers):
        for place, number in enumerate(row):
            for name, expected in transition(number)._asdict().items():
                assert np.array_equal(getattr(found, name)[run, place], np.float32(expected[run]))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(0, 40), st.data())
def test_a_ring_is_the_end_of_a_list(capacity: int, n: int, data: st.DataObject) -> None:
    replay, held = filled(capacity, n), list(range(n))[-capacity:]
    assert len(replay) == len(held)
    assert (replay.start, replay.end) == (n - len(held), n)
    if held:
        drawn = data.draw(st.lists(st.sampled_from(held), min_size=RUNS, max_size=RUNS))
        assert_holds(replay, np.array([held] * RUNS))
        assert_holds(replay, np.array(drawn)[:, None])


def test_shapes_and_types() -> None:
    found = filled(10, 4).take(np.zeros((RUNS, 5), int))
    assert [each.shape for each in found] == [(2, 5, 3), (2, 5, 2), (2, 5), (2, 5, 3), (2, 5)]
    assert {each.dtype for each in found} == {np.dtype(np.float32)}


def test_what_is_taken_is_not_overwritten_later() -> None:
    replay = filled(4, 4)
    found = replay.take(np.arange(4)[None].repeat(RUNS, 0))
    before = [each.copy() for each in found]
    for number in range(4, 8):
        replay.add(*transition(number))
    assert all(map(np.array_equal, found, before))


def test_the_terminal_state_is_kept_and_only_termination_counts() -> None:
    """An episode's end in one run does not touch the other's."""
    replay, zeros = ReplayBuffer(3, RUNS, OBS, ACTION), np.zeros((RUNS, ACTION))
    terminal = np.array([[1, 2, 3], [4, 5, 6]])
    replay.add(terminal - 1, zeros, np.zeros(RUNS), terminal, np.array([True, False]))
    replay.add(terminal * 0, zeros, np.zeros(RUNS), terminal + 9, np.array([False, False]))
    found = replay.take(np.array([[0, 1]] * RUNS))
    assert np.array_equal(found.next_obs[:, 0], terminal)
    assert found.terminated.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("saves", [(0,), (1,), (5, 5), (3, 8), (7, 30), (9, 12, 13), (20, 50, 90)])
def test_a_buffer_comes_back_from_a_checkpoint_wrapped_or_not(saves: tuple[int, ...], tmp_path: Path) -> None:
    """Whatever was added between two saves; going on, it stays equal."""
    replay, checkpoint = ReplayBuffer(9, RUNS, OBS, ACTION), Checkpoint(tmp_path)
    for end in saves:
        while replay.end < end:
            replay.add(*transition(replay.end))
        checkpoint.save({"replay": replay.state()})
    other = filled(9, 4)
    state = Checkpoint(tmp_path).load(pytest.fail)
    assert state is not None
    other.load_state(state["replay"])
    for _ in range(11):
        assert (other.start, other.end) == (replay.start, replay.end)
        assert_holds(other, np.arange(replay.start, replay.end)[None].repeat(RUNS, 0))
        for each in (replay, other):
            each.add(*transition(each.end))


def test_a_checkpoint_writes_each_transition_once(tmp_path: Path) -> None:
    replay, checkpoint = filled(1000, 500), Checkpoint(tmp_path)
    checkpoint.save({"replay": replay.state()})
    for number in range(500, 510):
        replay.add(*transition(number))
    checkpoint.save({"replay": replay.state()})
    first, second = (path.stat().st_size for path in sorted(tmp_path.glob("*.rows")))
    assert second < first / 10


def test_random_transitions_are_those_of_one_run_that_are_still_held() -> None:
    replay = filled(7, 19)
    assert replay.start == 12
    for run in range(RUNS):
        found = replay.draw(run, np.random.default_rng(run), 300)
        tags = (found.obs[:, 0] - run / 8).round(3)
        assert {round(float(tag)) for tag in tags} == set(range(12, 19))
        for row, tag in enumerate(tags):
            for name, expected in transition(round(float(tag)))._asdict().items():
                assert np.array_equal(getattr(found, name)[row], np.float32(expected[run]))
