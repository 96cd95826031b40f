"""Stored records, read and trusted only after every checksum held."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recall.errors import RecordError
from recall.identity import FORMAT, file_sha256, settings_key

TABLES = ("metrics", "recall", "occupancy", "traces", "values", "coverage", "digests", "timing")
"""Tables a record may hold; every one but timing is deterministic and has a checksum."""

RETRAIN = "delete the folder and train again"
RESTORE = f"restore it, or {RETRAIN}"
"""What to do about a record that is refused."""

UNHASHED = {"provenance.json", "timing.csv"}
"""Files that differ between two runs of the same identity, so no checksum covers them."""

DATA = "data"
"""Where pages keep the data of their figures: beside the folders of the local records."""

LABELS = ["page", "env", "arm"]
"""Columns that `tidy` puts before a table's own."""

OF_RECALL = ("model_engine",)
"""Numerics of a backtracking model: an arm without one may still be compared."""

SAME_IN_BOTH_ARMS = ("env_id", "env", "total_steps", "eval_every")
"""Settings that two arms must share before their difference means anything."""


@dataclass(frozen=True)
class Record:
    """One group of seeds trained together, as it lies on disk."""

    path: Path
    """Its folder."""
    spec: dict[str, Any]
    """Contents of spec.json: what determines the numbers."""
    provenance: dict[str, Any]
    """Contents of provenance.json: where, when and with what it was made."""

    @property
    def labels(self) -> dict[str, str]:
        """Names it is shown under: page, arm, env_label."""
        return self.spec["labels"]

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that was set: environment, agent, recall, seeds, budget."""
        return self.spec["settings"]

    @property
    def numerics(self) -> dict[str, Any]:
        """What besides the settings decides the digits: engine, precision, group, versions, processor."""
        return self.spec["numerics"]

    def has(self, table: str) -> bool:
        """Whether the record holds the table."""
        file = _table_file(table)
        return file in self.provenance["sha256"] or (file in UNHASHED and (self.path / file).is_file())

    def table(self, name: str) -> pd.DataFrame:
        """One of `TABLES`; an empty cell is NaN."""
        if not self.has(name):
            raise RecordError(
                f"{self.path} holds no table {name!r}; it was not recorded for arm {self.labels['arm']!r}"
            )
        return pd.read_csv(self.path / _table_file(name))


def _table_file(name: str) -> str:
    if name not in TABLES:
        raise RecordError(f"there is no table {name!r}; a record may hold {', '.join(TABLES)}")
    return f"{name}.csv"


def load_record(path: Path) -> Record:
    """Read a record, refusing one that is damaged, edited, foreign, or of another format."""
    spec, provenance = (_read_object(path / name) for name in ("spec.json", "provenance.json"))
    _check_format(path, spec)
    _require(path, "spec.json", spec, {"key": str, "labels": dict, "settings": dict, "numerics": dict})
    _require(path, "provenance.json", provenance, {"sha256": dict, "claims": dict})
    _require(path, "labels of spec.json", spec["labels"], {"page": str, "arm": str, "env_label": str})
    _require(path, "settings of spec.json", spec["settings"], {"seeds": list, "total_steps": int})
    _check_files(path, provenance["sha256"])
    _check_key(path, spec)
    return Record(path, spec, provenance)


def _read_object(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{file} is missing, so {file.parent} is no record; restore or delete the folder") from None
    except ValueError as error:
        raise RecordError(f"{file} is not JSON ({error}); {RESTORE}") from None
    if not isinstance(value, dict):
        raise RecordError(f"{file} holds no JSON object; {RESTORE}")
    return value


def _check_format(path: Path, spec: dict[str, Any]) -> None:
    found = spec.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise RecordError(f"{path} has format {found}, newer than the {FORMAT} read here; update the package")
    if found != FORMAT:
        raise RecordError(f"{path} has format {found!r}; only {FORMAT} is known here; {RETRAIN}")


def _require(path: Path, what: str, found: dict[str, Any], fields: dict[str, type]) -> None:
    for name, kind in fields.items():
        if not isinstance(found.get(name), kind):
            raise RecordError(
                f"{path} was not written by this package: {what} has no {kind.__name__} {name!r}; delete it"
            )


def _check_files(path: Path, checksums: dict[str, str]) -> None:
    for required in ("spec.json", "metrics.csv"):
        if required not in checksums:
            raise RecordError(f"{path} keeps no checksum of {required}; {RETRAIN}")
    for name, checksum in checksums.items():
        if Path(name).name != name:
            raise RecordError(f"{path} names a file outside itself, {name!r}; delete the folder")
        if not (path / name).is_file():
            raise RecordError(f"{path} is damaged: {name} is missing; {RESTORE}")
        if file_sha256(path / name) != checksum:
            raise RecordError(f"{path} is damaged or was edited: {name} is not as written; {RESTORE}")


def _check_key(path: Path, spec: dict[str, Any]) -> None:
    key = settings_key(spec["settings"])
    if spec["key"] != key:
        raise RecordError(f"{path} was edited: its settings have key {key}, its spec says {spec['key']}; {RETRAIN}")
    if not path.resolve().name.endswith(f"-{key}"):
        raise RecordError(f"{path} is foreign or renamed: its settings have key {key}; name the folder ...-{key}")


def find_records(root: Path, page: str | None = None) -> list[Record]:
    """Every record root/page/folder, or those of one page, sorted; half-written ones and figures' data are left out."""
    folders = sorted(path for path in root.glob(f"{page or '*'}/*") if path.is_dir() and _is_finished(path))
    records = [load_record(path) for path in folders]
    for record in records:
        if record.labels["page"] != record.path.parent.name:
            raise RecordError(f"{record.path} belongs to page {record.labels['page']!r}; move it there")
    return records


