"""The four rooms: map, exact model, Gymnasium's contract, auto-reset, and the vectorised form."""

from collections import deque
from itertools import pairwise

import gymnasium
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from recall.envs.autoreset import is_transition, true_next_obs
from recall.envs.four_rooms import MOVES, FourRooms, FourRoomsConfig, FourRoomsEnv, write
from recall.envs.four_rooms_vector import VectorFourRooms
from recall.errors import ConfigError, RecallError

SIDES = (7, 9, 11, 13, 15, 19, 25)
TOWARDS_GOAL = (0.15, 0.35, 0.15, 0.35)
"""Probabilities of up, down, left, right with which a walk often reaches the goal within the horizon."""


def distances(layout: FourRooms) -> np.ndarray:
    """Fewest steps from the start to every state, by breadth-first search on the picture of the map."""
    walls = np.array([list(line) for line in write(layout, layout.start).split()]) == "#"
    found = {(1, 1): 0}
    queue = deque(found)
    while queue:
        cell = queue.popleft()
        for step in MOVES:
            near = (int(cell[0] + step[0]), int(cell[1] + step[1]))
            if not walls[near] and near not in found:
                found[near] = found[cell] + 1
                queue.append(near)
    return np.array([found[int(row), int(col)] for row, col in layout.cells])


# The map


@pytest.mark.parametrize(("side", "free"), [(7, 20), (11, 68), (15, 148), (19, 260)])
def test_number_of_free_cells(side: int, free: int) -> None:
    layout = FourRooms(FourRoomsConfig(side=side))
    assert layout.n_states == free == len(layout.cells) == (layout.index >= 0).sum()
    assert np.array_equal(layout.index[tuple(layout.cells.T)], np.arange(free))


def test_map_of_side_11() -> None:
    env = gymnasium.make("recall/FourRooms-v0", render_mode="ansi")
    env.reset()
    assert env.render() == (
        "###########\n"
        "#A...#....#\n"
        "#.........#\n"
        "#....#....#\n"
        "#....#....#\n"
        "##.#####.##\n"
        "#....#....#\n"
        "#....#....#\n"
        "#.........#\n"
        "#....#...G#\n"
        "###########\n"
    )


@pytest.mark.parametrize("side", SIDES)
def test_map_is_symmetric_connected_and_has_four_doors(side: int) -> None:
    layout = FourRooms(FourRoomsConfig(side=side))
    free = layout.index >= 0
    for image in (free[::-1], free[:, ::-1], free.T):
        assert np.array_equal(free, image)
    centre = (side - 1) // 2
    assert free[centre].sum() == free[:, centre].sum() == 2
    assert distances(layout)[layout.goal] == 2 * (side - 3)
    assert layout.cells[layout.start].tolist() == [1, 1]
    assert layout.cells[layout.goal].tolist() == [side - 2, side - 2]


@pytest.mark.parametrize("side", SIDES)
def test_moves_are_one_cell_or_a_bump_into_a_wall(side: int) -> None:
    layout = FourRooms(FourRoomsConfig(side=side))
    for state, cell in enumerate(layout.cells):
        for action, step in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
            ahead = layout.index[cell[0] + step[0], cell[1] + step[1]]
            assert layout.next_state[state, action] == (state if ahead == -1 else ahead)


@pytest.mark.parametrize("side", SIDES)
def test_predecessors_equal_brute_force_over_forward_transitions(side: int) -> None:
    layout = FourRooms(FourRoomsConfig(side=side))
    for target in range(layout.n_states):
        for action in range(4):
            leading_here = [
                state
                for state in range(layout.n_states)
                if state not in (target, layout.goal) and layout.next_state[state, action] == target
            ]
            assert len(leading_here) <= 1
            assert layout.predecessor[target, action] == (leading_here[0] if leading_here else -1)


def test_the_goal_has_predecessors_but_is_none() -> None:
    layout = FourRooms(FourRoomsConfig())
    above, left = layout.index[8, 9], layout.index[9, 8]
    assert layout.predecessor[layout.goal].tolist() == [-1, above, -1, left]
    assert layout.goal not in layout.predecessor


