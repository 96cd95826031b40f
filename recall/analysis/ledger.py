"""What audits have found: a line for each stored run that was trained again."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from recall.analysis.records import Record

COLUMNS = (
    *("date", "commit", "processor", "seed", "page", "run", "updates", "of"),
    *("comparison", "values", "differs", "finding"),
)
"""Of the ledger; `seed` is the audit's, which drew the run."""

BYTES = "bytes"
"""The comparison of runs whose numerics are those of the audit's machine."""


def read_ledger(file: Path) -> pd.DataFrame:
    """Its lines, the oldest first; none where there is no such file."""
    if not file.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.read_csv(file, keep_default_na=False)


def again_in_words(records: Iterable[Record], ledger: pd.DataFrame) -> dict[str, str]:
    """How many of the stored runs were trained again, how often they differed, and which pages had none of theirs."""
    pages = Counter(record.labels["page"] for record in records)
    return {
        "n_records": f"{pages.total()}",
        "n_again": f"{ledger['run'].nunique()}",
        "n_differ": f"{ledger['differs'].sum()}",
        "pages_not_again": ", ".join(sorted(set(pages) - set(ledger["page"]))) or "–",
    }


def by_page(ledger: pd.DataFrame) -> pd.DataFrame:
    """A row a page: how many repetitions there were, how they compared, and the day of the last."""
    rows = [_row(str(page), lines) for page, lines in ledger.groupby("page", sort=False)]
    agree = ["equal to the byte", "as close as seeds are"]
    return pd.DataFrame(rows, columns=["page", "trained again", *agree, "not comparable", "another run", "last"])


def _row(page: str, lines: pd.DataFrame) -> tuple[str, int, int, int, int, int, str]:
    agree = ~lines["differs"].astype(bool) & (lines["values"] > 0)
    equal = lines["comparison"] == BYTES
    counts = (agree & equal, agree & ~equal, lines["values"] == 0, lines["differs"].astype(bool))
    equal_, inside, nothing, differ = (int(each.sum()) for each in counts)
    return page, len(lines), equal_, inside, nothing, differ, max(lines["date"])
