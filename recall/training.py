"""Train a specification to its end, through kills and full disks."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from recall.checkpoints import Checkpoint, scratch_folder
from recall.errors import CheckpointError, TrainingStoppedError
from recall.identity import settings_key
from recall.kinds import KINDS
from recall.loop import Training
from recall.runs import Result, RunSpec, numerics

CHECKPOINT_SECONDS = 20
"""Between two saves of a training's state: what a kill may cost, or an update where that takes longer."""


def train_as_always() -> None:
    """Set this process to train on one thread and to flush denormal numbers, as all that train records do."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def checkpoint_of(spec: RunSpec) -> Path:
    """Where an unfinished training waits: the same settings and numerics go on from it."""
    return scratch_folder() / f"{spec.key}-{settings_key(numerics(spec))}.checkpoint"


def begin(spec: RunSpec) -> Training:
    """A training before its first step."""
    return KINDS[spec.agent.name].training(spec)


def steps_of(spec: RunSpec) -> int:
    """Environment steps of all its seeds."""
    return spec.n_updates * spec.agent.steps_per_update * len(spec.seeds)


def train(
    spec: RunSpec,
    checkpoint: Path | None = None,
    on_update: Callable[[Training], object] = lambda training: None,
) -> Result:
    """Train a specification to its end, from its checkpoint if there is one.

    Args:
        spec: what to train.
        checkpoint: folder that keeps the state at most `CHECKPOINT_SECONDS` or an update behind; None keeps none. It
            outlives the training, for the caller to remove once the result is safe. One that is damaged or of another
            run is left unread, with a notice.
        on_update: called after every update; what it raises ends the training, and the checkpoint stays. If it is
            TrainingStoppedError, the checkpoint is brought up to date first.

    Raises:
        CheckpointError: the state cannot be written; the earlier ones stay.
        NonFiniteError: a number of the training is NaN or infinite; the checkpoint before it stays.
    """
    if checkpoint is None:
        return _to_the_end(begin(spec), lambda state: None, on_update)
    training, kept = _resumed(spec, checkpoint)
    return _to_the_end(training, kept.save, on_update)


def _resumed(spec: RunSpec, folder: Path) -> tuple[Training, Checkpoint]:
    """The training where its checkpoint has it, or at its beginning with a checkpoint that replaces the refused one."""
    training, kept = begin(spec), Checkpoint(folder)
    try:
        state = kept.load(_notice)
        if state is not None:
            training.load_state(state)
    except CheckpointError as error:
        _notice(f"{error}; {spec.folder} starts again from its beginning")
        return begin(spec), Checkpoint(folder)
    return training, kept


def _notice(sentence: str) -> None:
    print(f"recall: {sentence}", file=sys.stderr)


def _to_the_end(training: Training, save: Callable[[dict], object], on_update: Callable[[Training], object]) -> Result:
    saved = time.monotonic()
    try:
        while training.update < training.spec.n_updates:
            training.step()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                save(training.state())
                saved = time.monotonic()
            on_update(training)
    except TrainingStoppedError:
        save(training.state())
        raise
    save(training.state())  # whoever is killed before the record is stored has nothing to train again
    return training.result()
