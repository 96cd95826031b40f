"""The learner of soft actor-critic: how it acts and values, what stops it, and that it goes on to the bit."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_sac import ACTION, CONFIG, OBS, a_batch, a_learner, some_noise, tensors

import recall.engine
from recall.agents.sac import Batch, gaussian, q_values, sample
from recall.agents.sac_learner import SAC
from recall.errors import ConfigError, NonFiniteError
from recall.seeding import Streams

PLACES = [name for name, _ in tensors(a_learner(updates=0))]
"""Every tensor of a learner."""


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes seconds; that it changes nothing is another file's matter."""
    monkeypatch.setattr(recall.engine, "engine", lambda: "eager")


def test_acting_samples_the_policy() -> None:
    agent = SAC(CONFIG, OBS, ACTION, Streams((0, 1)))
    obs, noise = a_batch().obs, some_noise()[0]
    expected, _ = sample(agent.learner.actor, obs, noise, "float32")
    np.testing.assert_allclose(agent.act(obs.numpy(), noise.numpy()), expected, atol=1e-6)
    mean, _ = gaussian(agent.learner.actor, obs, "float32")
    np.testing.assert_allclose(agent.act(obs.numpy()), mean.tanh(), atol=1e-6)
    np.testing.assert_array_equal(agent.act(obs[1:].numpy(), runs=slice(1, 2)), agent.act(obs.numpy())[1:])


def test_the_value_is_the_lower_critics_at_the_mean() -> None:
    agent = SAC(CONFIG, OBS, ACTION, Streams((0, 1)))
    obs = a_batch().obs
    mean, _ = gaussian(agent.learner.actor, obs, "float32")
    both = q_values(agent.learner.critics, obs, mean.tanh(), "float32")
    assert (both[:, 0] < both[:, 1]).any()
    assert (both[:, 0] > both[:, 1]).any()
    np.testing.assert_allclose(agent.value(obs.numpy()), torch.minimum(both[:, 0], both[:, 1]), atol=1e-5)


def test_learning_changes_everything_it_should() -> None:
    """No part is left out of an update, nor of the search for what is not finite."""
    before, after = dict(tensors(a_learner(updates=0))), dict(tensors(a_learner(updates=1)))
    assert [name for name, value in before.items() if torch.equal(value, after[name])] == []


def with_one_bad_number(place: str, bad: float) -> SAC:
    """An agent after an update, with one entry of one of its tensors replaced."""
    agent = SAC(CONFIG, OBS, ACTION, Streams((0, 1)))
    agent.update(a_batch())
    dict(tensors(agent.learner))[place].view(-1)[-1] = bad
    return agent


@pytest.mark.parametrize("place", PLACES)
def test_a_nan_stops_the_next_update(place: str) -> None:
    agent = with_one_bad_number(place, float("nan"))
    with pytest.raises(NonFiniteError, match=r"^update \w+: .* is NaN or infinite$"):
        agent.update(a_batch(1))


def go_on(agent: SAC) -> None:
    """Update and store."""
    agent.update(a_batch(1))
    agent.state()


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_stored_with_an_infinity(place: str) -> None:
    """A dead unit of a target, or a step divided by infinity, need not show in an update; then the state is refused."""
    with pytest.raises(NonFiniteError, match=r"^update \w+: .* is NaN or infinite$"):
        go_on(with_one_bad_number(place, float("inf")))


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
@pytest.mark.parametrize("part", [*Batch._fields, "imitation"])
def test_so_does_one_in_what_it_learns_from(part: str, bad: float) -> None:
    agent = SAC(CONFIG, OBS, ACTION, Streams((0, 1)))
    agent.update(a_batch())
    batch = a_batch(1)
    (agent._added[0] if part == "imitation" else getattr(batch, part)).view(-1)[-1] = bad
    with pytest.raises(NonFiniteError, match=r"^update 2: .*(loss|gradient).* is NaN or infinite$"):
        agent.update(batch)


def test_a_learner_goes_on_from_its_state_to_the_bit() -> None:
    agent, other = (SAC(CONFIG, OBS, ACTION, Streams((0, 1))) for _ in range(2))
    for step in range(3):
        agent.update(a_batch(step))
    state, streams = deepcopy((agent.state(), agent.streams.state()))
    expected = [agent.update(a_batch(step)) for step in range(3, 6)]
    other.load_state(state)
    other.streams.load_state(streams)
    found = [other.update(a_batch(step)) for step in range(3, 6)]
    np.testing.assert_equal(found, expected)
    for (name, one), (_, two) in zip(tensors(agent.learner), tensors(other.learner), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"tau": 1.5},
        {"discount": 0.0},
        {"batch_size": 0},
        {"buffer_size": -1},
        {"random_steps": -1},
        {"hidden": ()},
        {"hidden": (8, 0)},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"precision": "float16"},
    ],
)
def test_a_setting_outside_its_range_is_refused(wrong: dict) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"{name} .*{value!r}".replace("(", r"\(").replace(")", r"\)")):
        replace(CONFIG, **wrong)
