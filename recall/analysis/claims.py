"""The paper's claims as data, and their verdicts from stored records.

book/claims.yml says what is judged and how, before the first run that counts. Every record keeps the hash of
the rules that stood when it was trained; a rule changed later keeps its old form, and both verdicts are
shown.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from recall.analysis.endpoints import ENDPOINTS
from recall.analysis.evidence import Evidence
from recall.analysis.records import Record
from recall.analysis.rules import RULES, WORDS, Finding
from recall.analysis.stats import Interval
from recall.analysis.wording import in_thousands
from recall.errors import ConfigError, RecordError
from recall.identity import settings_key

JUDGING = ("endpoint", "environments", "treatment", "baseline", "rule")
"""Fields of a claim that decide its verdict, so its hash covers them."""


LENDERS = {"sac": "baselines"}
"""Pages whose baseline was trained for another one, where it may have more seeds and environments."""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper and how it is judged."""

    id: str
    """Its name everywhere in the book."""
    text: str
    """What the paper says, in our words."""
    source: str
    """Section or figure."""
    page: str
    """Page whose records judge it."""
    endpoint: Mapping[str, Any]
    """`name` of an endpoint and all its parameters."""
    environments: tuple[str, ...]
    """Labels of the environments."""
    treatment: tuple[str, ...]
    """Arms the claim is about."""
    baseline: tuple[str, ...]
    """Arms they are held against."""
    rule: Mapping[str, Any]
    """`name` of a rule and all its parameters."""
    paper_budget: str
    """The paper's own budget, where its text states one."""
    superseded: tuple[Mapping[str, Any], ...] = ()
    """Earlier forms: the judging fields that differed, `reason` and `date` of the change."""

    def __post_init__(self) -> None:
        endpoint, rule = dict(self.endpoint), dict(self.rule)
        known_endpoint = _known(self, "endpoint", endpoint.pop("name", None), ENDPOINTS)
        _check_parameters(self, known_endpoint.measure, endpoint)
        _check_parameters(self, _known(self, "rule", rule.pop("name", None), RULES), rule)
        one = {"only_baseline_fails": ("environments", "baseline"), "grows": ("treatment", "baseline")}
        for name in one.get(self.rule["name"], ()):
            if len(getattr(self, name)) != 1:
                raise ConfigError(f"claim {self.id}: rule {self.rule['name']} takes one {name}")
        if len(rule.get("sizes", self.environments)) != len(self.environments):
            raise ConfigError(f"claim {self.id}: sizes are {rule['sizes']}; one an environment is needed")
        _ = self.earlier  # every earlier form passes through this method too

    @property
    def earlier(self) -> list["Claim"]:
        """The claim as it stood under each superseded rule."""
        return [
            replace(self, superseded=(), **_normalised({k: v for k, v in old.items() if k in JUDGING}))
            for old in self.superseded
        ]


def _known(claim: Claim, what: str, name: str | None, table: Mapping[str, Any]) -> Any:
    if name is None or name not in table:
        raise ConfigError(f"claim {claim.id}: {what} {name!r} is unknown; it may be {', '.join(table)}")
    return table[name]


