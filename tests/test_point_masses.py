"""Point masses and the U maze: dynamics against a scalar form, walls, ends, Gymnasium's contract, the stepper."""

import math

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import recall.envs
from recall.envs.point_env import PointEnv, PointMassEnv, UMazeEnv
from recall.envs.point_mass import DIMENSIONS, PointMass, PointMassConfig
from recall.envs.point_vector import VectorPoints, World
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.envs.u_shape import CELLS
from recall.errors import ConfigError

MAP = ("#####", "#S..#", "###.#", "#T..#", "#####")
"""The maze of the source; a cell is 2 wide, and the middle of S is the origin."""

BALL = """
<mujoco>
  <option timestep="0.02" integrator="RK4"/>
  <default><geom condim="3" conaffinity="0" friction="1 0.5 0.5" density="100"/></default>
  <worldbody>
    <geom type="plane" size="40 40 40" conaffinity="1"/>
    <geom type="box" pos="0 2 0.5" size="1 1 0.5" conaffinity="1"/>
    <body>
      <geom type="sphere" size="0.1" pos="0 0 0.1"/>
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 1 0"/>
    </body>
  </worldbody>
</mujoco>
"""
"""The ball of the source and one block of its maze, above the start."""

WALLS = [(2 * col - 2, 2 * row - 2) for row, line in enumerate(MAP) for col, cell in enumerate(line) if cell == "#"]
"""Middles of the wall's cells."""


def worlds() -> list[World]:
    return [*(PointMass(PointMassConfig(dimension)) for dimension in DIMENSIONS), UMaze(UMazeConfig())]


def free(x: float, y: float, margin: float = 0.1) -> bool:
    """Whether a ball's centre is in no wall, each of which is wider by the ball's radius."""
    return not any(abs(x - a) < 1 + margin - 1e-12 and abs(y - b) < 1 + margin - 1e-12 for a, b in WALLS)


def along(start: float, wanted: float, beside: float, axis: int) -> float:
    """Where a ball gets on its way along one axis, wall by wall; `beside` is its other coordinate."""
    for wall in WALLS:
        if abs(beside - wall[1 - axis]) < 1.1 - 1e-12:
            if start < wall[axis]:
                wanted = min(wanted, wall[axis] - 1.1)
            else:
                wanted = max(wanted, wall[axis] + 1.1)
    return wanted


def pushed(place: list[float], speed: list[float], action: list[float]) -> tuple[list[float], list[float]]:
    """One ball, one step: the maze as its map says, number by number."""
    mass = 100 * 4 / 3 * math.pi * 0.1**3
    wanted = [p + 0.02 * v + 0.5 * 2 * a / mass * 0.02**2 for p, v, a in zip(place, speed, action, strict=True)]
    x = along(place[0], wanted[0], place[1], 0)
    y = along(place[1], wanted[1], x, 1)
    gained = [v + 0.02 * 2 * a / mass for v, a in zip(speed, action, strict=True)]
    stopped = [abs(x - wanted[0]) > 1e-9, abs(y - wanted[1]) > 1e-9]
    if stopped[0] and not stopped[1]:
        return [x, y], [0.0, rubbed(gained[1], gained[0])]
    if stopped[1] and not stopped[0]:
        return [x, y], [rubbed(gained[0], gained[1]), 0.0]
    return [x, y], [0.0, 0.0] if all(stopped) else gained


def rubbed(along_wall: float, into_wall: float) -> float:
    """Velocity along a wall after friction, by Coulomb's law with a coefficient of 1."""
    return math.copysign(max(abs(along_wall) - abs(into_wall), 0.0), along_wall)


def accelerated(place: list[float], speed: list[float], action: list[float]) -> tuple[list[float], list[float]]:
    """One point in a box, one step, number by number."""
    widths = [1.0, 5.0, *[0.3] * (len(place) - 2)]
    speed = [min(max(v + 2 * a * 0.02, -5), 5) for v, a in zip(speed, action, strict=True)]
    moved = [p + 0.02 * v for p, v in zip(place, speed, strict=True)]
    return [min(max(p, -width), width) for p, width in zip(moved, widths, strict=True)], speed


