"""The fast path is soft actor-critic: 1,000 real updates of it beside the plain one's, in the shapes of five tasks.

A short training gathers the buffer and brings the networks where real ones are: with units that are dead, actions that
are saturated, and moments that are denormal numbers. From there the plain form (modules, autograd, torch's Adam, in
float32) makes 1,000 updates, and the compiled and the native update make them on the same batches with the same noise,
each in two ways:

* *led*: every update of the fast path starts where the plain one stands, moments included, and its changes are added
  up. This is asserted: each layer's change has a cosine of at least 0.999 (critics) and 0.99 (actor) with the plain
  one's.
* *free*: the fast path goes on from its own last update, for the first 30. Later nothing could pass: updates are
  chaotic, and two paths that differ by the rounding of float32 alone are at a cosine of about 0.94 after 1,000.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pytest
import torch
from plain_sac import PlainSAC, hand_over, plain
from torch import Tensor

from recall.agents.sac import Batch, SACConfig, sample
from recall.agents.sac_learner import transitions
from recall.agents.sac_update import Learner, Update, eager_update, native_update
from recall.engine import Precision, compiled, update_engine
from recall.envs.gym_env import GymConfig
from recall.functional import Layers
from recall.off_policy import OffPolicyTraining
from recall.runs import RunSpec

pytestmark = pytest.mark.slow

ENVIRONMENTS = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5")
STEPS, RANDOM_STEPS = 4_000, 1_000
"""Of the training that gathers the buffer."""
UPDATES, BEGINNING = 1_000, 30
PRECISIONS: tuple[Precision, ...] = ("bfloat16", "float32")
ENGINES = ("compiled", "native")
LEAST = {"critic": 0.999, "actor": 0.99}
"""Cosines of the parameter change by layer."""
TINY = torch.finfo(torch.float32).tiny


def trained(env_id: str) -> OffPolicyTraining:
    """After a short training, denormal numbers as they come; one action at its bound, as later on."""
    agent = SACConfig(random_steps=RANDOM_STEPS)
    training = OffPolicyTraining(RunSpec("sac", "x", "x", GymConfig(env_id), agent, None, (0,), STEPS, STEPS))
    while training.update < STEPS - 1:
        training.step()
    training.agent.learner.actor[-1][0, 0, 0] += 3
    return training


def networks(learner: Learner) -> dict[str, Layers]:
    return {"actor": learner.actor, "critic": learner.critics}


def per_layer(layers: Layers) -> Iterator[Tensor]:
    """Weights and biases of each layer of each network together, flat."""
    for weight, bias in zip(layers[::2], layers[1::2], strict=True):
        yield from (torch.cat([w.flatten(), b.flatten()]) for w, b in zip(weight, bias, strict=True))


def difference(after: Learner, before: Learner) -> dict[str, list[Tensor]]:
    """What changed, by network and layer."""
    return {
        name: [new - old for new, old in zip(per_layer(layers), per_layer(networks(before)[name]), strict=True)]
        for name, layers in networks(after).items()
    }


def cosines(one: dict[str, list[Tensor]], other: dict[str, list[Tensor]]) -> dict[str, float]:
    """The lowest of each network's layers."""
    return {
        name: min(
            float(torch.cosine_similarity(a.double(), b.double(), 0))
            for a, b in zip(one[name], other[name], strict=True)
        )
        for name in one
    }


Form = tuple[str, Precision]
"""Engine and precision of a fast path."""

Found = dict[tuple[Form, str, int], dict[str, float]]
"""Cosines by form, reading and number of updates."""


@dataclass
class Path:
    """The fast path in one form."""

    update: Update
    led: Learner
    free: Learner
    changed: dict[str, list[Tensor]] = field(default_factory=dict)
    """Of the led one, added up."""


def fast(form: Form, learner: Learner) -> Path:
    """From where a learner stands."""
    engine, precision = form
    config = SACConfig(precision=precision)
    update = native_update(config) if engine == "native" else compiled(eager_update(config))
    return Path(update, deepcopy(learner), deepcopy(learner))


def forms() -> list[Form]:
    """Those that work here."""
    return [
        (engine, precision)
        for engine, precision in product(ENGINES, PRECISIONS)
        if engine == "compiled" or update_engine(precision) == "native"
    ]


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def training(request: pytest.FixtureRequest) -> OffPolicyTraining:
    return trained(request.param)


