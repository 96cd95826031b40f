"""The stored records as a list, for people and for programs."""

import pandas as pd

from recall.analysis.records import Record, find_records
from recall.pages import store

COLUMNS = ("page", "env_id", "arm", "seeds", "steps", "path", "numerics", "versions")


def rows(local: bool) -> list[dict]:
    """One entry for each page, environment and arm, in the order of the folders.

    Args:
        local: list the runs of this checkout's user instead of the published ones.
    """
    return [row(record) for record in find_records(store(local).root)]


def row(record: Record) -> dict:
    """What the list says of a record."""
    settings = record.settings
    values = (
        record.labels["page"],
        f"{settings['env_id']} ({record.labels['env_label']})",
        record.labels["arm"],
        len(settings["seeds"]),
        settings["total_steps"],
        str(record.path),
        record.numerics,
        settings["versions"],
    )
    return dict(zip(COLUMNS, values, strict=True))


def table(listed: list[dict]) -> str:
    """The list for a terminal."""
    if not listed:
        return "no records; train some with: recall run four-rooms -p side=11 -p seeds=3"
    frame = pd.DataFrame(listed)[["page", "env_id", "arm", "seeds", "steps", "path"]]
    return frame.to_string(index=False)