def test_start_distributions() -> None:
    corner, uniform = (FourRooms(FourRoomsConfig(start=start)) for start in ("corner", "uniform"))
    assert corner.start_distribution[corner.start] == corner.start_distribution.sum() == 1
    assert uniform.start_distribution[uniform.goal] == 0
    assert np.allclose(np.delete(uniform.start_distribution, uniform.goal), 1 / 67)
    ends = np.array([0, np.nextafter(np.float32(1), np.float32(0))], np.float32)
    assert uniform.start_at(ends).tolist() == [0, 66]
    assert corner.start_at(ends).tolist() == [corner.start] * 2


# Settings


@pytest.mark.parametrize(
    "bad",
    [
        {"side": 10},
        {"side": 5},
        {"side": 103},
        {"side": 11.0},
        {"side": True},
        {"start": "centre"},
        {"slip": 1.0},
        {"slip": -0.1},
        {"slip": float("nan")},
        {"slip": "0.1"},
        {"horizon": 0},
        {"horizon": 2.5},
        {"render_mode": "human"},
    ],
)
def test_bad_settings_are_refused_in_one_sentence(bad: dict) -> None:
    ((name, value),) = bad.items()
    with pytest.raises(ConfigError, match=rf"^{name} is {value!r}; it must be [^\n]+$"):
        FourRoomsEnv(**bad)


def test_horizon_defaults_to_side_squared() -> None:
    assert FourRoomsConfig(side=15).max_steps == 225
    assert FourRoomsConfig(side=15, horizon=40).max_steps == 40


# Gymnasium


@pytest.mark.parametrize("kwargs", [{}, {"side": 7, "start": "uniform", "slip": 0.2, "horizon": 5}])
@pytest.mark.parametrize("render_mode", [None, "ansi", "rgb_array"])
def test_checkers_find_nothing(kwargs: dict, render_mode: str | None, recwarn: pytest.WarningsRecorder) -> None:
    env = gymnasium.make("recall/FourRooms-v0", render_mode=render_mode, **kwargs).unwrapped
    check_env(env)
    check_env_sb3(env, skip_render_check=False)
    assert [str(warning.message) for warning in recwarn] == []


def test_reaching_the_goal_on_the_last_step_terminates_and_does_not_truncate() -> None:
    path = [1] + [3] * 7 + [1] * 7 + [3]
    for horizon, last in ((16, (True, False)), (15, (False, True))):
        env = FourRoomsEnv(horizon=horizon)
        env.reset()
        for action in path[: horizon - 1]:
            assert env.step(np.int64(action))[1:4] == (0.0, False, False)
        _, reward, terminated, truncated, info = env.step(np.int64(path[horizon - 1]))
        assert (terminated, truncated) == last
        assert reward == float(terminated)
        assert info["cell"] == ((9, 9) if terminated else (9, 8))


def test_steps_outside_an_episode_and_unknown_actions_are_refused() -> None:
    env = FourRoomsEnv(horizon=1)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(np.int64(0))
    env.reset()
    with pytest.raises(InvalidAction, match="action is 4; it must be"):
        env.step(4)  # type: ignore[arg-type]
    env.step(np.int64(0))
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(np.int64(0))


def test_picture_shows_walls_goal_and_agent() -> None:
    env = FourRoomsEnv(side=7, render_mode="rgb_array")
    env.reset()
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (112, 112, 3)
    assert picture.dtype == np.uint8
    middle = picture[8::16, 8::16].astype(int)
    assert middle[0, 0].max() < 80
    assert middle[1, 1].argmax() == 2
    assert middle[5, 5].argmax() == 1
    assert middle[1, 2].min() > 200


@pytest.mark.parametrize("slip", [0.0, 0.4])
def test_scalar_environment_slips_as_often_as_it_says(slip: float) -> None:
    env = FourRoomsEnv(slip=slip, horizon=1)
    layout, counts, n = env.layout, np.zeros(4), 4000
    inside = int(layout.index[3, 3])
    env.reset(seed=1)
    for _ in range(n):
        env.reset()
        env._obs = np.int64(inside)
        obs = env.step(np.int64(3))[0]
        counts += layout.next_state[inside] == obs
    assert_frequencies(counts, slip / 4 + (1 - slip) * (np.arange(4) == 3))


def assert_frequencies(counts: np.ndarray, expected: np.ndarray) -> None:
    n = counts.sum()
    error = np.sqrt(expected * (1 - expected) / n)
    assert np.all(np.abs(counts / n - expected) <= 5 * error)


