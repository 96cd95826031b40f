"""Recall traces beside an agent of one's own: what goes in, what comes out, and that it leads where it should."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recall.categorical_model import CategoricalModel
from recall.continuous_recaller import ContinuousRecallConfig
from recall.errors import ConfigError, NonFiniteError
from recall.gaussian_model import Pairs, predict_action
from recall.recall_traces import RecallTraces
from recall.seeding import Streams

SMALL = ContinuousRecallConfig(length=5, n_traces=16, model_updates=200, action_std=0.1)
STEP = 0.1


def corridor(n: int = 2000, discrete: bool = False) -> dict[str, np.ndarray]:
    """Random steps to the left or right in a corridor from -1 to 1; the second coordinate is noise."""
    rng = np.random.default_rng(0)
    obs = rng.uniform(-1, 1, (n, 2))
    index = rng.integers(0, 2, n)
    move = 2 * index[:, None] - 1.0
    next_obs = np.concatenate([np.clip(obs[:, :1] + STEP * move, -1, 1), rng.uniform(-1, 1, (n, 1))], 1)
    reward = (next_obs[:, 0] > 0.95).astype(float)
    action = index if discrete else move
    return {"obs": obs, "action": action, "reward": reward, "next_obs": next_obs, "terminated": np.zeros(n, bool)}


def right_end(obs: np.ndarray) -> np.ndarray:
    """A critic that likes to be on the right."""
    return obs[:, 0]


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("value", [right_end, None])
def test_traces_tell_how_to_get_to_what_is_valuable(discrete: bool, value: Any) -> None:
    """To the right, whether a critic or the reward says so; short of the end, half of the ways come from beyond."""
    recall = RecallTraces(2, **({"n_actions": 2} if discrete else {"action_dim": 1}), config=SMALL)
    recall.observe(**corridor(discrete=discrete))
    metrics = recall.update(value)
    obs, action = recall.batch(500)
    assert obs.shape == (500, 2)
    to_the_right = action == 1 if discrete else action[:, 0] > 0
    assert to_the_right.mean() > 0.7
    assert obs[:, 0].mean() > 0.4
    assert metrics["trace_length"] > 1


def test_before_anything_is_recalled_there_is_nothing_to_imitate() -> None:
    recall = RecallTraces(3, n_actions=4)
    obs, action = recall.batch(8)
    assert (obs.shape, action.shape, action.dtype) == ((0, 3), (0,), np.int64)
    assert RecallTraces(3, 2).batch(8)[1].shape == (0, 2)
    with pytest.raises(ConfigError, match="nothing was observed yet"):
        recall.update()


def test_it_goes_on_where_it_stopped() -> None:
    one, other = (RecallTraces(2, n_actions=2, config=SMALL, seed=3) for _ in range(2))
    one.observe(**corridor(300, discrete=True))
    one.update(right_end)
    held = one.state()
    assert pickle.dumps(held)
    one.load_state(held)
    other.load_state(held)
    for _ in range(2):
        assert one.update(right_end) == other.update(right_end)
        for a, b in zip(one.batch(9), other.batch(9), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"obs": np.zeros((4, 3))}, r"obs has shape \(4, 3\); it must be \(4, 2\)"),
        ({"action": np.zeros((4, 1))}, r"action has shape \(4, 1\); it must be \(4,\)"),
        ({"action": np.full(4, 2)}, "there is an action 2; they must be 0 to 1"),
        ({"action": np.array([0, 1, -1, 1])}, "there is an action -1; they must be 0 to 1"),
        ({"action": np.array([0, 1, 0.7, 1])}, "there is an action 0.7; they must be 0 to 1"),
        ({"obs": np.full((4, 2), np.nan)}, "obs has NaN or infinite numbers"),
        ({"obs": np.zeros(2)}, r"obs has shape \(2,\); it must be \(2, 2\); for a single transition give obs\[None\]"),
        ({"reward": np.zeros((4, 1))}, r"reward has shape \(4, 1\); it must be \(4,\)"),
        ({"terminated": np.zeros(3)}, r"terminated has shape \(3,\); it must be \(4,\)"),
    ],
)
def test_transitions_of_other_shapes_are_refused(change: dict[str, np.ndarray], sentence: str) -> None:
    recall = RecallTraces(2, n_actions=2)
    with pytest.raises(ConfigError, match=sentence):
        recall.observe(**(corridor(4, discrete=True) | change))
    assert len(recall.replay) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"obs_dim": 2}, "neither is given: action_dim is for actions that are vectors, n_actions for a choice"),
        ({"obs_dim": 2, "action_dim": 1, "n_actions": 2}, "both are given"),
        ({"obs_dim": 0, "action_dim": 1}, "obs_dim is 0; it must be 1 or more"),
        ({"obs_dim": 2, "n_actions": 2, "capacity": 0}, "capacity is 0; it must be 1 or more"),
        ({"obs_dim": 2, "n_actions": 2, "seed": -1}, "seed is -1; it must be 0 or more"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(arguments: dict[str, int], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        RecallTraces(**arguments)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_critic_of_another_shape_or_without_a_number_is_named() -> None:
    recall = RecallTraces(2, n_actions=2, config=SMALL)
    recall.observe(**corridor(100, discrete=True))
    with pytest.raises(ConfigError, match=r"value gave shape \(50,\) for 100 states; it must be \(100,\)"):
        recall.update(lambda obs: obs[:50, 0])
    far = 3e38 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    recall.observe(**(corridor(2, discrete=True) | {"obs": far, "next_obs": -far}))
    with pytest.raises(NonFiniteError, match="is NaN or infinite"):
        recall.update(right_end)


# The categorical model


def batch(rng: np.random.Generator, n_actions: int, n: int = 32) -> tuple[Pairs, np.ndarray]:
    """Transitions with one-hot actions, and their indices."""
    index = rng.integers(0, n_actions, (1, n))
    arrays = rng.standard_normal((1, n, 3)), np.eye(n_actions)[index], rng.standard_normal((1, n, 3))
    return Pairs(*(torch.from_numpy(each.astype(np.float32)) for each in arrays)), index


@given(st.integers(2, 6), st.integers(0, 100))
def test_actions_are_learned_by_cross_entropy(n_actions: int, seed: int) -> None:
    model = CategoricalModel(3, n_actions, 1e-3, Streams((seed,)))
    pairs, index = batch(np.random.default_rng(seed), n_actions)
    logits = predict_action(model.networks, pairs.next_obs)[0]
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(index[0]))
    assert -model.log_likelihood(pairs)[0][0] == pytest.approx(expected.item(), rel=1e-4)


def test_it_learns_which_action_led_where() -> None:
    model = CategoricalModel(3, 3, 1e-2, Streams((0,)))
    pairs, index = batch(np.random.default_rng(0), 3, 256)
    where = torch.from_numpy(np.eye(3, dtype=np.float32)[index])
    first = model.learn(Pairs(where, *pairs[1:]))[0, 0]
    for _ in range(200):
        last = model.learn(Pairs(where, *pairs[1:]))[0, 0]
    assert last < 0.05 < 0.5 < first


def test_actions_are_drawn_as_often_as_they_are_likely() -> None:
    model = CategoricalModel(3, 4, 1e-3, Streams((0,)))
    next_obs = np.repeat(np.array([[[2.0, -1.0, 0.5]]], np.float32), 20_000, 1)
    noise = np.random.default_rng(0).standard_normal((1, 20_000, 7)).astype(np.float32)
    action, before = model.step_back(next_obs, 0.0, noise)
    likely = predict_action(model.networks, torch.from_numpy(next_obs[:, :1])).softmax(2)[0, 0].numpy()
    np.testing.assert_allclose(action[0].mean(0), likely, atol=0.015)
    assert (action.sum(2) == 1).all()
    assert before.shape == (1, 20_000, 3)


def test_values_with_gradients_are_refused_with_what_is_asked_for() -> None:
    recall = RecallTraces(2, n_actions=2, config=SMALL)
    recall.observe(**corridor(300, discrete=True))
    critic = torch.nn.Linear(2, 1)
    for value in (critic, lambda obs: critic(torch.as_tensor(obs))[:, 0]):
        with pytest.raises(ConfigError, match=r"value failed: .*; it is given a NumPy array .* without gradients"):
            recall.update(value)
