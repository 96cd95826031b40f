"""What a column of a record's table holds, and the ones that every record has."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    """Its heading in the file."""
    unit: str
    """What it counts or measures in."""
    meaning: str
    """What it says."""
    empty: str = ""
    """When a cell is empty; never, if nothing is said."""
    only: str = ""
    """Which records have the column; all that have the table, if nothing is said."""


@dataclass(frozen=True)
class Table:
    """A file of a record."""

    rows: str
    """What a row stands for, and which records have the table."""
    columns: tuple[Column, ...]
    """Its columns, in their order."""


SEED = Column("seed", "number", "Seed of the run.")
STEP = Column("step", "environment steps", "Steps that the seed has taken so far, in all its environments together.")

TIMING = Table(
    "A row a phase; every record. Never compared: it differs each time.",
    (
        Column(
            "phase",
            "word",
            "environment: acting; recall: training the model and recalling; learner: the agent's update; "
            "evaluation: evaluation, diagnosis and snapshots; compilation: of Goal GAN's model, in its first use.",
        ),
        Column("seconds", "seconds of one core", "Spent on it, all seeds together."),
    ),
)
"""Where the seconds of a training went."""
