"""From the records of one page to the comparisons its claims are judged by."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from recall.analysis.endpoints import ENDPOINTS
from recall.analysis.pull import with_pull
from recall.analysis.records import Record, check_comparable, check_distinct, tidy
from recall.analysis.rules import Comparison
from recall.errors import RecordError


class Evidence:
    """The records of one page; each of their tables is read once."""

    def __init__(self, records: Sequence[Record]) -> None:
        check_distinct(records)
        self.records = records
        self._tables: dict[str, pd.DataFrame] = {}

    def table(self, name: str) -> pd.DataFrame:
        """One tidy table of all records."""
        if name not in self._tables:
            self._tables[name] = tidy(self.records, name)
        return self._tables[name]

    def of(self, env: str, arm: str) -> list[Record]:
        """Records of an arm in an environment; for a part of an arm (`arm/part`) those of the arm."""
        labels = {"env_label": env, "arm": _whole(arm)}
        return [record for record in self.records if record.labels | labels == record.labels]

    def missing(self, environments: Sequence[str], arms: Sequence[str]) -> list[str]:
        """What would have to be trained before these arms can be compared, in words."""
        wanted = product(environments, dict.fromkeys(_whole(arm) for arm in arms))
        return [f"{arm} in {env}" for env, arm in wanted if not self.of(env, arm)]

    def comparisons(
        self,
        environments: Sequence[str],
        treatments: Sequence[str],
        baselines: Sequence[str],
        endpoint: Mapping[str, Any],
    ) -> list[Comparison]:
        """Every treatment against every baseline in every environment.

        Args:
            environments: labels.
            treatments: names of arms.
            baselines: names of arms.
            endpoint: `name` of an endpoint and its parameters.
        """
        return [self._compare(*case, endpoint) for case in product(environments, treatments, baselines)]

    def _compare(self, env: str, treatment: str, baseline: str, endpoint: Mapping[str, Any]) -> Comparison:
        _check_fair(self.of(env, treatment), self.of(env, baseline))
        parameters = dict(endpoint)
        kind = ENDPOINTS[parameters.pop("name")]
        table = self.table(kind.table)
        rows = table[(table["env"] == env) & table["arm"].isin([_whole(treatment), _whole(baseline)])]
        scores = kind.measure(rows, **parameters).sort_values("seed")
        values = {arm: of_arm["value"].to_numpy(float) for arm, of_arm in scores.groupby("arm")}
        return Comparison(
            env=env,
            arms=(treatment, baseline),
            treatment=values.get(treatment, np.empty(0)),
            baseline=values.get(baseline, np.empty(0)),
            budget=int(rows["step"].max()),
            is_time=kind.is_time,
            dose=self.dose(env, treatment),
        )

    def dose(self, env: str, arm: str) -> float | None:
        """How much an arm imitated; None for an arm without recall.

        The ratio of imitation to policy gradient, mean over training and seeds, where it was measured; else the
        share of seeds that ever had a trace to imitate.
        """
        table = with_pull(self.table("recall"), self.table("metrics"))
        rows = table[(table["env"] == env) & (table["arm"] == _whole(arm))]
        if rows.empty:
            return None
        if "gradient_ratio" in rows:
            return float(rows.groupby("seed")["gradient_ratio"].mean().fillna(0).mean())
        return float((rows.groupby("seed")["trace_length"].max() > 0).mean())


def _whole(arm: str) -> str:
    return arm.partition("/")[0]


def _check_fair(treatment: Sequence[Record], baseline: Sequence[Record]) -> None:
    """Refuse arms of unequal numerics, budgets or seeds, and an arm made of runs with different settings."""
    for a, b in combinations([*treatment, *baseline], 2):
        check_comparable(a, b)
    for arm in (treatment, baseline):
        for record in arm[1:]:
            if record.settings | {"seeds": []} != arm[0].settings | {"seeds": []}:
                raise RecordError(
                    f"{arm[0].path.name} and {record.path.name} are one arm with two settings; delete the outdated one"
                )
    seeds = [sorted(seed for record in arm for seed in record.settings["seeds"]) for arm in (treatment, baseline)]
    if seeds[0] != seeds[1]:
        raise RecordError(
            f"{treatment[0].path.name} and {baseline[0].path.name} may not be compared: "
            f"their arms have seeds {seeds[0]} and {seeds[1]}; train the missing ones"
        )