def _check_parameters(claim: Claim, function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Every parameter is written down, so that the hash covers every number that decides."""
    allowed = set(list(inspect.signature(function).parameters)[1:])
    if set(given) != allowed:
        raise ConfigError(
            f"claim {claim.id}: {function.__name__} has {sorted(given)}; it takes exactly {sorted(allowed)}"
        )


def _normalised(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A lone name becomes a list of one, lists become tuples."""
    several = ("environments", "treatment", "baseline", "superseded")
    listed = {name: raw[name] for name in several if name in raw}
    return {**raw} | {name: (v,) if isinstance(v, str) else tuple(v) for name, v in listed.items()}


def load_claims(path: Path) -> list[Claim]:
    """Every claim of book/claims.yml, in its order."""
    claims = [_parse(raw) for raw in yaml.safe_load(path.read_text(encoding="utf-8"))]
    ids = [claim.id for claim in claims]
    for twice in {name for name in ids if ids.count(name) > 1}:
        raise ConfigError(f"{path} has claim {twice} more than once; keep one, and its old rule under superseded")
    return claims


def _parse(raw: Mapping[str, Any]) -> Claim:
    known = {entry.name for entry in fields(Claim)}
    missing, unknown = known - set(raw) - {"superseded"}, set(raw) - known
    if missing or unknown:
        raise ConfigError(f"claim {raw.get('id')}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    for old in raw.get("superseded", ()):
        if not {"reason", "date"} <= set(old) <= {"reason", "date", *JUDGING}:
            raise ConfigError(f"claim {raw['id']}: a superseded rule has reason, date and any of {', '.join(JUDGING)}")
    return Claim(**_normalised(raw))


def rule_hash(claim: Claim) -> str:
    """Twelve hex digits that stand for how a claim is judged."""
    return settings_key({name: value for name, value in asdict(claim).items() if name in JUDGING})


def page_hashes(claims: Iterable[Claim], page: str) -> dict[str, str]:
    """Hash of every claim of a page, as a record stores them in provenance.json."""
    return {claim.id: rule_hash(claim) for claim in claims if claim.page == page}


@dataclass(frozen=True)
class Verdict:
    """What the stored records say about a claim, under one form of its rule."""

    claim: Claim
    """The claim, with the rule this verdict used."""
    word: str
    """reproduced, contradicted, no effect, inconclusive, or not run."""
    reason: str
    """Why that word."""
    effect: float = np.nan
    """The effect that decided: the weakest comparison, above 0 where it supports the claim."""
    low: float = np.nan
    """Lower end of its interval."""
    high: float = np.nan
    """Upper end of its interval."""
    unit: str = ""
    """What the effect is a number of."""
    seeds: int = 0
    """Seeds of the smallest arm."""
    budget: str = ""
    """Environment steps of each seed: "at 60k to 240k steps"."""
    per_environment: pd.DataFrame = field(default_factory=pd.DataFrame)
    """A row a comparison, see `rules.Finding.table`."""
    aggregate: Interval | None = None
    """Mean effect over the environments, where it makes sense."""

    @property
    def why(self) -> str:
        """The reason; empty where it adds nothing to the word."""
        return "" if self.reason in ("above", "below", *WORDS) else self.reason


@dataclass(frozen=True)
class Judgement:
    """A claim's verdict, and those under the rules it was trained under before."""

    current: Verdict
    """Under the rule in force."""
    earlier: tuple[Verdict, ...] = ()
    """Under each superseded rule whose hash a record still carries."""


def judge(claims: Iterable[Claim], records: Iterable[Record]) -> list[Judgement]:
    """The verdicts of all claims, in their order; a claim whose page has no records was not run."""
    pages: dict[str, list[Record]] = {}
    for record in records:
        pages.setdefault(record.labels["page"], []).append(record)
    evidence = {page: Evidence([*of_page, *_borrowed(page, pages)]) for page, of_page in pages.items()}
    return [_judge_claim(claim, evidence.get(claim.page)) for claim in claims]


def _borrowed(page: str, pages: Mapping[str, Sequence[Record]]) -> list[Record]:
    """Records of the page that lends its baseline, in the environments and with the seeds that a page has itself."""
    own = {(record.labels["env_label"], *record.settings["seeds"]) for record in pages[page]}
    lent = pages.get(LENDERS.get(page, ""), ())
    return [record for record in lent if (record.labels["env_label"], *record.settings["seeds"]) in own]


def _judge_claim(claim: Claim, evidence: Evidence | None) -> Judgement:
    if evidence is None:
        return Judgement(Verdict(claim, "not run", f"nothing is run for the page {claim.page}"))
    known = {rule_hash(claim)} | {rule_hash(old) for old in claim.earlier}
    for record in evidence.records:
        carried = record.provenance["claims"].get(claim.id)
        if carried not in known:
            raise RecordError(
                f"{record.path} was trained under rule {carried} of claim {claim.id}, which is unknown; "
                "put the old rule under superseded, or train the record again"
            )
    carried_by_any = {record.provenance["claims"][claim.id] for record in evidence.records}
    earlier = [old for old in claim.earlier if rule_hash(old) in carried_by_any]
    return Judgement(_verdict(claim, evidence), tuple(_verdict(old, evidence) for old in earlier))


def _verdict(claim: Claim, evidence: Evidence) -> Verdict:
    arms = (*claim.treatment, *claim.baseline)
    run = [env for env in claim.environments if not evidence.missing([env], arms)]
    sizes = dict(zip(claim.environments, claim.rule.get("sizes", ()), strict=False))
    if not run or len({sizes.get(env) for env in run}) < min(2, len(set(sizes.values()))):
        return Verdict(claim, "not run", f"not trained yet: {', '.join(evidence.missing(claim.environments, arms))}")
    comparisons = evidence.comparisons(run, claim.treatment, claim.baseline, claim.endpoint)
    parameters = dict(claim.rule)
    if sizes:
        parameters["sizes"] = [sizes[env] for env in run]
    finding: Finding = RULES[parameters.pop("name")](comparisons, **parameters)
    return Verdict(
        claim,
        *_of_all(claim, run, finding),
        *finding.effect,
        unit=finding.unit,
        seeds=min(c.seeds for c in comparisons),
        budget=_budget([c.budget for c in comparisons]),
        per_environment=finding.table,
        aggregate=finding.aggregate,
    )


def _of_all(claim: Claim, run: Sequence[str], finding: Finding) -> tuple[str, str]:
    """Word and reason of a finding; it decides nothing while environments of the claim are missing."""
    if len(run) == len(claim.environments):
        return finding.word, finding.reason
    return "inconclusive", f"run in {len(run)} of {len(claim.environments)} environments; {finding.reason}"


def _budget(steps: Sequence[int]) -> str:
    """The steps of each seed, for people: "at 60k to 240k steps"."""
    ends = dict.fromkeys((min(steps), max(steps)))
    return f"at {' to '.join(in_thousands(round(end, -3)) for end in ends)} steps"
