"""Coverage and the attempts it rests on: against one environment at a time, and of policies whose coverage is known."""

import copy

import numpy as np
import pytest

from recall.attempts import Attempts, attempt, visited
from recall.coverage import POINT_MASS, U_MAZE, CoverageConfig, coverage_config, coverage_goals, success_map
from recall.envs.point_env import PointEnv
from recall.envs.point_mass import DIMENSIONS, PointMass, PointMassConfig
from recall.envs.point_vector import World
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.seeding import GOAL_STREAMS, Streams


def homing(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """A damped spring towards the goal, which no wall bothers."""
    position, velocity, goal = np.split(obs, 3, axis=2)
    return 4 * (goal - position) - 3 * velocity + 0.1 * noise


def still(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.zeros_like(noise)


def generators(n: int = 2) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(n)]


def one_by_one(world: World, goals: np.ndarray, generator: np.random.Generator, horizon: int) -> tuple[list[bool], int]:
    """Success of homing episodes in a Gymnasium environment, and their steps."""
    env, successes, steps = PointEnv(world), [], 0
    draws = generator.standard_normal((horizon, *goals.shape), np.float32)
    for number, goal in enumerate(goals):
        obs, info = env.reset(options={"goal": goal})
        for noise in draws[:, number]:
            seen = np.concatenate([obs["observation"], obs["desired_goal"]]).astype(np.float32)
            obs, _, terminated, _, info = env.step(homing(seen[None, None], noise[None, None])[0, 0])
            steps += 1
            if terminated:
                break
        successes.append(info["is_success"])
    return successes, steps


@pytest.mark.parametrize("world", [PointMass(PointMassConfig(3)), UMaze(UMazeConfig())])
def test_attempts_equal_one_environment_at_a_time(world: World) -> None:
    draw = np.random.default_rng(0)
    goals = np.stack([world.sample_goals(draw, 8) for _ in range(2)])
    found = attempt(world, homing, goals, generators(), horizon=100)
    for run, generator in enumerate(generators()):
        successes, steps = one_by_one(world, goals[run], generator, 100)
        assert found.success[run].tolist() == successes
        assert found.steps[run] == steps


def test_a_run_draws_the_same_noise_however_soon_episodes_end() -> None:
    world, noise = PointMass(PointMassConfig()), generators()
    attempt(world, homing, np.zeros((2, 3, 2)), noise, horizon=50)
    other = generators()
    attempt(world, still, np.ones((2, 3, 2)), other, horizon=50)
    assert [each.random() for each in noise] == [each.random() for each in other]


def test_visited_places_are_those_of_episodes_under_way() -> None:
    positions = np.arange(24.0).reshape(1, 3, 4, 2)
    under_way = np.array([[[True] * 4, [True, False, False, False], [True, True, False, False]]])
    (places,) = visited(Attempts(np.zeros((1, 3), bool), positions, under_way))
    assert places.tolist() == positions[under_way].tolist()
    assert len(places) == 7


def test_goals_of_coverage() -> None:
    maze = UMaze(UMazeConfig())
    grid = coverage_goals(maze)
    assert grid.shape == (112, 2)
    assert len(np.unique(grid, axis=0)) == 112
    assert maze.feasible(grid).all()
    away = np.linalg.norm(grid[:, None] - grid, axis=2)
    np.testing.assert_allclose(np.sort(away, 1)[:, 1], 0.5)
    for dimension in DIMENSIONS:
        world = PointMass(PointMassConfig(dimension))
        goals = coverage_goals(world)
        assert goals.shape == (50, dimension)
        assert world.feasible(goals).all()
        assert np.array_equal(goals, coverage_goals(world))


def test_settings_of_coverage() -> None:
    assert coverage_config(UMaze(UMazeConfig())) is U_MAZE
    assert coverage_config(PointMass(PointMassConfig())) is POINT_MASS


@pytest.mark.parametrize("dimension", [2, 6])
def test_coverage_of_known_policies_in_a_box(dimension: int) -> None:
    world = PointMass(PointMassConfig(dimension))
    found, steps = success_map(world, homing, CoverageConfig(2, 400), generators())
    assert found.shape == (2, 50)
    assert found.mean() == 1
    found, steps = success_map(world, still, CoverageConfig(2, 30), generators())
    near = np.linalg.norm(coverage_goals(world), axis=1) < world.success_radius
    assert np.array_equal(found, np.broadcast_to(near, (2, 50)))
    assert steps.tolist() == [2 * (near.sum() + 30 * (~near).sum())] * 2


def test_coverage_of_the_maze_tells_what_a_straight_way_reaches() -> None:
    maze = UMaze(UMazeConfig())
    found, _ = success_map(maze, homing, U_MAZE, generators(1))
    goals = coverage_goals(maze)
    assert np.all(found[0, goals[:, 1] < 1] == 1)
    assert np.all(found[0, (goals[:, 1] > 3) & (goals[:, 0] < 1)] == 0)


def test_evaluating_moves_no_other_stream() -> None:
    streams = Streams([0, 1], GOAL_STREAMS)
    before = copy.deepcopy(streams.state())
    success_map(PointMass(PointMassConfig()), homing, CoverageConfig(1, 10), streams["coverage"])
    after = streams.state()
    assert after.pop("coverage") != before.pop("coverage")
    assert after == before
