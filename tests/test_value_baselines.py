"""What states are worth: a regression that is solved exactly, and a network that comes near."""

from copy import deepcopy

import numpy as np
import pytest

from recall.agents.trpo import TRPOConfig
from recall.agents.value_baselines import Baseline, LinearBaseline, NetworkBaseline, features
from recall.seeding import Streams

RUNS, N, DIM = 2, 300, 3
CONFIG = TRPOConfig(hidden=(16,), value_epochs=60, value_batch=64, value_learning_rate=1e-2)


def states(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """States and times."""
    rng = np.random.default_rng(seed)
    return 4 * rng.standard_normal((RUNS, N, DIM), np.float32), rng.integers(0, 1000, (RUNS, N))


def returns(x: np.ndarray, time: np.ndarray) -> np.ndarray:
    """What the features can express, another in each run."""
    cut, t = np.clip(x.astype(float), -10, 10), time / 100
    worth = 2 + cut @ [1, -2, 0.5] + 0.3 * np.square(cut[..., 0]) + 0.1 * t - 0.02 * t**2 + 0.001 * t**3
    return (worth * np.array([[1.0], [-3.0]])).astype(np.float32)


def both() -> list[Baseline]:
    return [NetworkBaseline(CONFIG, DIM, Streams((0, 1))), LinearBaseline(CONFIG, DIM, RUNS)]


def test_features_are_rllabs() -> None:
    found = features(np.array([[[0.5, -20.0]]], np.float32), np.array([[250]]))
    np.testing.assert_allclose(found, [[[0.5, -10, 0.25, 100, 2.5, 6.25, 15.625, 1]]])


def test_the_regression_finds_what_features_can_express() -> None:
    baseline, (x, time) = LinearBaseline(CONFIG, DIM, RUNS), states()
    assert not baseline.value(x, time).any()
    left = baseline.fit(x, time, returns(x, time))["value_loss"]
    assert (left < 1e-4).all()
    fresh = states(seed=1)
    np.testing.assert_allclose(baseline.value(*fresh), returns(*fresh), atol=0.02)


def test_the_regression_is_the_ridge_estimate() -> None:
    baseline, (x, time) = LinearBaseline(CONFIG, DIM, RUNS), states()
    baseline.ridge = 5.0
    target = np.random.default_rng(1).standard_normal((RUNS, N))
    baseline.fit(x, time, target)
    for run in range(RUNS):
        matrix = features(x, time)[run]
        extended = np.vstack([matrix, np.sqrt(5.0) * np.eye(matrix.shape[1])])
        expected = np.linalg.lstsq(extended, np.append(target[run], np.zeros(matrix.shape[1])))[0]
        np.testing.assert_allclose(baseline.weights[run], expected, rtol=1e-6, atol=1e-9)


def test_a_dimension_that_never_moves_does_no_harm() -> None:
    baseline, (x, time) = LinearBaseline(CONFIG, DIM, RUNS), states()
    x[..., 1] = 0
    baseline.fit(x, 0 * time, returns(x, 0 * time))
    assert np.isfinite(baseline.value(x, time)).all()


def test_the_network_learns() -> None:
    baseline, (x, time) = NetworkBaseline(CONFIG, DIM, Streams((0, 1))), states()
    x, target = x / 4, np.sin(x.sum(2) / 4)
    before = np.square(baseline.value(x, time) - target).mean(1)
    losses = [baseline.fit(x, time, target) for _ in range(3)]
    after = np.square(baseline.value(x, time) - target).mean(1)
    assert (after < 0.1 * before).all()
    assert (losses[0]["value_loss"] > losses[-1]["value_loss"]).all()
    assert all((each["value_gradient"] > 0).all() for each in losses)


def test_every_state_is_in_one_minibatch_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    baseline, (x, time) = NetworkBaseline(CONFIG, DIM, Streams((0, 1))), states()
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def descend(rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        seen.append((rows, targets))
        return np.zeros(RUNS)

    monkeypatch.setattr(baseline, "_descend", descend)
    target = returns(x, time)
    baseline.fit(x, time, target)
    sizes = [64, 64, 64, 64, 44]
    assert [len(rows[0]) for rows, _ in seen] == sizes * CONFIG.value_epochs
    orders = []
    for epoch in range(CONFIG.value_epochs):
        part = seen[5 * epoch : 5 * epoch + 5]
        rows, targets = (np.concatenate([each[i] for each in part], 1) for i in (0, 1))
        for run in range(RUNS):
            order = np.argsort(targets[run])
            np.testing.assert_array_equal(rows[run][order], x[run][np.argsort(target[run])])
            orders.append(targets[run].tobytes())
    assert len(set(orders)) == len(orders)


@pytest.mark.parametrize("which", [0, 1])
def test_going_on_from_a_stored_state_changes_nothing(which: int) -> None:
    (x, time), (first, second) = states(), (both()[which], both()[which])
    target, streams = returns(x, time), Streams((0, 1))
    for baseline in (first, second):
        if isinstance(baseline, NetworkBaseline):
            baseline.streams = streams
    first.fit(x, time, target)
    second.load_state(deepcopy(first.state()))
    position = streams.state()
    for baseline in (first, second):
        streams.load_state(position)
        baseline.fit(x, time, -target)
    assert np.array_equal(first.value(x, time), second.value(x, time))
