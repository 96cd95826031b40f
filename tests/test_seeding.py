"""Streams of random numbers: apart from each other, the same in every group, and back where they were."""

import json

import numpy as np
import pytest

from recall.seeding import STREAMS, Streams


def test_a_seed_draws_the_same_numbers_in_every_group() -> None:
    alone, group = Streams([7]), Streams([3, 7, 100])
    for name in STREAMS:
        assert np.array_equal(alone.uniform(name, 5, 2)[0], group.uniform(name, 5, 2)[1])


def test_all_streams_of_all_seeds_differ() -> None:
    streams = Streams(range(10))
    first = np.concatenate([streams.uniform(name, 4) for name in STREAMS])
    assert len(np.unique(first, axis=0)) == 10 * len(STREAMS)


def test_drawing_from_a_stream_moves_no_other() -> None:
    quiet, busy = Streams([1]), Streams([1])
    busy.uniform("traces", 1000)
    busy["model"][0].standard_normal(99)
    for name in set(STREAMS) - {"traces", "model"}:
        assert np.array_equal(quiet.uniform(name, 3), busy.uniform(name, 3))


def test_streams_are_the_children_of_the_seeds_sequence() -> None:
    children = np.random.SeedSequence(42).spawn(len(STREAMS))
    for name, child in zip(STREAMS, children, strict=True):
        expected = np.random.default_rng(child).random(3, np.float32)
        assert np.array_equal(Streams([42]).uniform(name, 3)[0], expected)


def test_uniform_numbers_lie_in_0_to_below_1() -> None:
    numbers = Streams([0, 1]).uniform("policy", 1000, 50)
    assert numbers.dtype == np.float32
    assert numbers.shape == (2, 1000, 50)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.01)


def test_a_state_survives_json_and_goes_on_from_there() -> None:
    streams = Streams([5, 6])
    streams.uniform("env", 7)
    saved = json.loads(json.dumps(streams.state()))
    expected = {name: streams.uniform(name, 9) for name in STREAMS}
    other = Streams([5, 6])
    other.load_state(saved)
    for name in STREAMS:
        assert np.array_equal(other.uniform(name, 9), expected[name])


def test_large_seeds_are_no_smaller_ones() -> None:
    numbers = Streams([0, 2**32 - 1]).uniform("init", 8)
    assert not np.array_equal(numbers[0], numbers[1])
