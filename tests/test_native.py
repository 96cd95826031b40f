"""Native updates, imitation and values against the readable ones; their library: how it is built, and what if not."""

import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_sac import numbers, tensors
from torch import Tensor

import recall.engine
from recall.agents.sac import Batch, SACConfig
from recall.agents.sac_imitation import Gradient, TracedPairs, eager_gradient, native_gradient
from recall.agents.sac_update import Learner, Update, init_learner, native_update, update_
from recall.agents.sac_value import Value, eager_value, native_value
from recall.engine import Precision
from recall.functional import Layers
from recall.native import build
from recall.seeding import Streams

TINY = torch.finfo(torch.float32).tiny

Case = tuple[Learner, Batch, Tensor, Layers]
"""Arguments of an update."""

SHAPES = [  # runs, batch, obs, action, hidden
    (1, 1, 1, 1, (8,)),
    (3, 7, 17, 1, (8,)),
    (3, 7, 348, 17, (64, 32, 16)),
    (1, 256, 17, 17, (256, 256)),
]


def needed(config: SACConfig) -> None:
    """Skips where there is nothing native."""
    try:
        build.load(config.precision)
    except (RuntimeError, OSError) as error:
        pytest.skip(f"nothing native in {config.precision} here: {error}")


def native(config: SACConfig) -> Update:
    """The native update; skips where there is none."""
    needed(config)
    return native_update(config)


def gradients(config: SACConfig) -> tuple[Gradient, Gradient]:
    """Of Eq. 6: as it reads in float32, and native; skips where there is none."""
    needed(config)
    return eager_gradient(replace(config, precision="float32")), native_gradient(config)


def a_case(config: SACConfig, runs: int, obs: int, action: int) -> Case:
    """A learner after two updates, some actions saturated and a log standard deviation out of range; a batch."""
    size = config.batch_size
    learner = init_learner(config, obs, action, Streams(range(runs)))
    learner.actor[-1][0, 0, 0] += 4
    learner.actor[-1][-1, 0, -1] += 3
    parts = [numbers(runs, size, *dims, seed=seed) for seed, dims in enumerate(((obs,), (action,), (), (obs,), ()))]
    batch = Batch(parts[0], parts[1].tanh(), parts[2], parts[3], (parts[4] > 0.5).float())
    noise = numbers(runs, 2, size, action, seed=5).swapaxes(0, 1)
    imitation = tuple(0.01 * numbers(*layer.mT.shape, seed=6).mT for layer in learner.actor)
    for _ in range(2):
        update_(learner, batch, noise, imitation, replace(config, precision="float32"))
    return learner, batch, noise, imitation


def both(config: SACConfig, case: Case, update: Update) -> tuple[Learner, Tensor, Learner, Tensor]:
    """Learner and metrics after an update of the readable form and of the other."""
    expected, found = deepcopy(case[0]), deepcopy(case[0])
    return expected, update_(expected, *case[1:], config), found, update(found, *case[1:])


def distance(one: Tensor, other: Tensor) -> float:
    """Relative to the other."""
    return float((one - other).norm() / other.norm().clamp_min(TINY))


@pytest.mark.parametrize("temperature", [None, 0.2])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_readable_update(shape: tuple[int, int, int, int, tuple[int, ...]], temperature: float) -> None:
    runs, size, obs, action, hidden = shape
    config = SACConfig(batch_size=size, hidden=hidden, temperature=temperature, precision="float32")
    case = a_case(config, runs, obs, action)
    before = dict(tensors(deepcopy(case[0])))
    expected, metrics, found, found_metrics = both(config, case, native(config))
    torch.testing.assert_close(found_metrics, metrics, rtol=1e-4, atol=1e-6)
    for (name, one), (_, other) in zip(tensors(found), tensors(expected), strict=True):
        if "moments" in name:
            assert distance(one, other) < 1e-4, name
        else:
            assert distance(one - before[name], other - before[name]) < 1e-3, name


