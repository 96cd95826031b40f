"""The scorecard: every claim of the paper with its verdict, as HTML."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from recall.analysis.cards import Html, Row, cards, to_html
from recall.analysis.claims import Judgement, Verdict
from recall.analysis.rules import WORDS
from recall.analysis.stats import Interval
from recall.analysis.style import arm_style, environment_name
from recall.analysis.wording import digits_of, percentage, share_in_words

MARKS = dict(zip(WORDS, ("✓", "✗", "=", "?", "–"), strict=True))
"""A symbol for each word, so that no verdict needs its colour to be read."""

MEANINGS = (
    "the whole interval lies on the side of the claim, in every comparison the claim names",
    "in at least one comparison the whole interval lies on the other side, however near to zero (below)",
    "in every comparison the interval holds zero and lies inside the shaded zone",
    "neither; below the word stands why: a wide interval, few seeds, environments without runs, nothing learned in "
    "either arm (floor), hardly anything imitated (dose), comparisons that disagree",
    "there are no records yet",
)
"""When each word is used, in the order of `WORDS`."""

COLUMNS = ("the paper's claim", "verdict", "effect", "what it rests on")

WIDTH, HEIGHT, PAD = 170, 22, 8
"""Size of the drawing of an effect, and the room at its ends for the arrow of an interval that goes on."""

LIMIT, BEND = 3.0, 0.1
"""End of the scale of all effects, and where it bends: even up to there, logarithmic beyond."""


def count_words(judgements: Sequence[Judgement]) -> dict[str, int]:
    """How many claims have each verdict, all words included."""
    found = [judgement.current.word for judgement in judgements]
    return {word: found.count(word) for word in WORDS}


def badge(word: str) -> Html:
    """A verdict: symbol, word and colour."""
    return Html(f'<span class="verdict {word.replace(" ", "-")}">{MARKS[word]}&nbsp;{word}</span>')


def miniature(judgements: Sequence[Judgement]) -> Html:
    """The scorecard in one line: how many claims have each verdict."""
    counts = (f"<li><b>{n}</b> {badge(word)}</li>" for word, n in count_words(judgements).items())
    return Html(f'<ul class="scorecard-miniature">{"".join(counts)}</ul>')


def glossary() -> Html:
    """What each word means."""
    rows = (Row((badge(word), meaning)) for word, meaning in zip(WORDS, MEANINGS, strict=True))
    return cards(("word", "when"), rows, "What the verdicts mean")


def scorecard(judgements: Sequence[Judgement], pages: Mapping[str, str]) -> Html:
    """A row a claim: what the paper says, verdict, effect drawn on one scale, seeds, budgets, page.

    Args:
        judgements: in the order of the paper.
        pages: address of each page of the book; a claim of another page has no link.
    """
    rows = [_row(place, judgement, pages) for place, judgement in enumerate(judgements)]
    return cards(COLUMNS, rows, "The paper's claims and their verdicts")


def _row(place: int, judgement: Judgement, pages: Mapping[str, str]) -> Row:
    verdict, claim = judgement.current, judgement.current.claim
    cells = (
        Html(f"{escape(claim.text)}<br><small>{claim.source} · <code>{claim.id}</code></small>"),
        Html(_verdict(verdict) + "".join(_earlier(judgement, old) for old in judgement.earlier)),
        effect(verdict),
        _basis(verdict, pages),
    )
    largest_first = -verdict.effect if np.isfinite(verdict.effect) else "Infinity"
    order = (place, WORDS.index(verdict.word), largest_first, claim.page)
    return Row(cells, claim.id, dict(zip(("section", "verdict", "effect", "page"), order, strict=True)))


def _verdict(verdict: Verdict) -> str:
    reason = f"<br><small>{escape(verdict.why)}</small>" if verdict.why else ""
    return badge(verdict.word) + reason


def _basis(verdict: Verdict, pages: Mapping[str, str]) -> Html:
    """Seeds, budget, the paper's budget, and the page that has more."""
    claim = verdict.claim
    runs = f"{verdict.seeds} seeds {escape(verdict.budget)}<br>" if verdict.seeds else ""
    page = f'<a href="{escape(pages[claim.page])}">{claim.page}</a>' if claim.page in pages else claim.page
    return Html(f"{runs}<small>paper's budget: {escape(claim.paper_budget)}</small><br>page: {page}")


