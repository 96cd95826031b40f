"""The model's units: there and back, at the bounds of actions, and where the data has been."""

import numpy as np
import pytest
from scipy.stats import norm
from small_control import filled

from recall.replay import ReplayBuffer
from recall.units import ACTION_LIMIT, RANGE_SLACK, Units


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("pre_tanh", [True, False])
@pytest.mark.parametrize("predict_change", [True, False])
def test_units_there_and_back(normalise: bool, pre_tanh: bool, predict_change: bool) -> None:
    replay, units = filled(), Units(2, 2, normalise, pre_tanh, predict_change)
    found = replay.take(np.arange(200)[None].repeat(2, 0))
    units.take_note(found)
    pairs = units.pairs(found)
    assert units.before(pairs.before.numpy(), found.next_obs) == pytest.approx(found.obs, abs=1e-6)
    action = np.clip(found.action, -np.tanh(ACTION_LIMIT), np.tanh(ACTION_LIMIT))
    assert np.tanh(units.drawn(pairs.action.numpy())) == pytest.approx(action, abs=1e-6)
    assert np.array_equal(pairs.next_obs.numpy(), units.state(found.next_obs))
    state = units.obs.mean[:, None] + units.obs.std[:, None] * pairs.next_obs.numpy()
    assert (state if normalise else pairs.next_obs.numpy()) == pytest.approx(found.next_obs, abs=1e-6)
    if normalise:
        for each in (pairs.next_obs, pairs.before) if predict_change else (pairs.next_obs,):
            assert each.mean(1).numpy() == pytest.approx(np.zeros((2, 2)), abs=1e-5)
            assert each.std(1, correction=0).numpy() == pytest.approx(np.ones((2, 2)), abs=1e-5)
    assert pairs.action.numpy() == pytest.approx(np.arctanh(action) if pre_tanh else action, abs=1e-6)


@pytest.mark.parametrize("predict_change", [True, False])
def test_likelihoods_in_different_units_are_one_number_in_those_of_the_environment(predict_change: bool) -> None:
    """The density of a standard normal over what is predicted, by the change of variables."""
    replay, units = filled(), Units(2, 2, True, True, predict_change)
    found = replay.take(np.arange(200)[None].repeat(2, 0))
    units.take_note(found)
    before = units.pairs(found).before.double().numpy()
    nll = (0.5 * before**2 + 0.5 * np.log(2 * np.pi)).sum(2)
    moments, raw = (units.delta, found.obs - found.next_obs) if predict_change else (units.obs, found.obs)
    log_prob = norm(moments.mean[:, None], moments.std[:, None]).logpdf(raw).sum(2)
    assert nll + units.nats[:, None] == pytest.approx(-log_prob, abs=1e-4)
    assert Units(2, 2, False, True, predict_change).nats.tolist() == [0, 0]


def test_actions_at_the_bounds_stay_finite() -> None:
    replay = ReplayBuffer(3, 1, 2, 1)
    for action in (-1.0, 1.0, 0.5):
        replay.add(np.zeros((1, 2)), np.array([[action]]), np.zeros(1), np.ones((1, 2)), np.zeros(1))
    for pre_tanh, limit in ((True, ACTION_LIMIT), (False, np.tanh(ACTION_LIMIT))):
        units = Units(1, 2, normalise=False, pre_tanh=pre_tanh)
        actions = units.pairs(replay.take(np.arange(3)[None])).action[0, :, 0].numpy()
        assert actions[:2] == pytest.approx([-limit, limit])
        assert actions[2] == pytest.approx(np.arctanh(0.5) if pre_tanh else 0.5)
        x = units.drawn(np.array([[[-9.0], [9.0], [0.3]]], np.float32))[0, :, 0]
        assert x == pytest.approx([-ACTION_LIMIT, ACTION_LIMIT, 0.3 if pre_tanh else np.arctanh(0.3)])


def test_the_range_is_that_of_the_data_and_a_little_more() -> None:
    replay, units = filled(), Units(2, 2, normalise=True, pre_tanh=True)
    found = replay.take(np.arange(200)[None].repeat(2, 0))
    units.take_note(found)
    low, high = found.next_obs.min(1), found.next_obs.max(1)
    for run, dim in np.ndindex(2, 2):
        width = high[run, dim] - low[run, dim]
        for share, inside in ((RANGE_SLACK - 1e-3, True), (RANGE_SLACK + 1e-3, False)):
            for edge in (low[run, dim] - share * width, high[run, dim] + share * width):
                state = found.next_obs[:, :1].copy()
                state[run, 0, dim] = edge
                assert units.in_range(state)[run, 0] == inside
                assert units.in_range(state)[1 - run, 0]