# Auto-reset: the true terminal next observation


def walk(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).choice(4, size=shape, p=TOWARDS_GOAL)


def expected_transitions(env: FourRoomsEnv, actions: np.ndarray) -> list[tuple]:
    """What one grid, reset by hand, makes of actions: obs, action, next_obs, terminated, truncated."""
    obs, seen = env.reset()[0], []
    for action in actions:
        next_obs, _, terminated, truncated, _ = env.step(action)
        seen.append((int(obs), int(action), int(next_obs), terminated, truncated))
        obs = env.reset()[0] if terminated or truncated else next_obs
    return seen


def seen_through(vector: SyncVectorEnv, actions: np.ndarray) -> list[list[tuple]]:
    """Transitions of each grid as the helper recovers them from a vector environment."""
    mode = vector.metadata["autoreset_mode"]
    obs, _ = vector.reset()
    done = np.zeros(vector.num_envs, bool)
    seen: list[list[tuple]] = [[] for _ in range(vector.num_envs)]
    for action in actions:
        next_obs, _, terminated, truncated, infos = vector.step(action)
        true = true_next_obs(next_obs, infos, terminated, truncated, mode)
        for i in np.flatnonzero(is_transition(done, mode)):
            row = (int(obs[i]), int(action[i]), int(true[i]), bool(terminated[i]), bool(truncated[i]))
            seen[i].append(row)
        obs, done = next_obs, terminated | truncated
    return seen


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    side=st.sampled_from((7, 9)),
    horizon=st.integers(1, 40),
    mode=st.sampled_from((AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)),
)
def test_true_terminal_observation_under_both_autoreset_modes(
    seed: int, side: int, horizon: int, mode: AutoresetMode
) -> None:
    actions = walk(seed, (60, 3))
    vector = SyncVectorEnv([lambda: FourRoomsEnv(side, horizon=horizon)] * 3, autoreset_mode=mode)
    for seen in seen_through(vector, actions):
        taken = np.array([action for _, action, *_ in seen])
        assert seen == expected_transitions(FourRoomsEnv(side, horizon=horizon), taken)
        assert len(seen) == 60 or (mode is AutoresetMode.NEXT_STEP and len(seen) >= 30)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_walk_meets_both_endings(mode: AutoresetMode) -> None:
    vector = SyncVectorEnv([lambda: FourRoomsEnv(side=7, horizon=20)] * 3, autoreset_mode=mode)
    seen = [row for rows in seen_through(vector, walk(0, (300, 3))) for row in rows]
    assert min(sum(row[3] for row in seen), sum(row[4] for row in seen)) > 5


def test_terminal_observation_missing_from_infos_is_refused() -> None:
    done, obs = np.array([True]), np.array([3])
    with pytest.raises(RecallError, match="final_obs"):
        true_next_obs(obs, {}, done, ~done, AutoresetMode.SAME_STEP)


def test_true_next_obs_of_vector_observations() -> None:
    next_obs, done = np.zeros((3, 2)), np.array([False, True, False])
    infos = {"final_obs": np.array([None, np.array([4.0, 5.0]), None], object), "_final_obs": done}
    true = true_next_obs(next_obs, infos, done, np.zeros(3, bool), AutoresetMode.SAME_STEP)
    assert true.tolist() == [[0, 0], [4, 5], [0, 0]]
    assert not next_obs.any()


# The vectorised form


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    side=st.sampled_from((7, 9, 11, 15)),
    horizon=st.integers(1, 60) | st.none(),
)
def test_vectorised_form_agrees_step_by_step(seed: int, side: int, horizon: int | None) -> None:
    config = FourRoomsConfig(side=side, horizon=horizon)
    many = VectorFourRooms(config, n_runs=2, n_envs=3)
    singles = np.array([[FourRoomsEnv(side=side, horizon=horizon) for _ in range(3)] for _ in range(2)])
    starts = [[env.reset()[0] for env in row] for row in singles]
    assert many.reset().tolist() == starts
    for action in walk(seed, (150, 2, 3)):
        next_obs, reward, terminated, truncated, obs = many.step(action)
        for place, env in np.ndenumerate(singles):
            one_obs, one_reward, one_terminated, one_truncated, _ = env.step(action[place])
            assert (one_obs, one_reward) == (next_obs[place], reward[place])
            assert (one_terminated, one_truncated) == (terminated[place], truncated[place])
            assert obs[place] == (env.reset()[0] if one_terminated or one_truncated else one_obs)
    assert not (terminated & truncated).any()


