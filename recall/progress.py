"""What a person sees while runs are trained: steps, their rate, and the time that is left."""

import time
from typing import NamedTuple, Self

from tqdm import tqdm

QUIET_SECONDS = 3.0
"""Without a step for so long, the bar says why that may be."""


class Steps(NamedTuple):
    """Environment steps that a training has taken since it last told of them."""

    taken: int = 0
    """Steps of this process."""
    earlier: int = 0
    """Steps that its checkpoint already had, which say nothing of how fast it goes."""

    def plus(self, other: "Steps") -> "Steps":
        """Both together."""
        return Steps(self.taken + other.taken, self.earlier + other.earlier)


class Progress:
    """A progress bar over the environment steps of several trainings."""

    def __init__(self, total: int, title: str, shown: bool = True) -> None:
        self.bar = tqdm(total=total, unit="step", unit_scale=True, desc=title, disable=not shown)
        self.last_step = time.monotonic()

    def add(self, steps: Steps) -> None:
        """Take in steps; call it without any from time to time, so that the clock goes on."""
        if steps.earlier and not self.bar.disable:
            for name in ("n", "initial", "last_print_n"):
                setattr(self.bar, name, getattr(self.bar, name) + steps.earlier)
        if steps.taken:
            self.last_step = time.monotonic()
            self.bar.set_postfix_str("", refresh=False)
            self.bar.update(steps.taken)
            return
        quiet = time.monotonic() - self.last_step
        if quiet > QUIET_SECONDS:
            self.bar.set_postfix_str(f"compiling or evaluating for {quiet:.0f} s", refresh=False)
        self.bar.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()
