"""What every training has in common: its clocks, its state on disk, its result."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from recall.checkpoints import State
from recall.errors import CheckpointError
from recall.logbook import Logbook, Stopwatch
from recall.runs import Result, RunSpec, spec_json
from recall.seeding import Streams

PHASES = ("environment", "recall", "learner", "evaluation")
"""Where the seconds of a training go."""


class Training(ABC):
    """One group of seeds of one specification, from the first step to the last."""

    parts: ClassVar[tuple[str, ...]]
    """Attributes that change while training and keep their own state."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.streams = Streams(spec.seeds)
        self.log = Logbook(spec.seeds)
        self.update = 0
        self.seconds = dict.fromkeys(PHASES, 0.0)

    @abstractmethod
    def step(self) -> None:
        """One iteration of Algorithm 2: act, recall, update, and evaluate when it is time."""

    @property
    def warm_up(self) -> int:
        """Updates, as `update` counts them, that only gather data."""
        return 0

    def audited(self, updates: int) -> int:
        """Where, as `update` counts, an audit ends that repeats so many updates of the learner."""
        return self.warm_up + updates

    @property
    def steps(self) -> int:
        """Environment steps of each seed so far."""
        return self.update * self.spec.agent.steps_per_update

    @property
    def evaluation_due(self) -> bool:
        """Whether this update ends with an evaluation."""
        return self.update % self.spec.eval_every == 0 or self.update == self.spec.n_updates

    @property
    def layers(self) -> Sequence[np.ndarray]:
        """What the policies act by, (runs, ...) each, where a record keeps it."""
        return ()

    def clock(self, phase: str) -> Stopwatch:
        """Adds the seconds of a block to a phase."""
        return Stopwatch(self.seconds, phase)

    def _parts(self) -> dict[str, Any]:
        return {name: part for name in self.parts if (part := getattr(self, name)) is not None}

    def state(self) -> State:
        """The training as it stands, for a checkpoint."""
        parts = {name: part.state() for name, part in self._parts().items()}
        return {
            "key": self.spec.key,
            "spec": spec_json(self.spec),
            "update": self.update,
            "steps": self.steps,
            "seconds": dict(self.seconds),
            **parts,
        }

    def load_state(self, state: State) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: it is of another specification or another version of the package, or its environment does
                not return to where it was.
        """
        if state.get("key") != self.spec.key:
            raise CheckpointError(f"the checkpoint is of run {state.get('key')}; this run is {self.spec.key}")
        try:
            self.update, self.seconds = state["update"], state["seconds"]
            for name, part in self._parts().items():
                part.load_state(state[name])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the checkpoint does not fit this version of recall ({error!r})") from error

    @property
    def threads(self) -> int:
        """With how many it trains."""
        return torch.get_num_threads()

    def tables(self) -> dict[str, pd.DataFrame]:
        """The record's tables."""
        return self.log.tables()

    def result(self) -> Result:
        """What a finished training gives."""
        timing = pd.DataFrame({"phase": self.seconds.keys(), "seconds": self.seconds.values()})
        contiguous = map(np.ascontiguousarray, self.layers)  # safetensors stores other arrays wrongly
        policy = {f"actor.{index}": layer for index, layer in enumerate(contiguous)}
        return Result(self.tables(), timing, self.threads, policy)
