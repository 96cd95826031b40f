"""Evaluation: the mean over whole episodes from starts that are the same in every arm, beside the training."""

from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from small_control import CART, Cart, run_eagerly, sac_spec, trained

import recall.control
from recall.errors import NonFiniteError
from recall.evaluation import FIRST_SEED, Evaluation, evaluate, evaluation_seeds, run_episode
from recall.runs import RunSpec


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


class Countdown(gym.Env):
    """Lasts as many steps as the seed says; the k-th pays k, or what is not finite where a test asks for it."""

    observation_space, action_space = Cart.observation_space, Cart.action_space

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        assert seed is not None
        self.left, self.steps = seed, 0
        return np.zeros(2), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.left, self.steps = self.left - 1, self.steps + 1
        strange = self.steps == 2
        obs = np.full(2, np.nan if strange and self.fault == "observation" else self.steps)
        reward = -np.inf if strange and self.fault == "reward" else float(self.steps)
        ends = self.left == 0
        return obs, reward, ends and self.steps % 2 == 0, ends and self.steps % 2 == 1, {}


def still(obs: np.ndarray) -> np.ndarray:
    return np.zeros(1, np.float32)


def test_an_evaluation_is_the_mean_undiscounted_return_of_whole_episodes() -> None:
    """Whether they terminate (after an even number of steps) or are truncated (after an odd one)."""
    assert evaluate(Countdown(), still, [1, 2, 5]) == Evaluation((1 + 3 + 15) / 3, 8 / 3)
    assert run_episode(Countdown(), still, 100) == Evaluation(5050, 100)


def test_the_policy_sees_every_observation_but_the_last() -> None:
    seen: list[float] = []
    run_episode(Countdown(), lambda obs: (seen.append(obs[0]), still(obs))[1], 4)
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize("fault", ["observation", "reward"])
def test_what_is_not_finite_is_refused(fault: str) -> None:
    with pytest.raises(NonFiniteError, match=r"^evaluation, step 2 of .* seed 3: observation or reward is NaN or inf"):
        evaluate(Countdown(fault), still, [1, 3])


def test_no_start_is_evaluated_twice() -> None:
    ranges = [evaluation_seeds(index, 5) for index in range(50)]
    assert ranges[0].start == FIRST_SEED
    assert all(len(seeds) == 5 for seeds in ranges)
    assert all(first.stop == second.start for first, second in pairwise(ranges))


def evaluated(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The seeds of every evaluation of a training, with how many steps there had been."""
    calls: list[tuple] = []

    def spy(env: gym.Env, act: Any, seeds: Any) -> Evaluation:
        calls.append((training.update, tuple(seeds)))
        return evaluate(env, act, seeds)

    with monkeypatch.context() as patch:
        patch.setattr(recall.control, "evaluate", spy)
        training = trained(spec, 0)
        while training.update < spec.n_updates:
            training.step()
    return calls


def test_every_arm_and_seed_is_evaluated_from_the_same_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every so many steps, and after the last."""
    expected = [(step, tuple(evaluation_seeds(n, 5))) for n, step in enumerate((40, 80, 90))]
    for arm, seeds in (("baseline", (0,)), ("repaired", (3,)), ("as-written", (1, 2))):
        spec = sac_spec(arm, seeds, steps=90, env_id=CART, eval_every=40)
        calls = evaluated(spec, monkeypatch)
        assert calls == [call for call in expected for _ in seeds]


def test_an_evaluation_is_no_experience() -> None:
    """It takes no step, adds no transition, and leaves the training's environments where they are."""
    often, never = (trained(sac_spec(steps=400, env_id=CART, eval_every=every), 50) for every in (10, 400))
    assert (often.steps, often.replay.end) == (50, 50)
    assert len(often.tables()["metrics"]) == 5
    assert np.array_equal(often.replay.rows, never.replay.rows)
    assert np.array_equal(often.envs.obs, never.envs.obs)


def test_what_is_evaluated_is_the_mean_action() -> None:
    training = trained(sac_spec(steps=400, env_id=CART, eval_every=70), 70)

    def act(obs: np.ndarray) -> np.ndarray:
        *hidden, weight, bias = (layer[0].numpy() for layer in training.agent.learner.actor)
        x = obs.astype(np.float32)
        for factor, offset in zip(hidden[::2], hidden[1::2], strict=True):
            x = np.maximum(x @ factor + offset[0], 0)
        return np.tanh((x @ weight + bias[0])[:1])

    expected = evaluate(gym.make("Cart-v0"), act, evaluation_seeds(0, 5))
    row = training.tables()["metrics"].iloc[0]
    assert row["return"] == pytest.approx(expected.episode_return, rel=1e-5)
    assert row["episode_length"] == expected.episode_length