def test_in_bfloat16_it_is_nearly() -> None:
    """Gradients, as the first moments keep them."""
    config = SACConfig(batch_size=64, hidden=(64, 32))
    update = native(config)
    expected, metrics, found, found_metrics = both(
        replace(config, precision="float32"), a_case(config, 2, 11, 3), update
    )
    torch.testing.assert_close(found_metrics, metrics, rtol=0.02, atol=0.02)
    for name in ("actor_moments", "critic_moments"):
        for one, other in zip(getattr(found, name).first, getattr(expected, name).first, strict=True):
            assert torch.cosine_similarity(one.flatten(), other.flatten(), 0) > 0.999, name


def test_inputs_are_rounded_where_the_numerics_say_so_alone() -> None:
    """In bfloat16 every loss feels what rounding would take from a state, but for AMX's."""
    config = SACConfig(batch_size=64, hidden=(64,))
    update, (learner, batch, noise, imitation) = native(config), a_case(config, 1, 11, 3)
    rounded = batch._replace(obs=batch.obs.bfloat16().float())
    found = [update(deepcopy(learner), each, noise, imitation) for each in (batch, rounded)]
    assert (found[0][:2] == found[1][:2]).all() if "inputs" in config.numerics else (found[0][:2] != found[1][:2]).all()


