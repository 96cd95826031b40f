"""The outer loop: episodes have the goals that were handed in, steps are counted by purpose, checkpoints continue."""

import copy
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from recall import goal_curriculum, goal_training
from recall.buffers import of_finite_horizon
from recall.envs.goal_world import near
from recall.envs.point_mass import PointMass, PointMassConfig
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.goal_gan import GoalGANConfig
from recall.goal_rollouts import GoalRollouts
from recall.goal_training import GoalTraining
from recall.identity import state_digest
from recall.returns import gae

GAN = GoalGANConfig(generator_hidden=(16,), discriminator_hidden=(16,), updates=5, pretraining_updates=5)


def training(seeds: tuple[int, ...] = (0, 1), labelled_by_training: bool = True) -> GoalTraining:
    """A short one, in which goals are near enough to be reached now and then."""
    small = {"gan": GAN, "new_goals": 20, "old_goals": 5, "visited_goals": 100, "inner_iterations": 2}
    if labelled_by_training:
        world: PointMass | UMaze = UMaze(UMazeConfig(horizon=30, reach=1.5))
        agent, goals = goal_training.U_MAZE, goal_curriculum.U_MAZE
    else:
        world = PointMass(PointMassConfig(3, horizon=30, reach=1.5))
        agent, goals = goal_training.POINT_MASS, goal_curriculum.POINT_MASS
    return GoalTraining(world, replace(agent, n_envs=10, n_steps=60), replace(goals, **small), seeds)  # type: ignore[arg-type]


# Rollouts


def test_labels_belong_to_their_goals() -> None:
    """A policy that stands still is always near some goals and never near others, in an order of each run's own."""
    run = training(labelled_by_training=False)
    run.agent.act = lambda obs, noise, runs: np.zeros((*obs.shape[:2], run.world.action_dim))  # type: ignore
    near_start = [np.array([True, False, False, True, True]), np.array([False, True, False])]
    goals = [np.where(each[:, None], 0.1, 4.0) * np.ones(3) for each in near_start]
    rates, episodes = run._judge(goals)
    for found, expected in zip(rates, near_start, strict=True):
        assert found.tolist() == expected.tolist()
    assert [each.tolist() for each in episodes] == [[3] * 5, [3] * 3]