def _earlier(judgement: Judgement, verdict: Verdict) -> str:
    """The verdict under a rule that was changed, when and why."""
    claim = judgement.current.claim
    change = claim.superseded[claim.earlier.index(verdict.claim)]
    when = f"under the rule before {change['date']} ({change['reason']})"
    return f'<div class="earlier"><small>{escape(when)}:</small> {_verdict(verdict)}</div>'


def effect(verdict: Verdict) -> Html:
    """An effect as a dot on its interval, and in figures."""
    if np.isnan(verdict.effect):
        return Html("–")
    numbers = Interval(verdict.effect, verdict.low, verdict.high)
    dot, low, high = (percent(number, digits_of(numbers)) for number in numbers)
    words = f"{dot} ({low} to {high})"
    return Html(f"{_drawing(verdict, words)}<br>{words}<br><small>{escape(verdict.unit)}{_of_several(verdict)}</small>")


def _of_several(verdict: Verdict) -> str:
    """Which of several comparisons an effect is of, and what the environments have in the mean where it makes sense."""
    table, mean = verdict.per_environment, verdict.aggregate
    deciders = table[np.isclose(table["effect"], verdict.effect)] if len(table) > 1 else table[:0]
    if deciders.empty:
        return ""
    decider = deciders.iloc[0]
    roles = {"treatment": "with", "baseline": "against"}
    arms = [f" {word} {arm_style(decider[role]).label}" for role, word in roles.items() if table[role].nunique() > 1]
    of_all = "" if mean is None else f"; mean of all {share_in_words(mean, digits_of(mean))}"
    return escape(f", in {environment_name(decider['env'])}{''.join(arms)}, which decides{of_all}")


def percent(share: float, digits: int = 0) -> str:
    """A share in percent with its sign."""
    if not np.isfinite(share):
        return f"{share:+}".replace("-", "−").replace("inf", "∞")
    return f"{percentage(share, digits)}\N{NO-BREAK SPACE}%"


def _drawing(verdict: Verdict, words: str) -> str:
    """Interval, dot, zero and the zone of no effect; an arrow where the interval leaves the scale."""
    zone, zero = _place(-verdict.claim.rule["margin"]), _place(0)
    low, dot, high = (_place(value) for value in (verdict.low, verdict.effect, verdict.high))
    middle = HEIGHT / 2
    arrows = "".join(
        f'<path d="M{x + 5 * side:g} {middle} l{-6 * side} -4 v8 z"/>'
        for x, end, side in ((low, verdict.low, -1), (high, verdict.high, 1))
        if abs(end) > LIMIT
    )
    return (
        f'<svg class="effect {verdict.word.replace(" ", "-")}" role="img" aria-label="{to_html(words)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<rect class="zone" x="{zone:g}" width="{2 * (zero - zone):g}" height="{HEIGHT}"/>'
        f'<line class="zero" x1="{zero:g}" x2="{zero:g}" y2="{HEIGHT}"/>'
        f'<line x1="{low:g}" x2="{high:g}" y1="{middle}" y2="{middle}"/>{arrows}'
        f'<circle cx="{dot:g}" cy="{middle}" r="4"/></svg>'
    )


def _place(value: float) -> float:
    """Where a value lies in the drawing."""
    share = np.arcsinh(np.clip(value, -LIMIT, LIMIT) / BEND) / np.arcsinh(LIMIT / BEND)
    return float(round(PAD + (share + 1) / 2 * (WIDTH - 2 * PAD), 1))


def scale(marks: Sequence[float] = (-1, -BEND, 0, BEND, 1)) -> Html:
    """The scale on which all effects are drawn."""
    labels = "".join(
        f'<text x="{_place(mark):g}" y="26" text-anchor="middle">{percent(mark).split()[0]}</text>'
        f'<line x1="{_place(mark):g}" x2="{_place(mark):g}" y1="6" y2="12"/>'
        for mark in marks
    )
    return Html(
        f'<svg class="effect" role="img" aria-label="scale of effects in percent" '
        f'viewBox="0 0 {WIDTH} 30" width="{WIDTH}" height="30">'
        f'<line x1="0" x2="{WIDTH}" y1="9" y2="9"/>{labels}</svg>'
    )
