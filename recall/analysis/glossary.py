"""What every column of a record's tables holds: its unit, its meaning, and when it is empty."""

import pandas as pd

from recall.analysis.columns import Column, Table
from recall.analysis.control_columns import CONTROL_TABLES
from recall.analysis.goal_columns import GOAL_TABLES
from recall.analysis.grid_columns import GRID_TABLES
from recall.analysis.trust_region_columns import TRUST_REGION_TABLES

GLOSSARY: dict[str, dict[str, Table]] = {
    "four-rooms": GRID_TABLES,
    "ant-maze": GOAL_TABLES,
    "baselines": CONTROL_TABLES,
    "delta-state": CONTROL_TABLES,
    "dose": CONTROL_TABLES,
    "goal-gan": GOAL_TABLES,
    "sac": CONTROL_TABLES,
    "sac-checks": CONTROL_TABLES,
    "trace-length": TRUST_REGION_TABLES,
    "trace-sweeps": GRID_TABLES,
    "trpo": TRUST_REGION_TABLES,
}
"""Every table that a record may hold, by the page it belongs to."""


def glossary(table: Table) -> pd.DataFrame:
    """A row a column of a table: its name, unit and meaning, and when it is empty or absent; a dash is never."""
    rows = [(c.name, c.unit, c.meaning, lacking(c) or "–") for c in table.columns]
    return pd.DataFrame(rows, columns=["column", "unit", "meaning", "empty or absent"])


def lacking(column: Column) -> str:
    """When a cell of a column is empty, and which records lack the column."""
    return "; ".join(filter(None, (column.empty, column.only and f"absent but in {column.only}")))