@pytest.mark.parametrize("world", worlds(), ids=lambda world: f"{type(world).__name__}-{world.dimension}")
def test_dynamics_equal_a_scalar_form(world: World) -> None:
    draw, scalar = np.random.default_rng(0), pushed if isinstance(world, UMaze) else accelerated
    points = VectorPoints(world, 30)
    points.reset(np.full((30, world.dimension), 5.0))
    places, speeds = points.position.tolist(), points.velocity.tolist()
    drift = draw.uniform(-1, 1, (30, world.dimension))
    for _ in range(150):
        action = drift + draw.normal(0, 1, drift.shape)
        points.step(action)
        cut = np.clip(action, -1, 1).tolist()
        both = [scalar(*each) for each in zip(places, speeds, cut, strict=True)]
        places, speeds = [place for place, _ in both], [speed for _, speed in both]
        np.testing.assert_allclose(points.position, places, atol=1e-9)
        np.testing.assert_allclose(points.velocity, speeds, atol=1e-9)
    assert np.isclose(points.position, world.high).any()


def test_the_push_is_that_of_the_source() -> None:
    assert UMazeConfig().mass == pytest.approx(0.41888, rel=1e-5)
    position, velocity = UMaze(UMazeConfig()).move(np.zeros((1, 2)), np.zeros((1, 2)), np.ones((1, 2)))
    assert velocity[0, 0] == pytest.approx(2 / 0.41888 * 0.02, rel=1e-5)
    assert position[0, 0] == pytest.approx(velocity[0, 0] * 0.01, rel=1e-9)


def test_a_ball_moves_as_in_the_simulator_of_the_source_until_it_meets_a_wall_and_then_rests_there() -> None:
    """point2.xml and one block of the maze, in MuJoCo: free flight to the digit, contacts as they are soft."""
    model = mujoco.MjModel.from_xml_string(BALL)
    data, maze = mujoco.MjData(model), UMaze(UMazeConfig())
    data.qfrc_applied[:] = force = np.array([0.5, 2.0])
    position, velocity = np.zeros((1, 2)), np.zeros((1, 2))
    for step in range(120):
        mujoco.mj_step(model, data)
        position, velocity = maze.move(position, velocity, force[None] / 2)
        if step < 30:
            np.testing.assert_allclose(position[0], data.qpos, atol=1e-9)
            np.testing.assert_allclose(velocity[0], data.qvel, atol=1e-9)
    np.testing.assert_allclose(position[0], data.qpos, atol=0.03)
    np.testing.assert_allclose(velocity[0], data.qvel, atol=0.03)
    assert position[0, 1] == pytest.approx(0.9)


def test_a_million_steps_cross_no_wall() -> None:
    """Some of them so fast that a step is longer than the maze, diagonally into corners too."""
    maze, draw = UMaze(UMazeConfig()), np.random.default_rng(0)
    position, velocity = np.zeros((1000, 2)), np.zeros((1000, 2))
    spread = np.repeat([0.0, 5.0, 60.0, 600.0], 250)[:, None]
    visited = set()
    for step in range(1000):
        if step % 10 == 0:
            velocity = velocity + spread * draw.choice([-1.0, 1.0], (1000, 2)) * draw.random((1000, 1))
        before = position
        position, velocity = maze.move(position, velocity, draw.uniform(-1, 1, (1000, 2)))
        x, y = position.T
        inside = np.abs(position - 2).max(1) < 2.9 + 1e-9
        beside_the_wall = (x > 3.1 - 1e-9) | (np.abs(y - 2) > 1.1 - 1e-9)
        assert np.all(inside & beside_the_wall)
        through = (np.sign(before[:, 1] - 2) != np.sign(y - 2)) & (x < 3.1 - 1e-9)
        assert not through.any()
        visited |= set(map(tuple, np.rint(position / 2).astype(int).tolist()))
    assert visited == set(CELLS)


@settings(deadline=None, max_examples=200)
@given(
    cell=st.sampled_from(CELLS),
    offset=st.tuples(*[st.floats(-0.9, 0.9)] * 2),
    speed=st.tuples(*[st.floats(-1e4, 1e4)] * 2),
)
def test_any_velocity_ends_where_the_walls_of_the_map_say(
    cell: tuple[int, int], offset: tuple[float, float], speed: tuple[float, float]
) -> None:
    place = [2 * c + o for c, o in zip(cell, offset, strict=True)]
    maze = UMaze(UMazeConfig())
    position, _ = maze.move(np.array([place]), np.array([speed]), np.zeros((1, 2)))
    expected, _ = pushed(place, list(speed), [0.0, 0.0])
    np.testing.assert_allclose(position[0], expected, atol=1e-9)
    assert free(*position[0])


