"""The stored records as a list, for people and for programs, and one of them by its name."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from recall.analysis.records import Record, find_records, load_record
from recall.errors import RecordError
from recall.identity import canonical_json
from recall.pages import store

COLUMNS = ("page", "env_id", "arm", "seeds", "steps", "path", "numerics", "versions")


def rows(local: bool) -> list[dict]:
    """One entry for each page, environment and arm, in the order of the folders.

    Seeds that were trained one by one are one entry, if all else about them is the same.

    Args:
        local: list the runs of this checkout's user instead of the published ones.
    """
    groups: dict[str, list[Record]] = {}
    for record in find_records(store(local).root):
        alike = record.labels, record.numerics, {**record.settings, "seeds": None}
        groups.setdefault(canonical_json(alike), []).append(record)
    return [row(group) for group in groups.values()]


def row(records: Sequence[Record]) -> dict:
    """What the list says of records that differ in their seeds alone."""
    first = records[0]
    settings, label = first.settings, first.labels["env_label"]
    env_id = settings["env_id"]
    values = (
        first.labels["page"],
        env_id if label == env_id else f"{env_id} ({label})",
        first.labels["arm"],
        sum(len(record.settings["seeds"]) for record in records),
        settings["total_steps"],
        str(first.path) if len(records) == 1 else f"{str(first.path)[: -len(first.spec['key'])]}*",
        first.numerics,
        settings["versions"],
    )
    return dict(zip(COLUMNS, values, strict=True))


def table(listed: list[dict]) -> str:
    """The list for a terminal."""
    if not listed:
        return "no records; train some with: recall run four-rooms -p side=11 -p seeds=3"
    frame = pd.DataFrame(listed)[["page", "env_id", "arm", "seeds", "steps", "path"]]
    return frame.to_string(index=False)


def find_run(name: str) -> Record:
    """A record by its folder, the folder's name, its key, or a part of them that no other record shares.

    Raises:
        RecordError: there is none, or there are several.
    """
    if (Path(name) / "spec.json").is_file():
        return load_record(Path(name))
    return load_record(only_match("run", name, stored_runs()))


def stored_runs() -> dict[str, Path]:
    """Folders of all records by PAGE/NAME, the published ones before the local ones."""
    folders: dict[str, Path] = {}
    for local in (False, True):
        root = store(local).root
        for file in sorted(root.glob("*/*/spec.json")):
            folders.setdefault(str(file.parent.relative_to(root)), file.parent)
    return {name: folder for name, folder in folders.items() if folder.suffix != ".partial"}


def only_match(what: str, text: str, known: dict[str, Path]) -> Path:
    """The one path whose name is the text, ends with it or holds it; a sentence with the nearest names otherwise."""
    exact = [name for name in known if name == text or name.endswith((f"/{text}", f"-{text}"))]
    found = exact or [name for name in known if text in name]
    if len(found) == 1:
        return known[found[0]]
    if found:
        raise RecordError(f"{len(found)} {what}s have {text!r} in their names; choose one: {listed(found)}")
    if not known:
        raise RecordError(f"there is no {what} {text!r}, and no other either")
    near = get_close_matches(text, known, n=3, cutoff=0)
    raise RecordError(f"there is no {what} {text!r}; the nearest are {listed(near)}")


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names with commas between them, not too many."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