PARTS: dict[str, Callable[[Case], Tensor]] = {
    "obs": lambda case: case[1].obs,
    "action": lambda case: case[1].action,
    "reward": lambda case: case[1].reward,
    "next_obs": lambda case: case[1].next_obs,
    "noise": lambda case: case[2],
    "imitation": lambda case: case[3][0],
    "actor": lambda case: case[0].actor[0],
    "critics": lambda case: case[0].critics[-2],
    "targets": lambda case: case[0].targets[0],
}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", PARTS)
def test_what_is_not_finite_reaches_the_metrics(place: str, value: float) -> None:
    """Every one that the readable update reaches; and the next update, of finite numbers, is free of it."""
    config = SACConfig(batch_size=7, hidden=(8, 8), precision="float32")
    update, case = native(config), a_case(config, 2, 3, 2)
    healthy, expected = deepcopy(case), update(deepcopy(case[0]), *case[1:])
    part = PARTS[place](case)
    part[(0,) * part.dim()] = value
    _, metrics, _, found = both(config, case, update)
    assert not found.isfinite().all()
    assert not found.isfinite()[~metrics.isfinite()].any()
    assert torch.equal(update(*healthy), expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_bytes_repeat(precision: Precision) -> None:
    """Whatever other sizes were updated in between."""
    config = SACConfig(batch_size=7, hidden=(8, 24), precision=precision)
    update, case, other = native(config), a_case(config, 3, 5, 2), a_case(config, 1, 40, 3)
    results = []
    for _ in range(2):
        learner = deepcopy(case[0])
        found = [update(learner, *case[1:]) for _ in range(3)]
        results.append([*found, *(tensor for _, tensor in tensors(learner))])
        update(*other)
    assert all(one.equal(other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("flush", [False, True])
def test_denormal_numbers_are_flushed_where_the_thread_does_so(flush: bool) -> None:
    config = SACConfig(batch_size=7, hidden=(8,), precision="float32")
    update, case = native(config), a_case(config, 1, 3, 1)
    learner = case[0]
    learner.critics[1][:] = -100  # no unit wakes, and their weights have no gradient
    learner.critic_moments.first[0][:] = TINY
    torch.set_flush_denormal(flush)
    try:
        update(*case)
    finally:
        torch.set_flush_denormal(False)
    assert bool((learner.critic_moments.first[0] == 0).all()) == flush


def test_other_shapes_are_refused() -> None:
    config = SACConfig(batch_size=7, hidden=(8,), precision="float32")
    update, (learner, batch, noise, imitation) = native(config), a_case(config, 2, 3, 1)
    for wrong in (
        (learner, batch._replace(reward=batch.reward[:, :6]), noise, imitation),
        (learner, batch._replace(obs=batch.obs[:, :, :2]), noise, imitation),
        (learner, batch, noise[:, :1], imitation),
        (learner, batch, noise, imitation[:-1]),
    ):
        with pytest.raises(RuntimeError, match=r"shape|number of layers"):
            update(*wrong)
    assert learner.updates == 2


# Imitation


def some_pairs(runs: int, size: int, obs: int, action: int) -> TracedPairs:
    """Traced pairs, half of them valid, none of them in the last of several runs."""
    valid = numbers(runs, size, seed=9) > 0
    valid[1:][-1:] = False
    return TracedPairs(numbers(runs, size, obs, seed=7), 2 * numbers(runs, size, action, seed=8), valid)


@pytest.mark.parametrize("shape", SHAPES)
def test_imitation_is_the_readable_gradient(shape: tuple[int, int, int, int, tuple[int, ...]]) -> None:
    runs, size, obs, action, hidden = shape
    config = SACConfig(batch_size=size, hidden=hidden, precision="float32")
    readable, fast = gradients(config)
    actor, pairs = a_case(config, runs, obs, action)[0].actor, some_pairs(runs, size, obs, action)
    for one, other in zip(fast(actor, pairs, 0.3), readable(actor, pairs, 0.3), strict=True):
        assert distance(one, other) < 1e-5
        assert (one[1:][-1:] == 0).all()


def test_imitation_in_bfloat16_is_nearly() -> None:
    config = SACConfig(batch_size=64, hidden=(64, 32))
    readable, fast = gradients(config)
    actor, pairs = a_case(config, 1, 11, 3)[0].actor, some_pairs(1, 64, 11, 3)
    for one, other in zip(fast(actor, pairs, 0.3), readable(actor, pairs, 0.3), strict=True):
        assert torch.cosine_similarity(one.flatten(), other.flatten(), 0) > 0.999


@pytest.mark.parametrize("place", ["obs", "x"])
def test_imitation_of_what_is_not_finite_is_not(place: str) -> None:
    """The next gradient, of finite numbers, is free of it."""
    config = SACConfig(hidden=(8, 8), precision="float32")
    _, fast = gradients(config)
    actor, pairs = a_case(config, 1, 3, 2)[0].actor, some_pairs(1, 7, 3, 2)
    expected, wrong = fast(actor, pairs, 0.3), deepcopy(pairs)
    getattr(wrong, place)[pairs.valid] = float("nan")
    assert not all(layer.isfinite().all() for layer in fast(actor, wrong, 0.3))
    assert all(one.equal(other) for one, other in zip(fast(actor, pairs, 0.3), expected, strict=True))


def test_imitation_of_other_shapes_is_refused() -> None:
    config = SACConfig(hidden=(8,), precision="float32")
    _, fast = gradients(config)
    actor, pairs = a_case(config, 2, 3, 1)[0].actor, some_pairs(2, 7, 3, 1)
    for wrong in (
        (actor, pairs._replace(obs=pairs.obs[:, :, :2])),
        (actor, pairs._replace(valid=pairs.valid[:, :6])),
        (actor, pairs._replace(x=pairs.x[:1])),
        (tuple(layer[:1] for layer in actor), pairs),
    ):
        with pytest.raises(RuntimeError, match="shape"):
            fast(*wrong, 0.3)


# Values


def valuers(config: SACConfig) -> tuple[Value, Value]:
    """What a state is worth: as it reads in float32, and native; skips where there is none."""
    needed(config)
    return eager_value(replace(config, precision="float32")), native_value(config)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 255, 256, 257, 1000])
def test_values_are_the_readable_ones(n: int, shape: tuple[int, int, int, int, tuple[int, ...]]) -> None:
    runs, size, obs, action, hidden = shape
    config = SACConfig(batch_size=size, hidden=hidden, precision="float32")
    readable, fast = valuers(config)
    learner, states = a_case(config, runs, obs, action)[0], numbers(runs, n, obs)
    arguments = learner.actor, learner.critics, states
    torch.testing.assert_close(fast(*arguments), readable(*arguments), rtol=1e-4, atol=1e-5)
    assert fast(learner.actor, learner.critics, states[:, :0]).shape == (runs, 0)


def test_values_in_bfloat16_are_nearly() -> None:
    config = SACConfig(batch_size=64, hidden=(64, 32))
    readable, fast = valuers(config)
    learner, states = a_case(config, 1, 11, 3)[0], numbers(1, 500, 11)
    expected = readable(learner.actor, learner.critics, states)
    assert distance(fast(learner.actor, learner.critics, states), expected) < 0.01


def test_a_value_that_is_not_finite_is_its_state_s_alone() -> None:
    config = SACConfig(batch_size=7, hidden=(8,), precision="float32")
    _, fast = valuers(config)
    learner, states = a_case(config, 1, 3, 2)[0], numbers(1, 300, 3)
    expected = fast(learner.actor, learner.critics, states)
    states[0, 280, 1] = float("nan")
    found = fast(learner.actor, learner.critics, states)
    assert (found.isfinite() == (torch.arange(300) != 280)).all()
    assert found[0, :280].equal(expected[0, :280])


# The library

LOAD = "from recall.native.build import load; load('float32'); print('loaded')"

ENGINE = """
import recall.engine
from recall.agents.sac import SACConfig

recall.engine.engine = lambda: "compiled"
for _ in range(2):
    print(SACConfig(precision="float32").numerics["engine"])
"""

COMPILER = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
head -c 1000 {built} > "$2"
{then}
cp {built} "$2"
"""
"""Takes its time, and gives what was built before."""


def compiler(path: Path, then: str) -> str:
    """A compiler that does something half-way."""
    native(SACConfig(precision="float32"))
    path.write_text(COMPILER.format(built=build._library(), then=then))
    path.chmod(0o755)
    return str(path)


def start(root: Path, code: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code]
    return subprocess.Popen(
        command, cwd=root, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_build_at_once_and_after_one_was_killed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    cache = {"TORCH_EXTENSIONS_DIR": str(tmp_path / "cache")}
    killed = start(root, LOAD, **cache, CXX=compiler(tmp_path / "kills", "kill -9 $PPID"))
    assert killed.communicate(timeout=60)[0] == ""
    assert list(tmp_path.glob("cache/*/*.so")) == []
    slow = compiler(tmp_path / "sleeps", "sleep 2")
    for process in [start(root, LOAD, **cache, CXX=slow) for _ in range(2)]:
        output, error = process.communicate(timeout=60)
        assert output == "loaded\n", error
    assert len(list(tmp_path.glob("cache/*/*.so"))) == 1
    output, error = start(root, LOAD, **cache, CXX=str(tmp_path / "missing")).communicate(timeout=60)
    assert output == "loaded\n", error


def test_without_a_compiler_it_trains_compiled_and_says_so_once(root: Path, tmp_path: Path) -> None:
    without = {"CXX": str(tmp_path / "missing"), "TORCH_EXTENSIONS_DIR": str(tmp_path)}
    output, error = start(root, ENGINE, **without).communicate(timeout=60)
    assert output == "compiled\ncompiled\n"
    (notice,) = error.splitlines()
    assert notice.startswith("recall: the native update does not work here, so soft actor-critics train compiled and")
    assert "missing" in notice


def test_without_bfloat16_it_is_said_that_float32_is_faster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(precision: str) -> None:
        if precision == "bfloat16":
            raise RuntimeError("this processor has no products in bfloat16\nStack of torch")

    monkeypatch.setattr(recall.engine, "load", load)
    native = recall.engine._native.__wrapped__
    assert native("float32")
    assert not native("bfloat16")
    (notice,) = capsys.readouterr().err.splitlines()
    assert "than with precision=float32" in notice
    assert notice.endswith("(this processor has no products in bfloat16)")


def test_a_failed_build_names_the_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-include", "absent.h"))
    with pytest.raises(RuntimeError, match=r"error: absent\.h"):
        build._build(tmp_path / "cache" / "library.so")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_another_processor_has_a_library_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As other flags and sources have."""
    here = build._library()
    assert here == build._library()
    monkeypatch.setattr(build, "_processor", lambda: "another")
    assert build._library() != here