def test_feasible_goals_are_those_on_the_map() -> None:
    maze, goals = UMaze(UMazeConfig()), np.random.default_rng(0).uniform(-3, 7, (2000, 2))
    assert maze.feasible(goals).tolist() == [free(x, y, margin=0.0) for x, y in goals]
    assert maze.feasible(maze.goal_grid()).all()


@pytest.mark.parametrize("world", worlds(), ids=lambda world: f"{type(world).__name__}-{world.dimension}")
def test_drawn_goals_are_feasible_and_everywhere(world: World) -> None:
    goals = world.sample_goals(np.random.default_rng(0), 4000)
    assert world.feasible(goals).all()
    assert np.all(np.abs(goals - world.goal_centre) <= world.goal_range)
    np.testing.assert_allclose(goals.max(0) - goals.min(0), world.high - world.low, rtol=0.05)


# Ends


def test_goals_out_of_reach_are_never_reached_and_radius_grows_with_dimension() -> None:
    world = PointMass(PointMassConfig(6))
    assert world.success_radius == pytest.approx(0.3 * 3**0.5)
    points = VectorPoints(world, 2)
    points.reset(np.array([[0.0] * 6, [0.0, 0.0, 0.31, 0.0, 0.0, 0.0]]))
    _, reward, terminated, _ = points.step(np.zeros((2, 6)))
    assert (reward.tolist(), terminated.tolist()) == ([1.0, 0.0], [True, False])


@pytest.mark.parametrize(("horizon", "ends"), [(40, (True, False)), (20, (False, True))])
def test_success_terminates_and_the_horizon_truncates(horizon: int, ends: tuple[bool, bool]) -> None:
    env = PointMassEnv(2, horizon)
    env.reset(options={"goal": [0.0, 0.8]})
    done, rewards = False, []
    while not done:
        obs, reward, terminated, truncated, info = env.step(np.array([0.0, 1.0], np.float32))
        rewards.append(reward)
        done = terminated or truncated
    assert (terminated, truncated) == ends
    assert rewards == [0.0] * (len(rewards) - 1) + [float(ends[0])]
    assert info == {"is_success": ends[0], "elapsed": len(rewards)}
    achieved, desired = obs["achieved_goal"], obs["desired_goal"]
    assert env.compute_terminated(achieved, desired, info) == terminated
    assert env.compute_truncated(achieved, desired, info) == truncated
    assert np.linalg.norm(achieved - desired) < 0.3 or not terminated


def test_reaching_the_goal_on_the_last_step_terminates_and_does_not_truncate() -> None:
    points = VectorPoints(PointMass(PointMassConfig(horizon=1)), 2)
    points.reset(np.array([[0.0, 0.0], [0.0, 4.0]]))
    _, _, terminated, truncated = points.step(np.zeros((2, 2)))
    assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, True])


# Gymnasium


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [*(("recall/PointMassND-v0", {"dimension": n}) for n in DIMENSIONS), ("recall/PointMassUMaze-v0", {})],
)
def test_checkers_find_nothing(env_id: str, kwargs: dict, recwarn: pytest.WarningsRecorder) -> None:
    assert recall.envs
    env = gymnasium.make(env_id, **kwargs).unwrapped
    assert isinstance(env, PointEnv)
    check_env(env)
    check_env_sb3(env)
    assert [str(warning.message) for warning in recwarn] == []


def test_rewards_of_other_goals_can_be_computed() -> None:
    env = UMazeEnv()
    achieved = np.array([[0.0, 0.0], [0.0, 0.0], [4.0, 2.0], [0.5, 0.95]])
    desired = np.array([[0.2, 0.2], [0.2, 0.3], [4.0, 2.0], [0.5, 1.1]])
    assert env.compute_reward(achieved, desired, {}).tolist() == [1, 0, 1, 0]