def rollout(seed: int = 0) -> tuple[GoalRollouts, list[np.ndarray], list]:
    world, draw = UMaze(UMazeConfig(horizon=25, reach=1.0)), np.random.default_rng(seed)
    goals = [draw.uniform(-1, 2, (n, 2)) for n in (7, 4)]
    found = GoalRollouts(world, 2, 5)
    found.begin(goals, draw.random((2, 5)))

    def act(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return np.sign(obs[..., 4:] - obs[..., :2]) + noise

    numbers = [(draw.standard_normal((2, 40, 5, 2), np.float32), draw.random((2, 40, 5))) for _ in range(2)]
    return found, goals, [found.collect(act, *each) for each in numbers]


def test_an_episode_keeps_its_goal_and_what_follows_begins_at_rest() -> None:
    _, goals, (first, second) = rollout()
    obs, next_obs, time = (
        np.concatenate([getattr(each, name) for each in (first, second)]) for name in ("obs", "next_obs", "time")
    )
    done = np.concatenate([each.terminated | each.truncated for each in (first, second)])
    assert np.array_equal(obs[..., 4:], next_obs[..., 4:])
    assert np.array_equal(obs[1:][~done[:-1]], next_obs[:-1][~done[:-1]])
    assert np.all(obs[1:][done[:-1]][:, :4] == 0)
    assert np.array_equal(time[1:], np.where(done[:-1], 0, time[:-1] + 1))
    for run, each in enumerate(goals):
        seen = np.unique(obs[:, run, :, 4:].reshape(-1, 2), axis=0)
        assert np.array_equal(seen, np.unique(each.astype(np.float32), axis=0))


def test_the_reward_is_for_the_terminal_state() -> None:
    _, _, found = rollout()
    for each in found:
        reached = near(each.next_obs[..., :2].astype(float), each.next_obs[..., 4:].astype(float), 1.0)
        feasible = UMaze(UMazeConfig()).feasible(each.obs[..., 4:])
        assert np.array_equal(each.terminated, reached & feasible)
        assert np.array_equal(each.reward, each.terminated)
        assert not (each.terminated & each.truncated).any()


def test_outcomes_are_those_of_the_ended_episodes() -> None:
    rollouts, goals, found = rollout()
    counts: dict[tuple, list[bool]] = defaultdict(list)
    for each in found:
        for step, run, env in np.argwhere(each.terminated | each.truncated):
            key = (int(run), *each.obs[step, run, env, 4:].tolist())
            counts[key].append(bool(each.terminated[step, run, env]))
    rates, episodes = rollouts.outcomes()
    for run, listed in enumerate(goals):
        expected = [counts[run, *goal.astype(np.float32).tolist()] for goal in listed]
        assert episodes[run].tolist() == [len(each) for each in expected]
        assert rates[run].tolist() == pytest.approx([np.mean(each) if each else 0 for each in expected])
    assert sum(each.sum() for each in episodes) > 20


def test_nothing_has_ended_at_first() -> None:
    rollouts = GoalRollouts(PointMass(PointMassConfig()), 1, 3)
    rollouts.begin([np.ones((4, 2))], np.zeros((1, 3)))
    (rates,), (episodes,) = rollouts.outcomes()
    assert rates.tolist() == episodes.tolist() == [0] * 4


def test_of_a_finite_horizon_nothing_is_worth_anything_beyond_it() -> None:
    """Whatever values are claimed, with lambda 1 an ended episode's advantage is what it earned less its own value."""
    _, _, (found, _) = rollout()
    finite, discount = of_finite_horizon(found), 0.9
    value, next_value = (np.random.default_rng(0).normal(50, 1, found.reward.shape) for _ in range(2))
    advantage = gae(finite.reward, value, next_value, finite.terminated, finite.truncated, discount, 1.0)
    last = found.terminated | found.truncated
    np.testing.assert_allclose(advantage[last], (found.reward - value)[last], rtol=1e-5)
    assert found.truncated.any()
    for name in ("obs", "action", "reward", "next_obs", "time"):
        assert getattr(finite, name) is getattr(found, name)


# The loop


@pytest.mark.parametrize("by_training", [True, False])
def test_steps_are_counted_by_what_they_are_for(by_training: bool) -> None:
    run = training(labelled_by_training=by_training)
    metrics = run.step()
    assert run.steps["training"].tolist() == [2 * 600] * 2
    assert run.steps["evaluation"].tolist() == [0, 0]
    visits = 2 if by_training else 1
    assert np.all(run.steps["visits"] <= visits * 4 * 30)
    assert np.all(run.steps["visits"] > 0)
    assert np.all((run.steps["labels"] > 0) == (not by_training))
    assert np.all(run.steps["labels"] <= 20 * 3 * 30)
    found = run.evaluate()
    assert found.shape == (2, 112 if by_training else 50)
    assert np.all(run.steps["evaluation"] > 0)
    assert {"kl", "reward", "generator_loss", "good_goals", "archived_goals"} <= metrics.keys()
    assert np.all(metrics["kl"] <= run.agent.target_kl)


@pytest.mark.parametrize("by_training", [True, False])
def test_a_checkpoint_continues_to_the_byte(by_training: bool) -> None:
    run, other = (training(labelled_by_training=by_training) for _ in range(2))
    run.step()
    saved = copy.deepcopy(run.state())
    run.step()
    other.load_state(saved)
    other.step()
    for name in ("agent", "curriculum"):
        assert state_digest(getattr(other, name).state()) == state_digest(getattr(run, name).state())
    assert other.streams.state() == run.streams.state()
    assert {name: each.tolist() for name, each in other.steps.items()} == {
        name: each.tolist() for name, each in run.steps.items()
    }


def test_evaluation_does_not_change_the_training() -> None:
    plain, watched = training(), training()
    for _ in range(2):
        plain.step()
        watched.step()
        watched.evaluate()
    for name in ("agent", "curriculum"):
        assert state_digest(getattr(watched, name).state()) == state_digest(getattr(plain, name).state())


@pytest.mark.slow
def test_two_dimensions_are_covered() -> None:
    """Held et al. 2017 cover them in well under 100 outer steps; a value beyond the horizon would lose all of them."""
    world = PointMass(PointMassConfig(2))
    run = GoalTraining(world, goal_training.POINT_MASS, goal_curriculum.POINT_MASS, [0])
    before = run.evaluate().mean()
    for _ in range(30):
        run.step()
    assert before < 0.2
    assert run.evaluate().mean() > 0.8