def test_vectorised_walk_meets_both_endings() -> None:
    grids = VectorFourRooms(FourRoomsConfig(side=9, horizon=40), 4, 8)
    results = [grids.step(action) for action in walk(0, (500, 4, 8))]
    terminated, truncated = (np.array([row[i] for row in results]) for i in (2, 3))
    assert min(terminated.sum(), truncated.sum()) > 50
    assert [array.dtype for array in results[0]] == [np.int64, np.float32, bool, bool, np.int64]


def test_returned_arrays_are_not_written_again() -> None:
    grids = VectorFourRooms(FourRoomsConfig(horizon=9), 2, 2)
    first = grids.reset()
    kept, copies = [first], [first.copy()]
    for action in walk(3, (40, 2, 2)):
        arrays = grids.step(action)
        kept += arrays
        copies += [array.copy() for array in arrays]
    assert all(np.array_equal(a, b) for a, b in zip(kept, copies, strict=True))


@pytest.mark.parametrize("slip", [0.1, 0.6])
def test_vectorised_form_slips_as_often_as_it_says(slip: float) -> None:
    grids = VectorFourRooms(FourRoomsConfig(side=11, slip=slip, horizon=1), 100, 400)
    inside = grids.layout.index[3, 3]
    grids.obs[:] = inside
    uniform = np.random.default_rng(0).random((100, 400, 3))
    next_obs = grids.step(np.full((100, 400), 2), uniform)[0]
    counts = np.array([(next_obs == target).sum() for target in grids.layout.next_state[inside]])
    assert counts.sum() == next_obs.size
    assert_frequencies(counts, slip / 4 + (1 - slip) * (np.arange(4) == 2))


def test_uniform_starts_cover_every_cell_but_the_goal() -> None:
    grids = VectorFourRooms(FourRoomsConfig(side=7, start="uniform", horizon=1), 100, 200)
    draw = np.random.default_rng(0)
    for obs in (
        grids.reset(draw.random((100, 200))),
        grids.step(np.zeros((100, 200), int), draw.random((100, 200, 3)))[4],
    ):
        counts = np.bincount(obs.ravel(), minlength=grids.layout.n_states)
        assert counts[grids.layout.goal] == 0
        assert_frequencies(counts, grids.layout.start_distribution)


@pytest.mark.parametrize("config", [FourRoomsConfig(slip=0.1), FourRoomsConfig(start="uniform")])
def test_randomness_must_be_handed_in(config: FourRoomsConfig) -> None:
    with pytest.raises(RecallError, match="uniform"):
        VectorFourRooms(config, 1, 1).step(np.zeros((1, 1), int))


def test_state_restores_the_middle_of_an_episode() -> None:
    config = FourRoomsConfig(side=7, horizon=15, slip=0.2, start="uniform")
    draw = np.random.default_rng(5)
    actions, numbers = draw.integers(4, size=(60, 2, 3)), draw.random((60, 2, 3, 3))
    grids = VectorFourRooms(config, 2, 3)
    grids.reset(numbers[0, ..., 0])
    for action, uniform in zip(actions[:20], numbers[:20], strict=True):
        grids.step(action, uniform)
    saved = grids.state()
    expected = [grids.step(a, u) for a, u in zip(actions[20:], numbers[20:], strict=True)]
    other = VectorFourRooms(config, 2, 3)
    other.load_state(saved)
    resumed = [other.step(a, u) for a, u in zip(actions[20:], numbers[20:], strict=True)]
    for before, after in zip(expected, resumed, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


def test_shortest_walk_backward_over_predecessors_is_a_shortest_walk_forward() -> None:
    layout = FourRooms(FourRoomsConfig(side=15))
    away = distances(layout)
    state, walked = layout.goal, [layout.goal]
    while state != layout.start:
        back = layout.predecessor[state]
        state = min(back[back >= 0], key=lambda s: away[s])
        walked.append(state)
    assert len(walked) - 1 == away[layout.goal]
    assert all(later in layout.next_state[earlier] for later, earlier in pairwise(walked))