def test_the_environment_is_the_stepper_with_one_point() -> None:
    env, points = UMazeEnv(horizon=300), VectorPoints(UMaze(UMazeConfig(300)), 1)
    goal = np.array([4.0, 3.5])
    env.reset(options={"goal": goal})
    points.reset(goal[None])
    for action in np.random.default_rng(0).uniform((-0.7, -0.9), (1.3, 1.1), (100, 2)):
        obs, *rest, _ = env.step(action)
        next_obs, reward, terminated, truncated = points.step(action[None])
        assert np.array_equal(np.concatenate([obs["observation"], obs["desired_goal"]]), next_obs[0])
        assert np.array_equal(obs["achieved_goal"], next_obs[0, :2])
        assert rest == [reward[0], terminated[0], truncated[0]]
        if terminated[0]:
            break


def test_what_is_wrong_is_said() -> None:
    env = UMazeEnv(horizon=1)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(np.zeros(2))
    env.reset()
    with pytest.raises(InvalidAction, match="must be 2 finite numbers"):
        env.step(np.zeros(3))
    with pytest.raises(InvalidAction, match="must be 2 finite numbers"):
        env.step(np.array([np.nan, 0.0]))
    with pytest.raises(ConfigError, match="the only option is 'goal'"):
        env.reset(options={"gaol": [0, 0]})
    for goal in ([8.0, 0.0], [0.0], [np.nan, 0.0]):
        with pytest.raises(ConfigError, match="must have 2 numbers from"):
            env.reset(options={"goal": goal})


@pytest.mark.parametrize(
    "bad", [{"dimension": 1}, {"dimension": 7}, {"dimension": True}, {"horizon": 0}, {"horizon": 2.0}, {"reach": -1.0}]
)
def test_bad_settings_of_point_masses_are_refused(bad: dict) -> None:
    ((name, value),) = bad.items()
    with pytest.raises(ConfigError, match=rf"^{name} is {value!r}; it must be [^\n]+$"):
        PointMassConfig(**bad)


@pytest.mark.parametrize(
    "bad", [{"horizon": "9"}, {"density": float("inf")}, {"ball_radius": 1.0}, {"time_step": float("nan")}]
)
def test_bad_settings_of_the_maze_are_refused(bad: dict) -> None:
    ((name, value),) = bad.items()
    with pytest.raises(ConfigError, match=rf"^{name} is {value!r}; it must be [^\n]+$"):
        UMazeConfig(**bad)


# The stepper


def test_returned_arrays_are_not_written_again() -> None:
    points, draw = VectorPoints(UMaze(UMazeConfig()), 4), np.random.default_rng(0)
    first = points.reset(points.world.sample_goals(draw, 4))
    kept, copies = [first], [first.copy()]
    for step in range(30):
        arrays = [
            *points.step(draw.uniform(-1, 1, (4, 2))),
            points.position,
            points.velocity,
            points.goal,
            points.elapsed,
        ]
        kept += arrays
        copies += [array.copy() for array in arrays]
        if step % 7 == 0:
            points.reset(np.zeros((2, 2)), np.array([True, False, True, False]))
    assert all(np.array_equal(a, b) for a, b in zip(kept, copies, strict=True))


def test_a_reset_of_some_leaves_the_others() -> None:
    points = VectorPoints(PointMass(PointMassConfig()), 3)
    points.reset(np.ones((3, 2)))
    for _ in range(5):
        points.step(np.ones((3, 2)))
    before = points.obs
    obs = points.reset(np.array([[0.5, 2.0]]), np.array([False, True, False]))
    assert np.array_equal(obs[[0, 2]], before[[0, 2]])
    assert obs[1].tolist() == [0, 0, 0, 0, 0.5, 2.0]
    assert points.elapsed.tolist() == [5, 0, 5]


def test_state_restores_the_middle_of_an_episode() -> None:
    draw, points, other = np.random.default_rng(1), *(VectorPoints(UMaze(UMazeConfig()), 5) for _ in range(2))
    points.reset(points.world.sample_goals(draw, 5))
    actions = draw.uniform(-1, 1, (60, 5, 2))
    for action in actions[:30]:
        points.step(action)
    saved = points.state()
    expected = [points.step(action) for action in actions[30:]]
    other.load_state(saved)
    resumed = [other.step(action) for action in actions[30:]]
    for before, after in zip(expected, resumed, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