@pytest.fixture(scope="module")
def found(training: OffPolicyTraining) -> Found:
    """What both readings give after the beginning and after all updates."""
    start = deepcopy(training.agent.learner)
    reference = plain(start, 0, training.envs.obs_dim, training.envs.action_dim, training.config)
    paths = {form: fast(form, start) for form in forms()}
    result: Found = {}
    for count in range(1, UPDATES + 1):
        batch = training._batch()
        noise = torch.from_numpy(training.streams.normal("noise", 2, *batch.action.shape[1:]).swapaxes(0, 1))
        for path in paths.values():
            follow(path, reference, batch, noise, free=count <= BEGINNING)
        reference.update(tuple(part[0] for part in batch), noise[:, 0])
        if count in (BEGINNING, UPDATES):
            now = deepcopy(start)
            hand_over(reference, now, 0)
            expected = difference(now, start)
            for form, path in paths.items():
                result[form, "led", count] = cosines(path.changed, expected)
                if count == BEGINNING:
                    result[form, "free", count] = cosines(difference(path.free, start), expected)
    print(training.spec.env.env_id, *(f"{key}: {value}" for key, value in result.items()), sep="\n")
    return result


def follow(path: Path, reference: PlainSAC, batch: Batch, noise: Tensor, free: bool) -> None:
    """The fast path's next update, led and perhaps free; denormal numbers are flushed, as in training."""
    nothing = tuple(torch.zeros_like(layer) for layer in path.led.actor)
    hand_over(reference, path.led, 0)
    before = deepcopy(path.led)
    torch.set_flush_denormal(True)
    for learner in (path.led, path.free) if free else (path.led,):
        path.update(learner, batch, noise, nothing)
    torch.set_flush_denormal(False)
    step = difference(path.led, before)
    sums = path.changed or {name: [torch.zeros_like(layer) for layer in layers] for name, layers in step.items()}
    path.changed = {name: [a + b for a, b in zip(sums[name], step[name], strict=True)] for name in step}


def test_the_start_is_as_hard_as_real_ones_are(training: OffPolicyTraining) -> None:
    """Units that no state of the buffer wakes, actions at their bounds, moments that are denormal."""
    learner = training.agent.learner
    batch = transitions(training.replay.take(np.arange(STEPS - 1)[None]))
    layers = {"actor": learner.actor, "critic": learner.critics[:4]}
    for name, x in (("actor", batch.obs), ("critic", torch.cat([batch.obs, batch.action], 2).expand(2, -1, -1))):
        w1, b1, w2, b2 = layers[name][:4]
        units = torch.relu(torch.bmm(torch.relu(torch.bmm(x, w1) + b1), w2) + b2)
        assert (units == 0).all(1).any(), f"no unit of the {name} is dead"
    action, _ = sample(
        learner.actor, batch.obs, torch.randn(batch.action.shape, generator=torch.Generator().manual_seed(0)), "float32"
    )
    assert (action.abs() > 0.999).float().mean() > 0.01, "too few actions are saturated"
    for moments in (learner.actor_moments, learner.critic_moments):
        assert any(((layer != 0) & (layer.abs() < TINY)).any() for layer in moments.first), "no moment is denormal"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_layer_changes_as_in_the_plain_form(found: Found, engine: str, precision: Precision) -> None:
    led = measured(found, (engine, precision), "led", UPDATES)
    assert all(led[name] >= LEAST[name] for name in LEAST), found


@pytest.mark.parametrize("engine", ENGINES)
def test_in_float32_it_is_the_same_but_for_rounding(found: Found, engine: str) -> None:
    """Led always, and free at its beginning."""
    for reading, count in (("led", UPDATES), ("free", BEGINNING)):
        assert min(measured(found, (engine, "float32"), reading, count).values()) > 0.9999, found


def measured(found: Found, form: Form, reading: str, count: int) -> dict[str, float]:
    """The cosines; skips where the form does not work."""
    if (form, reading, count) not in found:
        pytest.skip(f"the native update does not work here in {form[1]}")
    return found[form, reading, count]
