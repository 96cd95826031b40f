"""The buffer of the best tuples against sorting all that ever came."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import assert_same, load

from recall.best_tuples import BestTuples
from recall.checkpoints import Checkpoint
from recall.replay import Transitions

RUNS, OBS, ACTION = 2, 3, 2
NONE = -np.inf


def transitions(numbers: np.ndarray) -> Transitions:
    """Transitions whose every part tells their number, (runs, n)."""
    tag = numbers.astype(np.float32)[..., None]
    obs, action = np.repeat(tag, OBS, 2), np.repeat(tag + 0.25, ACTION, 2)
    return Transitions(obs, action, tag[..., 0] + 0.5, obs + 0.75, numbers % 2 == 0)


scores = st.sampled_from([NONE, -1.5, 0.0, 0.5, 2.0, 7.0])
rollouts = st.lists(st.lists(st.tuples(scores, scores), max_size=6), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 9), rollouts)
def test_it_holds_what_sorting_everything_gives(capacity: int, rollouts: list[list[tuple[float, float]]]) -> None:
    """The highest scores first, of equals the younger; those without a score never were."""
    best, everything = BestTuples(capacity, RUNS, OBS, ACTION), [list[tuple[float, int, int]]() for _ in range(RUNS)]
    for count, rows in enumerate(rollouts):
        given_scores = np.array(rows, np.float32).reshape(-1, RUNS).T
        numbers = 100 * count + np.arange(given_scores.shape[1])[None] + np.array([[0], [50]])
        best.add(transitions(numbers), given_scores)
        for run in range(RUNS):
            for score, number in zip(given_scores[run], numbers[run], strict=True):
                if score > NONE:
                    everything[run].append((float(score), len(everything[run]), int(number)))
        for run in range(RUNS):
            expected = sorted(everything[run], reverse=True)[:capacity]
            n = len(expected)
            assert best.seen[run] == len(everything[run])
            assert best.counts[run] == n
            assert best.scores[run, :n].tolist() == [score for score, _, _ in expected]
            assert best.births[run, :n].tolist() == [birth for _, birth, _ in expected]
            assert (best.scores[run, n:] == NONE).all()
            assert best.scores.shape[1] <= capacity
            kept = transitions(np.array([[number for _, _, number in expected]]))
            for held, part in zip(best.held, kept, strict=True):
                assert np.array_equal(held[run, :n], part[0])


def filled(capacity: int = 8) -> BestTuples:
    best = BestTuples(capacity, RUNS, OBS, ACTION)
    numbers = np.arange(20)[None].repeat(RUNS, 0)
    best.add(transitions(numbers), np.stack([numbers[0], -numbers[1]]).astype(np.float32))
    return best


def test_tuples_are_taken_by_rank() -> None:
    found = filled().take(np.array([[0, 3, 3], [1, 0, 7]]))
    for name, expected in transitions(np.array([[19, 16, 16], [1, 0, 7]]))._asdict().items():
        assert np.array_equal(getattr(found, name), expected)


def test_random_tuples_are_those_of_their_run() -> None:
    best, generator = filled(), np.random.default_rng(0)
    for run, expected in ((0, set(range(12, 20))), (1, set(range(8)))):
        found = best.draw(run, generator, 200)
        assert set(found.obs[:, 0].astype(int)) == expected
        assert np.array_equal(found.reward, found.obs[:, 0] + 0.5)


def test_nothing_is_held_after_clearing_and_what_came_stays_counted() -> None:
    best = filled()
    best.clear()
    assert best.counts.tolist() == [0, 0]
    best.add(transitions(np.array([[5], [6]])), np.zeros((RUNS, 1), np.float32))
    assert best.births.tolist() == [[20], [20]]
    assert best.take(np.zeros((RUNS, 1), int)).obs[:, 0, 0].tolist() == [5, 6]


@pytest.mark.parametrize("best", [filled(), BestTuples(4, RUNS, OBS, ACTION)])
def test_a_stored_buffer_comes_back(best: BestTuples, tmp_path: Path) -> None:
    Checkpoint(tmp_path).save({"best": best.state()})
    again, state = BestTuples(best.capacity, RUNS, OBS, ACTION), load(tmp_path)
    assert state is not None
    again.load_state(state["best"])
    for each in (best, again):
        numbers = np.array([[30, 31], [32, 33]])
        each.add(transitions(numbers), np.float32([[15, 40], [-3.5, 1]]))
    assert_same(again.state(), best.state())
