"""Evaluation by computation against simulation, dynamic programming, and stepping the environment."""

import numpy as np
import pytest

from recall.backtracking import choose
from recall.envs.exact import arrival, discounted_values, effective_probs, evaluate, replay_return
from recall.envs.four_rooms import FourRooms, FourRoomsConfig, FourRoomsEnv, Start
from recall.envs.four_rooms_vector import VectorFourRooms

DISCOUNT = 0.97


def policies(grid: FourRooms, n_runs: int = 2, seed: int = 0) -> np.ndarray:
    """Random policies that lean towards the goal, (runs, states, actions)."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet((0.7, 1.5, 0.7, 1.5), (n_runs, grid.n_states))


CASES = pytest.mark.parametrize(
    ("start", "slip", "horizon"),
    [("corner", 0.0, None), ("corner", 0.3, 30), ("uniform", 0.0, 15), ("uniform", 0.2, None)],
)


@CASES
def test_evaluation_equals_simulation(start: Start, slip: float, horizon: int | None) -> None:
    config = FourRoomsConfig(side=7, start=start, slip=slip, horizon=horizon)
    grid, rng, n = FourRooms(config), np.random.default_rng(1), 6000
    probs = policies(grid)
    env = VectorFourRooms(config, 2, n)
    obs = env.reset(rng.random((2, n)))
    runs, steps = np.arange(2)[:, None], np.zeros((2, n))
    running, success = np.ones((2, n), bool), np.zeros((2, n), bool)
    for _ in range(config.max_steps):
        action = choose(probs[runs, obs], rng.random((2, n)))
        _, _, terminated, truncated, obs = env.step(action, rng.random((2, n, 3)))
        steps += running
        success |= running & terminated
        running &= ~(terminated | truncated)
    assert not running.any()
    found = evaluate(effective_probs(probs, slip), grid, config.max_steps, DISCOUNT)
    for run in range(2):
        lengths = steps[run, success[run]]
        error = 4 / n**0.5
        assert found["success"][run] == pytest.approx(success[run].mean(), abs=error)
        assert found["return"][run] == pytest.approx((DISCOUNT ** (lengths - 1)).sum() / n, abs=error)
        assert found["path_length"][run] == pytest.approx(lengths.mean(), abs=4 * lengths.std() / len(lengths) ** 0.5)


@CASES
def test_evaluation_equals_dynamic_programming(start: Start, slip: float, horizon: int | None) -> None:
    """Backward from the horizon by the forward transitions: chance, discounted return and time of success."""
    grid = FourRooms(FourRoomsConfig(side=9, start=start, slip=slip, horizon=horizon))
    steps, probs = grid.config.max_steps, policies(grid)
    found = evaluate(effective_probs(probs, slip), grid, steps, DISCOUNT)
    for run in range(2):
        success, value, duration = np.zeros((3, grid.n_states))
        for _ in range(steps):
            chance, worth, lasts = np.zeros((3, grid.n_states))
            for s, a in np.ndindex(grid.n_states, grid.n_actions):
                p = (1 - slip) * probs[run, s, a] + slip / grid.n_actions
                to = grid.next_state[s, a]
                arrives = to == grid.goal
                chance[s] += p * (1 if arrives else success[to])
                worth[s] += p * (1 if arrives else DISCOUNT * value[to])
                lasts[s] += p * (1 if arrives else duration[to] + success[to])
            success, value, duration = chance, worth, lasts
        at_start = grid.start_distribution
        assert found["success"][run] == pytest.approx(at_start @ success, abs=1e-10)
        assert found["return"][run] == pytest.approx(at_start @ value, abs=1e-10)
        assert found["path_length"][run] == pytest.approx((at_start @ duration) / (at_start @ success), abs=1e-8)


def test_arrivals_are_a_part_of_certainty() -> None:
    grid = FourRooms(FourRoomsConfig(side=11))
    reached = arrival(policies(grid), grid, 400)
    assert reached.shape == (2, 400)
    assert (reached >= 0).all()
    assert (reached.sum(1) <= 1 + 1e-9).all()
    shortest = 2 * (11 - 3)
    assert not reached[:, : shortest - 1].any()
    assert (reached[:, shortest - 1] > 0).all()


def test_a_policy_that_never_arrives_has_no_path_length() -> None:
    grid = FourRooms(FourRoomsConfig(side=7))
    up = np.broadcast_to([1.0, 0, 0, 0], (1, grid.n_states, 4))
    found = evaluate(up, grid, 50, DISCOUNT)
    assert found["success"] == found["return"] == 0
    assert np.isnan(found["path_length"])


def test_slip_mixes_in_uniform_actions() -> None:
    probs = np.array([0.7, 0.1, 0.2, 0.0])
    assert effective_probs(probs, 0.4) == pytest.approx([0.52, 0.16, 0.22, 0.1])


def test_values_without_horizon_equal_iteration() -> None:
    grid = FourRooms(FourRoomsConfig(side=9))
    probs = policies(grid)
    found = discounted_values(probs, grid, DISCOUNT)
    value = np.zeros((2, grid.n_states))
    for _ in range(1500):
        arrives = grid.next_state == grid.goal
        backup = np.where(arrives, 1.0, DISCOUNT * value[:, grid.next_state])
        value = (probs * backup).sum(2)
        value[:, grid.goal] = 0
    assert found == pytest.approx(value, abs=1e-10)
    assert (found[:, grid.goal] == 0).all()


def test_values_agree_with_the_return_of_a_long_horizon() -> None:
    grid = FourRooms(FourRoomsConfig(side=9))
    probs = policies(grid)
    long = evaluate(probs, grid, 3000, DISCOUNT)["return"]
    assert discounted_values(probs, grid, DISCOUNT)[:, grid.start] == pytest.approx(long, abs=1e-10)


def test_replay_equals_stepping_the_environment() -> None:
    env = FourRoomsEnv(side=7, horizon=10_000)
    grid, rng = FourRooms(FourRoomsConfig(side=7)), np.random.default_rng(0)
    first = rng.integers(0, grid.n_states, (3, 40))
    action = rng.choice([-1, 0, 1, 1, 1, 2, 3, 3, 3], (3, 40, 25))
    found = replay_return(first, action, grid, DISCOUNT)
    for index in np.ndindex(first.shape):
        env.reset(seed=0)
        env._obs = np.int64(first[index])
        total, discounting, over = 0.0, 1.0, first[index] == grid.goal
        for a in action[index]:
            if a >= 0 and not over:
                _, reward, over, _, _ = env.step(a)
                total += discounting * float(reward)
                discounting *= DISCOUNT
        assert found[index] == pytest.approx(total, abs=1e-12)
    assert 0.1 < (found > 0).mean() < 0.9
