"""Where recall traces helped and where they hurt: every comparison with a baseline that is stored, by kind of task."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from recall.analysis.cards import Html, cards_of
from recall.analysis.gain_plots import time_shares
from recall.analysis.gains import GAIN, MEAN, SCORES, gains
from recall.analysis.panels import listed
from recall.analysis.records import Record, tidy
from recall.analysis.rules import MIN_SEEDS
from recall.analysis.stats import Interval
from recall.analysis.style import environment_name
from recall.analysis.wording import percentage


class Kind(NamedTuple):
    """An agent in tasks of one kind."""

    name: str
    """For people."""
    reward: str
    """When there is some."""
    pages: tuple[str, ...]
    """Pages whose records show it."""
    arm: str
    """The arm with recall traces as they were meant to be, held against *baseline*."""
    column: str
    """Of its metrics, what is compared."""


KINDS = (
    Kind("actor-critic, four rooms", "at the goal alone", ("four-rooms",), "learned", "success"),
    Kind("Goal GAN, point masses", "at the goal alone", ("goal-gan",), "recall", "coverage"),
    Kind("Goal GAN, an ant", "at the goal alone", ("ant-maze",), "recall", "coverage"),
    Kind("SAC, MuJoCo", "at every step", ("sac", "baselines"), "recall", "return"),
    Kind("TRPO, MuJoCo", "at every step", ("trpo",), "recall", "return"),
)
"""All that the report knows. One without records is left out."""

HELPED, HURT, OPEN, FEW = "helped", "hurt", "not shown", "few seeds"
"""What a comparison says: its whole interval lies above 0, below, neither, or has fewer seeds than a verdict needs."""

ADVICE = {
    (True, False): "worth a try",
    (True, True): "depends on the task",
    (False, True): "leave it",
    (False, False): "nothing shown either way",
}
"""By whether it helped anywhere, and hurt anywhere."""


class Tried(NamedTuple):
    """A kind of task with its records."""

    kind: Kind
    records: Sequence[Record]

    @property
    def compared(self) -> pd.DataFrame:
        """Differences in the mean over training, a row a task: `GAIN`, the kind as endpoint, and `finding`."""
        metrics = tidy(self.records)
        measured = metrics.assign(**{"return": metrics[self.kind.column]})
        found = gains(measured, [self.kind.arm])
        of_tasks = (found["endpoint"] == next(iter(SCORES))) & (found["env"] != MEAN)  # no mean: some tasks are near 0
        found = found[of_tasks].assign(endpoint=self.kind.name)
        return found.assign(finding=[finding(Interval(r.estimate, r.low, r.high), r.seeds) for r in found.itertuples()])

    @property
    def trace_steps(self) -> str:
        """Steps after which a trace ended, means over training of the environment with the shortest and the longest."""
        recalling = [record for record in self.records if record.labels["arm"] == self.kind.arm]
        lengths = tidy(recalling, "recall").groupby("env")["trace_length"].mean()
        asked = sorted({record.settings["recall"]["length"] for record in recalling})
        reached = dict.fromkeys(f"{end:.2g}" for end in (lengths.min(), lengths.max()))
        return f"{' to '.join(reached)} of {' to '.join(dict.fromkeys((str(asked[0]), str(asked[-1]))))}"

    @property
    def time(self) -> str:
        """Recall's share of the training's time, mean over environments."""
        shares = time_shares(tidy(self.records, "timing"))
        share = shares[shares["arm"] == self.kind.arm].groupby("env")["share"].mean().mean()
        return f"{100 * share:.0f} %"


def finding(difference: Interval, seeds: int) -> str:
    """What an interval says."""
    if seeds < MIN_SEEDS:
        return FEW
    if difference.low > 0:
        return HELPED
    return HURT if difference.high < 0 else OPEN


def tried(records: Iterable[Record]) -> list[Tried]:
    """Kinds whose arm and baseline have both been trained."""
    records = list(records)
    found = []
    for kind in KINDS:
        of_kind = [r for r in records if r.labels["page"] in kind.pages and r.labels["arm"] in ("baseline", kind.arm)]
        both = Tried(kind, of_kind)
        if {r.labels["arm"] for r in of_kind} == {"baseline", kind.arm} and not both.compared.empty:
            found.append(both)
    return found


def overview(kinds: Sequence[Tried]) -> Html:
    """A row a kind: what was found, what may explain it, what it costs, and what we would do."""
    return cards_of(pd.DataFrame([_row(each) for each in kinds]), "Where recall traces helped")


def _row(each: Tried) -> dict[str, str]:
    tasks = each.compared
    found, ends = set(tasks["finding"]), (tasks["estimate"].min(), tasks["estimate"].max())
    return {
        "what": each.kind.name,
        "reward": each.kind.reward,
        "found": counted(tasks),
        "differences": f"{' to '.join(dict.fromkeys(map(percentage, ends)))} %",
        "steps of a trace": each.trace_steps,
        "time on recall": each.time,
        "our advice": "wait for more seeds" if found == {FEW} else ADVICE[HELPED in found, HURT in found],
    }


def counted(tasks: pd.DataFrame) -> str:
    """`helped in 4 of 4 tasks`; `hurt in 2 and not shown in 2 of 4 tasks`."""
    counts = tasks["finding"].value_counts()
    each = [f"{word} in {counts[word]}" for word in (HELPED, HURT, OPEN, FEW) if word in counts]
    return f"{listed(each)} of {len(tasks)} task{'s' * (len(tasks) > 1)}"


def in_tasks(kinds: Sequence[Tried], word: str) -> str:
    """Tasks of a finding, by kind: `TRPO, MuJoCo (HalfCheetah-v5 and Walker2d-v5)`."""
    each = []
    for one in kinds:
        tasks = one.compared.query("finding == @word")["env"]
        if len(tasks):
            each.append(f"{one.kind.name} ({listed([environment_name(env) for env in tasks])})")
    return "; ".join(each) or "none"


def all_compared(kinds: Sequence[Tried]) -> pd.DataFrame:
    """Every comparison, columns `GAIN`."""
    return pd.concat([each.compared for each in kinds], ignore_index=True)[GAIN]