def _is_finished(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix != ".partial" and path.parent.name != DATA


def tidy(records: Iterable[Record], table: str = "metrics") -> pd.DataFrame:
    """Many records as one long table: page, env, arm, then its columns; a record without it adds nothing."""
    records = list(records)
    check_distinct(records)
    frames = [_labelled(record, table) for record in records if record.has(table)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*LABELS, "seed", "step"])


def _labelled(record: Record, table: str) -> pd.DataFrame:
    frame = record.table(table)
    for position, (column, label) in enumerate(zip(LABELS, ("page", "env_label", "arm"), strict=True)):
        frame.insert(position, column, record.labels[label])
    return frame


def check_distinct(records: Iterable[Record]) -> None:
    """Refuse a seed that two records of one page, environment and arm both hold: it would count twice."""
    holder: dict[tuple[str, str, str, int], Path] = {}
    for record in records:
        page, arm, env = (record.labels[label] for label in ("page", "arm", "env_label"))
        for seed in record.settings["seeds"]:
            if (page, env, arm, seed) in holder:
                raise RecordError(
                    f"{holder[page, env, arm, seed]} and {record.path} both hold seed {seed} of arm {arm!r} "
                    f"in {env}; delete the outdated one"
                )
            holder[page, env, arm, seed] = record.path


def check_comparable(a: Record, b: Record) -> None:
    """Refuse to join two records whose difference could come from anything but the arm."""
    pairs = {f"numerics {name}": pair for name, pair in differences(a.numerics, b.numerics).items()}
    pairs |= {name: (a.settings.get(name), b.settings.get(name)) for name in SAME_IN_BOTH_ARMS}
    pairs["number of seeds"] = (len(a.settings["seeds"]), len(b.settings["seeds"]))
    for name, (in_a, in_b) in pairs.items():
        if in_a != in_b:
            raise RecordError(
                f"{a.path.name} and {b.path.name} may not be compared: {name} is {in_a!r} in the first, "
                f"{in_b!r} in the second; train one of them again"
            )


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Of numerics: what `a` and `b` have, by name, where for that difference records may not be compared."""
    lacking = {name for name in OF_RECALL if not (name in a and name in b)}
    pairs = {name: (a.get(name), b.get(name)) for name in (*a, *b) if name not in lacking}
    return {name: (in_a, in_b) for name, (in_a, in_b) in pairs.items() if in_a != in_b}
