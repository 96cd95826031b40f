"""Advantages against their definition, step by step, and what an episode's end does to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.returns import gae


@st.composite
def rollouts(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Rewards, values and episode ends of several steps, runs and environments; no step ends in both ways."""
    shape = tuple(draw(st.integers(1, high)) for high in (12, 2, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    end = rng.choice(3, shape, p=draw(st.sampled_from([(1, 0, 0), (0.7, 0.15, 0.15), (0, 0.5, 0.5)])))
    reward, value, next_value = rng.normal(0, 3, (3, *shape))
    next_value[:-1] = np.where(end[:-1] == 0, value[1:], next_value[:-1])  # an episode's next state is the next row's
    return {
        "reward": reward,
        "value": value,
        "next_value": next_value,
        "terminated": end == 1,
        "truncated": end == 2,
    }


def advantage_by_definition(
    rollout: dict[str, np.ndarray], at: tuple[int, int, int], discount: float, gae_lambda: float
) -> float:
    """The exponentially weighted mean of all n-step advantages the rollout allows, written out (Eq. 16)."""
    t, run, env = at
    reward, value, next_value, terminated, truncated = (x[t:, run, env] for x in rollout.values())
    ends = np.flatnonzero(terminated | truncated)
    length = ends[0] + 1 if len(ends) else len(reward)
    total = 0.0
    for n in range(1, length + 1):
        beyond = 0.0 if terminated[n - 1] else next_value[n - 1]
        n_step = sum(discount**i * reward[i] for i in range(n)) + discount**n * beyond - value[0]
        weight = gae_lambda ** (n - 1) * (1 if n == length else 1 - gae_lambda)
        total += weight * n_step
    return total


@settings(max_examples=300, deadline=None)
@given(rollouts(), st.floats(0.1, 1), st.floats(0, 1))
def test_gae_is_the_weighted_mean_of_n_step_advantages(
    rollout: dict[str, np.ndarray], discount: float, gae_lambda: float
) -> None:
    found = gae(**rollout, discount=discount, gae_lambda=gae_lambda)
    for at in np.ndindex(found.shape):
        assert found[at] == pytest.approx(
            advantage_by_definition(rollout, at, discount, gae_lambda), rel=1e-10, abs=1e-10
        )


def episode(terminated: bool, length: int = 4) -> dict[str, np.ndarray]:
    """One episode that pays 1 at its end, all values 5, followed by a step of another that pays 100."""
    last = np.arange(length + 1) == length - 1
    return {
        "reward": np.where(last, 1.0, 0.0) + 100.0 * (np.arange(length + 1) == length),
        "value": np.full(length + 1, 5.0),
        "next_value": np.full(length + 1, 5.0),
        "terminated": last & terminated,
        "truncated": last & (not terminated),
    }


def test_a_terminated_episode_is_worth_its_rewards_alone() -> None:
    found = gae(**episode(terminated=True), discount=0.5, gae_lambda=1.0)
    assert found[:4] + 5 == pytest.approx([1 / 8, 1 / 4, 1 / 2, 1], abs=1e-12)


def test_a_truncated_episode_is_worth_what_would_have_followed_too() -> None:
    found = gae(**episode(terminated=False), discount=0.5, gae_lambda=1.0)
    assert found[:4] + 5 == pytest.approx([(1 + 0.5 * 5) * 0.5**k for k in (3, 2, 1, 0)], abs=1e-12)


@pytest.mark.parametrize("terminated", [True, False])
def test_nothing_flows_back_across_an_episode_end(terminated: bool) -> None:
    rollout, other = episode(terminated), episode(terminated)
    other["reward"][4] = -7.0
    found, changed = (gae(**each, discount=0.9, gae_lambda=0.9) for each in (rollout, other))
    assert np.array_equal(found[:4], changed[:4])
    assert found[4] != changed[4]


def test_lambda_0_is_the_one_step_error() -> None:
    rollout = episode(terminated=True)
    found = gae(**rollout, discount=0.9, gae_lambda=0.0)
    expected = rollout["reward"] + 0.9 * rollout["next_value"] * ~rollout["terminated"] - rollout["value"]
    assert np.array_equal(found, expected)


def test_float32_stays_float32() -> None:
    rollout = {name: x.astype(x.dtype if x.dtype == bool else np.float32) for name, x in episode(True).items()}
    assert gae(**rollout, discount=0.99, gae_lambda=0.95).dtype == np.float32
