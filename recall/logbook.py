"""What a training writes down: the rows of its record's tables, and where its seconds went."""

import time

import numpy as np
import pandas as pd

from recall.agents.actor_critic import ActorCritic
from recall.envs.four_rooms import FourRooms
from recall.recaller import Recaller


class Logbook:
    """Rows of the record's tables."""

    def __init__(self, seeds: tuple[int, ...]) -> None:
        self.seeds = seeds
        self.rows: dict[str, list[pd.DataFrame]] = {}

    def add(self, table: str, step: int, metrics: dict[str, np.ndarray]) -> None:
        """One row a seed."""
        self.rows.setdefault(table, []).append(pd.DataFrame({"seed": self.seeds, "step": step, **metrics}))

    def append(self, table: str, rows: pd.DataFrame) -> None:
        """Any number of rows, with columns seed and step."""
        self.rows.setdefault(table, []).append(rows)

    def latest(self, table: str, column: str) -> float | None:
        """Mean over seeds in the last rows of a table; None before the first."""
        return float(self.rows[table][-1][column].mean()) if table in self.rows else None

    def after(self, table: str, step: int) -> list[dict[str, float]]:
        """Rows of a table later than a step."""
        late = [rows for rows in self.rows.get(table, []) if rows["step"].iloc[-1] > step]
        return [row for rows in late for row in rows[rows["step"] > step].to_dict("records")]

    def snapshot(self, name: str, recaller: Recaller, agent: ActorCritic, grid: FourRooms) -> None:
        """Traces and state values of the first seed."""
        obs, action, valid = (
            array[0] for array in (recaller.traces.obs, recaller.traces.action, recaller.traces.valid)
        )
        trace, position = np.nonzero(valid & recaller.targets.rewarded[0])
        row, col = grid.cells[obs[trace, position]].T
        columns = {
            "trace": trace,
            "position": position,
            "row": row,
            "col": col,
            "action": action[trace, position],
        }
        self.rows.setdefault("traces", []).append(pd.DataFrame({"snapshot": name, **columns}))
        row, col = grid.cells.T
        values = {"snapshot": name, "row": row, "col": col, "value": agent.state_values[0]}
        self.rows.setdefault("values", []).append(pd.DataFrame(values))

    def state(self) -> dict:
        """All rows so far as columns, for a checkpoint; words as fixed-width text."""
        columns = {name: pd.concat(rows, ignore_index=True) for name, rows in self.rows.items()}
        return {name: {c: to_array(table[c]) for c in table} for name, table in columns.items()}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.rows = {name: [pd.DataFrame(columns)] for name, columns in state.items()}

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table, rows sorted by seed and step where they have them."""
        tables = {name: pd.concat(rows, ignore_index=True) for name, rows in self.rows.items()}
        return {
            name: table.sort_values(["seed", "step"], ignore_index=True) if "seed" in table else table
            for name, table in tables.items()
        }


def to_array(column: pd.Series) -> np.ndarray:
    """A column without Python objects."""
    return column.to_numpy(str) if pd.api.types.is_string_dtype(column) else column.to_numpy()


class Means:
    """Running means of metrics, (runs,) each, between two rows of a table."""

    def __init__(self) -> None:
        self.count, self.sums = 0, dict[str, np.ndarray]()

    def add(self, metrics: dict[str, np.ndarray]) -> None:
        """Take in one set."""
        self.count += 1
        for name, value in metrics.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.astype(np.float64)

    def take(self) -> dict[str, np.ndarray]:
        """The means since the last call, which begin anew; empty where nothing was added."""
        means = {name: total / self.count for name, total in self.sums.items()}
        self.count, self.sums = 0, {}
        return means

    def state(self) -> dict:
        """Sums so far, for a checkpoint."""
        return {"count": self.count, "sums": self.sums}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        vars(self).update(state)


class Stopwatch:
    """Adds the seconds a block took to an entry of a dictionary."""

    def __init__(self, seconds: dict[str, float], phase: str) -> None:
        self.seconds, self.phase = seconds, phase

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds[self.phase] += time.perf_counter() - self.start
