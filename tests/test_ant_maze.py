"""The ant in the U: its model against Gymnasium's, walls, ends, Gymnasium's contract, the stepper and its threads."""

from dataclasses import replace

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import recall.envs
from recall.envs.ant_env import AntUMazeEnv
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.ant_vector import AntUMaze, VectorAnts
from recall.envs.goal_world import near
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.envs.u_shape import CELLS
from recall.errors import ConfigError, NonFiniteError
from recall.threads import THREADS, threads

MAP = ("#####", "#S..#", "###.#", "#T..#", "#####")
"""The maze of the source; a cell is 2 wide, and the middle of S is the origin."""

TORSO = 0.25
"""Radius of the torso."""


@pytest.fixture(scope="module")
def maze() -> AntUMaze:
    return AntUMaze(AntUMazeConfig())


def standing(maze: AntUMaze, n_envs: int, goal: tuple[float, float] = (4.0, 4.0)) -> VectorAnts:
    """Ants at the start, on their way to one goal."""
    ants = maze.stepper(n_envs)
    ants.reset(np.tile(goal, (n_envs, 1)))
    return ants


# The model


def test_the_ant_is_gymnasiums(maze: AntUMaze) -> None:
    """Whatever has to do with its body; what differs is named: time step, contacts, walls."""
    other = AntEnv()
    model, ant = maze.model, other.model
    for name in ("body_mass", "body_inertia", "body_pos", "dof_armature", "dof_damping", "jnt_range", "actuator_gear"):
        assert np.array_equal(getattr(model, name), getattr(ant, name)), name
    assert np.array_equal(maze.start[:15], ant.numeric("init_qpos").data)
    assert (model.opt.timestep, ant.opt.timestep) == (0.02, 0.01)
    assert model.opt.integrator == ant.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
    assert np.unique(model.geom_solimp[:, :3], axis=0).tolist() == [[0.8, 0.8, 0.01]]
    assert model.ngeom == ant.ngeom + 5
    other.close()


