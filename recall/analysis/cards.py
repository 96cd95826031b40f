"""Tables in HTML that are tables on a desk and cards on a phone; book/_static/cards.css says how."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Self

import pandas as pd


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()

    def _repr_html_(self) -> Self:
        """What a notebook shows."""
        return self


@dataclass(frozen=True)
class Row:
    """One line of the table, one card on a phone."""

    cells: Sequence[object]
    """Contents, in the order of the columns; all but `Html` is escaped."""
    id: str = ""
    """Anchor by which other pages link to the row."""
    keys: Mapping[str, object] = field(default_factory=dict)
    """Numbers or words by which the rows may be ordered, under the names the buttons have."""


def cards(columns: Sequence[str], rows: Iterable[Row], caption: str = "") -> Html:
    """The table.

    Args:
        columns: headings; on a phone each stands before its cell.
        rows: as many cells as there are columns. Where the rows have keys, a button for each orders them.
        caption: what the table holds, for readers who do not see it.
    """
    rows = list(rows)
    keys = list(rows[0].keys) if rows else []
    head = "".join(f'<th scope="col">{to_html(column)}</th>' for column in columns)
    body = "\n".join(_row(columns, row) for row in rows)
    title = f"<caption>{to_html(caption)}</caption>" if caption else ""
    table = f'<table class="cards">{title}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>'
    return Html(f'<div class="cards-box">{_buttons(keys)}{table}</div>')


def cards_of(frame: pd.DataFrame, caption: str = "") -> Html:
    """The table of a data frame, without its index."""
    return cards(list(frame), (Row(list(values)) for values in frame.itertuples(index=False)), caption)


def titled(frames: Mapping[str, pd.DataFrame]) -> Html:
    """Several tables below each other, each under its name."""
    return Html("\n".join(f"<b>{to_html(title)}</b>{cards_of(frame, title)}" for title, frame in frames.items()))


def grouped(frame: pd.DataFrame, caption: str = "") -> Html:
    """A narrow table that stays one on a phone: a heading for each value of the first index level.

    Args:
        frame: indexed by (group, row), in the order in which both are shown; cells are text.
        caption: what the table holds, for readers who do not see it.
    """
    corner, columns = frame.index.names[-1], list(frame)
    head = "".join(f'<th scope="col">{to_html(name)}</th>' for name in (corner, *columns))
    parts = []
    for group, rows in frame.groupby(level=0, sort=False):
        parts.append(f'<tr><th scope="rowgroup" colspan="{len(columns) + 1}">{to_html(group)}</th></tr>')
        for (_, name), row in rows.iterrows():
            cells = "".join(f"<td>{to_html(value)}</td>" for value in row)
            parts.append(f'<tr><th scope="row">{to_html(name)}</th>{cells}</tr>')
    title = f"<caption>{to_html(caption)}</caption>" if caption else ""
    body = "\n".join(parts)
    return Html(f'<table class="grouped">{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>')


def to_html(value: object) -> str:
    """A value as HTML."""
    return value if isinstance(value, Html) else escape(str(value))


def _row(columns: Sequence[str], row: Row) -> str:
    anchor = f' id="{escape(row.id)}"' if row.id else ""
    keys = "".join(f' data-{name}="{escape(str(key))}"' for name, key in row.keys.items())
    cells = "".join(
        f'<td data-column="{escape(column)}"{_mark(cell)}>{to_html(cell)}</td>'
        for column, cell in zip(columns, row.cells, strict=True)
    )
    return f"<tr{anchor}{keys}>{cells}</tr>"


def _mark(cell: object) -> str:
    """Cells that say nothing are left out of cards."""
    return ' class="empty"' if cell in ("", "–") else ""


def _buttons(keys: Sequence[str]) -> str:
    """A button a key; the first is the order in which the rows come."""
    if not keys:
        return ""
    buttons = "".join(
        f'<button type="button" data-key="{key}" aria-pressed="{str(key == keys[0]).lower()}">{key}</button>'
        for key in keys
    )
    return f'<div class="cards-order" role="group" aria-label="order of the rows">order by {buttons}</div>\n'