def test_walls_are_where_the_map_has_them(maze: AntUMaze) -> None:
    model = maze.model
    boxes = [
        (model.geom_pos[geom], model.geom_size[geom])
        for geom in range(model.ngeom)
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX
    ]
    for x, y in np.random.default_rng(0).uniform(-3, 7, (2000, 2)):
        within = [bool(np.all(np.abs(pos[:2] - (x, y)) < size[:2])) for pos, size in boxes]
        assert any(within) == (MAP[int((y + 3) // 2)][int((x + 3) // 2)] == "#")
        assert bool(maze.feasible(np.array([x, y]))) == (not any(within))
    assert all(pos[2] - size[2] == 0 and pos[2] + size[2] == 1 for pos, size in boxes)


def test_goals_are_those_of_the_ball_in_the_same_maze(maze: AntUMaze) -> None:
    ball = UMaze(UMazeConfig())
    assert np.array_equal(maze.goal_grid(), ball.goal_grid())
    assert np.array_equal(*(each.sample_goals(np.random.default_rng(0), 50) for each in (maze, ball)))


# Walls


def driven(maze: AntUMaze, steps: int, speed: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Torsos before and after each step of ants that act at random, and who fell; now and then all are thrown.

    They begin in all cells; who falls begins again in a random one.
    """
    ants, draw = standing(maze, 64, (9.0, 9.0)), np.random.default_rng(0)
    found = []
    for step in range(steps):
        begin = ants.ended | (step == 0)
        ants.reset(np.full((begin.sum(), 2), 9.0), begin)
        ants.states[begin, :2] = 2 * np.array(CELLS)[draw.integers(len(CELLS), size=begin.sum())]
        if step % 5 == 0:
            angle = draw.uniform(0, 2 * np.pi, 64)
            ants.states[:, 15:17] = speed * np.stack([np.cos(angle), np.sin(angle)], 1)
        before = ants.position.copy()
        ants.step(draw.uniform(-1, 1, (64, 8)))
        found.append((before, ants.position.copy(), ants.ended))
    before, after, fallen = map(np.concatenate, zip(*found, strict=True))
    return before, after, fallen


def depth(maze: AntUMaze, places: np.ndarray) -> np.ndarray:
    """How deep places (n, 2) lie in a wall, (n,); negative outside."""
    low, high = maze.walls().swapaxes(0, 1)[:, :, None]
    return np.minimum(places - low, high - places).min(2).max(0)


@pytest.mark.parametrize(("speed", "deepest"), [(0.0, -0.15), (3.0, -0.1), (20.0, 0.3)])
def test_no_ant_goes_through_a_wall(maze: AntUMaze, speed: float, deepest: float) -> None:
    """At 20 it would cross the corridor in five steps; contacts are soft, and a torso is pressed into a wall.

    Over a wall it has fallen, for it is higher than 1.
    """
    before, after, fallen = driven(maze, steps=80, speed=speed)
    assert depth(maze, after[~fallen]).max() < deepest
    assert np.linalg.norm(after - before, axis=1).max() < 1  # nobody is beyond a wall, two thick, after one step
    assert {tuple(cell) for cell in np.rint(after[~fallen] / 2).astype(int)} >= set(CELLS)


@pytest.mark.slow
def test_a_million_steps_cross_no_wall(maze: AntUMaze) -> None:
    before, after, fallen = driven(maze, steps=15_625, speed=5.0)
    assert len(after) == 10**6
    assert depth(maze, after[~fallen]).max() < 0
    assert np.linalg.norm(after - before, axis=1).max() < 0.5


def test_an_ant_that_is_pushed_on_stays_where_the_wall_is(maze: AntUMaze) -> None:
    """By its own weight, for two seconds, in each of 16 directions."""
    data, torso = mujoco.MjData(maze.model), maze.model.body("torso").id
    weight = 9.81 * maze.model.body_mass.sum()
    ends = []
    for angle in np.arange(16) * np.pi / 8:
        mujoco.mj_resetData(maze.model, data)
        data.qpos[:] = maze.start[:15]
        data.xfrc_applied[torso, :2] = weight * np.array([np.cos(angle), np.sin(angle)])
        for _ in range(100):
            mujoco.mj_step(maze.model, data)
            assert depth(maze, data.qpos[None, :2])[0] < -0.1
        ends.append(data.qpos[:2].copy())
    assert depth(maze, np.array(ends)).max() > -0.4  # some leaned on a wall
    assert np.max(ends) > 3  # and some came along the corridor


# Ends


def test_arriving_earns_one_and_ends_the_episode(maze: AntUMaze) -> None:
    ants = standing(maze, 3)
    ants.goal[:] = [[0.0, 0.95], [0.0, 1.05], [4.0, 4.0]]  # the second lies in the wall
    ants.states[2, :2] = [4.0, 3.05]
    _, reward, terminated, truncated = ants.step(np.zeros((3, 8)))
    assert reward.tolist() == [1, 0, 1]
    assert terminated.tolist() == [True, False, True]
    assert not truncated.any()


@pytest.mark.parametrize(("height", "falls"), [(0.25, True), (0.55, False), (1.05, True)])
def test_who_is_too_low_or_too_high_has_fallen_and_earns_nothing(maze: AntUMaze, height: float, falls: bool) -> None:
    ants = standing(maze, 1)
    ants.states[0, 2] = height
    _, reward, terminated, _ = ants.step(np.zeros((1, 8)))
    assert (reward[0], terminated[0]) == (0, falls)


def test_who_has_ended_stays_until_its_reset_and_the_others_go_on(maze: AntUMaze) -> None:
    ants, alone, draw = standing(maze, 2), standing(maze, 1), np.random.default_rng(0)
    ants.states[0, 2] = 0.2
    ants.step(np.zeros((2, 8)))
    alone.step(np.zeros((1, 8)))
    fallen = ants.states[0].copy()
    for action in draw.uniform(-1, 1, (10, 8)):
        _, _, terminated, _ = ants.step(np.tile(action, (2, 1)))
        alone.step(action[None])
        assert terminated.tolist() == [True, False]
    assert np.array_equal(ants.states[0], fallen)
    assert np.array_equal(ants.states[1], alone.states[0])
    assert ants.elapsed.tolist() == [1, 11]
    ants.reset(np.array([[4.0, 0.0]]), np.array([True, False]))
    assert np.array_equal(ants.states[0], maze.start)
    ants.step(np.zeros((2, 8)))
    assert ants.elapsed.tolist() == [1, 12]


def test_the_horizon_truncates() -> None:
    ants = standing(AntUMaze(AntUMazeConfig(horizon=2)), 2)
    ants.goal[0] = [0.5, 0.0]
    found = [ants.step(np.zeros((2, 8)))[2:] for _ in range(2)]
    assert [(a.tolist(), b.tolist()) for a, b in found] == [
        ([True, False], [False, False]),
        ([True, False], [False, True]),
    ]


@pytest.mark.parametrize("velocity", [np.nan, 2e9])
def test_a_simulation_that_diverges_is_named(maze: AntUMaze, velocity: float) -> None:
    ants = standing(maze, 1)
    ants.states[0, 20] = velocity
    with pytest.raises(NonFiniteError, match="recall/AntUMaze-v0: the state of an ant is NaN, infinite or beyond"):
        ants.step(np.zeros((1, 8)))


# Gymnasium


def test_checkers_find_nothing(recwarn: pytest.WarningsRecorder) -> None:
    assert recall.envs
    env = gymnasium.make("recall/AntUMaze-v0").unwrapped
    assert isinstance(env, AntUMazeEnv)
    check_env(env)
    check_env_sb3(env)
    assert [str(warning.message) for warning in recwarn] == []


def test_rewards_of_other_goals_can_be_computed() -> None:
    env, draw = AntUMazeEnv(), np.random.default_rng(0)
    achieved, desired = (draw.uniform(-1, 5, (50, 4, 2)) for _ in range(2))
    found = env.compute_reward(achieved, desired, {})
    assert found.shape == (50, 4)
    one_by_one = [
        env.compute_reward(a, d, {}) for a, d in zip(achieved.reshape(-1, 2), desired.reshape(-1, 2), strict=True)
    ]
    assert found.ravel().tolist() == one_by_one
    assert set(found.ravel()) == {0, 1}
    assert np.array_equal(found > 0, near(achieved, desired, 1.0) & env.world.feasible(desired))


def test_the_environment_is_the_stepper_with_one_ant(maze: AntUMaze) -> None:
    env, goal = AntUMazeEnv(), np.array([1.2, 0.3])
    env.reset(options={"goal": goal})
    ants = standing(maze, 1, (1.2, 0.3))
    for action in np.random.default_rng(0).uniform(-1, 1, (100, 8)):
        obs, reward, terminated, truncated, info = env.step(action)
        next_obs, *rest = ants.step(action[None])
        assert np.array_equal(np.concatenate([obs["observation"], obs["desired_goal"]]), next_obs[0])
        assert np.array_equal(obs["achieved_goal"], next_obs[0, :2])
        assert [reward, terminated, truncated] == [each[0] for each in rest]
        assert env.compute_terminated(obs["achieved_goal"], obs["desired_goal"], info) == terminated
        assert env.compute_truncated(obs["achieved_goal"], obs["desired_goal"], info) == truncated
        if terminated:
            break
    assert terminated
    assert info["has_fallen"] != info["is_success"]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"horizon": 0}, "horizon is 0; it must be positive and finite"),
        ({"horizon": 5.0}, "horizon is 5.0; it must be a whole number"),
        ({"reach": -1.0}, "reach is -1.0; it must be positive"),
        ({"lowest": 1.0}, "lowest is 1.0; it must be below highest, 1.0"),
    ],
)
def test_bad_settings_are_refused(bad: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        replace(AntUMazeConfig(), **bad)


# The stepper


def played(maze: AntUMaze, steps: int = 40) -> list[np.ndarray]:
    """Everything that 30 ants give in some steps; those that end begin again."""
    ants, draw = maze.stepper(30), np.random.default_rng(3)
    goals = maze.sample_goals(draw, 30)
    found = [ants.reset(goals)]
    for _ in range(steps):
        found += ants.step(draw.standard_normal((30, 8)))
        done = found[-2] | found[-1]
        if done.any():
            ants.reset(goals[done], done)
    return found


def test_numbers_do_not_depend_on_the_threads(maze: AntUMaze, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = played(maze)
    for count in ("2", "3"):
        monkeypatch.setenv(THREADS, count)
        together = played(AntUMaze(maze.config))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(alone, together, strict=True))
    assert any(each.any() for each in alone[2::4])  # some ant arrived


def test_threads_are_as_many_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THREADS, raising=False)
    assert threads() == 1
    monkeypatch.setenv(THREADS, "16")
    assert threads() == 16
    for wrong in ("0", "two", "-1", ""):
        monkeypatch.setenv(THREADS, wrong)
        with pytest.raises(ConfigError, match=f"RECALL_THREADS is '{wrong}'; it must be a whole number from 1 on"):
            threads()


def test_returned_arrays_are_not_written_again(maze: AntUMaze) -> None:
    found = played(maze, steps=0)
    ants = standing(maze, 4)
    kept, copies = [*found], [each.copy() for each in found]
    for step in range(12):
        arrays = [*ants.step(np.full((4, 8), 0.1)), ants.position, ants.states, ants.goal, ants.elapsed]
        kept += arrays
        copies += [array.copy() for array in arrays]
        if step % 5 == 0:
            ants.reset(np.ones((2, 2)), np.array([True, False, True, False]))
    assert all(np.array_equal(a, b) for a, b in zip(kept, copies, strict=True))


def test_state_restores_the_middle_of_an_episode(maze: AntUMaze) -> None:
    draw, ants, other = np.random.default_rng(1), standing(maze, 5), maze.stepper(5)
    actions = draw.uniform(-1, 1, (40, 5, 8))
    for action in actions[:20]:
        ants.step(action)
    saved = ants.state()
    expected = [ants.step(action) for action in actions[20:]]
    other.load_state(saved)
    resumed = [other.step(action) for action in actions[20:]]
    for before, after in zip(expected, resumed, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
