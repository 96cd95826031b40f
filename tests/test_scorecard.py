"""The scorecard: nothing is left out, nothing depends on colour, and all effects share one scale."""

from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import sync_playwright
from test_book_browser import CHROMIUM, QUIET

from recall.analysis.cards import Html, Row, cards, cards_of, titled
from recall.analysis.claims import Claim, Judgement, Verdict, load_claims
from recall.analysis.rules import WORDS
from recall.analysis.scorecard import (
    COLUMNS,
    LIMIT,
    MARKS,
    PAD,
    WIDTH,
    badge,
    count_words,
    effect,
    glossary,
    miniature,
    percent,
    scale,
    scorecard,
)
from recall.analysis.stats import Interval

OLD = {"rule": {"name": "superior", "margin": 0.2, "floor": 0.05, "dose": 0.5, "paired": False}}
CHANGE = {"reason": "the margin was <too> wide", "date": "2026-02-03"}


@pytest.fixture(scope="module")
def claims(root: Path) -> list[Claim]:
    return load_claims(root / "book" / "claims.yml")


@pytest.fixture(scope="module")
def judgements(claims: list[Claim]) -> list[Judgement]:
    """One verdict a claim, all words in turn."""
    return [Judgement(made_up(claim, word)) for claim, word in zip(claims, cycle(WORDS), strict=False)]


def made_up(claim: Claim, word: str, effect: float = 0.4, low: float = 0.1, high: float = 0.7) -> Verdict:
    """A verdict with numbers, or one that was not run."""
    if word == "not run":
        return Verdict(claim, word, "no record")
    return Verdict(claim, word, "why", effect, low, high, "share gained", 20, "at 60k steps")


def parse(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def rows_of(html: str) -> list[Tag]:
    return parse(html).select("tbody tr")


def drawn(html: str) -> tuple[float, float, float]:
    """Left end, dot and right end of an effect."""
    svg = parse(html).select_one("svg")
    assert svg is not None
    line, dot = svg.select("line:not(.zero)")[0], svg.select_one("circle")
    assert dot is not None
    return float(str(line["x1"])), float(str(dot["cx"])), float(str(line["x2"]))


def test_every_claim_has_a_row_in_the_order_of_the_paper(judgements: list[Judgement]) -> None:
    rows = rows_of(scorecard(judgements, {}))
    assert [row["id"] for row in rows] == [j.current.claim.id for j in judgements]
    for row, judgement in zip(rows, judgements, strict=True):
        verdict, text = judgement.current, row.get_text(" ")
        assert verdict.claim.text in text
        assert verdict.claim.source in text
        assert verdict.claim.paper_budget in text
        assert f"{MARKS[verdict.word]}\N{NO-BREAK SPACE}{verdict.word}" in text
        assert [td["data-column"] for td in row.select("td")] == list(COLUMNS)


def test_a_page_in_the_book_is_linked_and_no_other(judgements: list[Judgement]) -> None:
    rows = rows_of(scorecard(judgements, {"four-rooms": "four-rooms.html"}))
    links = [[a["href"] for a in row.select("a")] for row in rows]
    pages = [judgement.current.claim.page for judgement in judgements]
    assert links == [["four-rooms.html"] if page == "four-rooms" else [] for page in pages]


def test_a_changed_rule_shows_both_verdicts_with_date_and_reason(claims: list[Claim]) -> None:
    changed = replace(claims[0], superseded=({**OLD, **CHANGE},))
    judgement = Judgement(made_up(changed, "inconclusive"), (made_up(changed.earlier[0], "no effect"),))
    (row,) = rows_of(scorecard([judgement], {}))
    assert [" ".join(b.get_text().split()[1:]) for b in row.select(".verdict")] == [
        "inconclusive",
        "no effect",
    ]
    assert "under the rule before 2026-02-03 (the margin was <too> wide)" in row.get_text()


def test_the_counts_are_of_the_rules_in_force(judgements: list[Judgement]) -> None:
    counts = count_words(judgements)
    assert list(counts) == list(WORDS)
    assert sum(counts.values()) == len(judgements)
    shown = parse(miniature(judgements)).select("li")
    assert [int(li.b.text) for li in shown if li.b] == list(counts.values())


def test_each_word_has_a_symbol_of_its_own_and_a_meaning() -> None:
    assert len(set(MARKS.values())) == len(MARKS) == len(WORDS)
    assert [row.select("td")[0].decode_contents() for row in rows_of(glossary())] == [
        str(parse(badge(word))) for word in WORDS
    ]


def test_colours_of_all_words_are_in_the_style_sheet(root: Path) -> None:
    style = (root / "book" / "_static" / "cards.css").read_text()
    assert [word for word in WORDS if f".{word.replace(' ', '-')} {{ --verdict:" not in style] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0 %"), (0.256, "+26 %"), (-1.0, "−100 %"), (-0.001, "0 %"), (27.0, "above +1,000 %")),
        *((np.inf, "+∞"), (-np.inf, "−∞")),
    ],
)
def test_percent(value: float, text: str) -> None:
    assert percent(value).replace("\N{NO-BREAK SPACE}", " ") == text


def test_effects_lie_on_one_scale(claims: list[Claim]) -> None:
    low, dot, high = drawn(effect(made_up(claims[0], "reproduced", 0.5, 0.0, LIMIT)))
    assert (low, high) == (WIDTH / 2, WIDTH - PAD)
    assert low < dot < high
    mirrored = drawn(effect(made_up(claims[0], "contradicted", -0.5, -LIMIT, 0.0)))
    assert mirrored == pytest.approx([WIDTH - high, WIDTH - dot, WIDTH - low], abs=0.1)


def test_the_scale_is_marked_where_the_effects_are_drawn(claims: list[Claim]) -> None:
    marks = {text.text: float(str(text["x"])) for text in parse(scale()).select("text")}
    assert list(marks) == ["−100", "−10", "0", "+10", "+100"]
    assert drawn(effect(made_up(claims[0], "reproduced", 0.1, 0.0, 1.0))) == (marks["0"], marks["+10"], marks["+100"])


@pytest.mark.parametrize(("low", "high", "arrows"), [(0.1, 0.7, 0), (-np.inf, 0.7, 1), (0.1, 3.5, 1), (-4, np.inf, 2)])
def test_an_interval_that_leaves_the_scale_ends_in_an_arrow_inside_the_drawing(
    claims: list[Claim], low: float, high: float, arrows: int
) -> None:
    html = effect(made_up(claims[0], "inconclusive", 0.4, low, high))
    tips = [float(path["d"].split()[0][1:]) for path in parse(html).select("path")]  # type: ignore[union-attr]
    assert len(tips) == arrows
    assert all(0 <= x <= WIDTH for x in [*tips, *drawn(html)])
    assert f"({percent(low)} to {percent(high)})" in html


def test_without_an_effect_nothing_is_drawn(claims: list[Claim]) -> None:
    assert effect(made_up(claims[0], "not run")) == "–"


@pytest.mark.parametrize(
    ("effect_and_ends", "text"),
    [
        ((0.4, 0.1, 0.7), "+40 % (+10 % to +70 %)"),
        ((0.06, 0.004, 0.11), "+6.0 % (+0.4 % to +11.0 %)"),
        ((-0.086, -0.09, -0.082), "−8.6 % (−9.0 % to −8.2 %)"),
        ((0.0, -0.17, 0.17), "0 % (−17 % to +17 %)"),
        ((-0.5, -np.inf, -0.2), "−50 % (−∞ to −20 %)"),
    ],
)
def test_numbers_have_the_digits_their_interval_allows(
    claims: list[Claim], effect_and_ends: tuple[float, float, float], text: str
) -> None:
    html = effect(made_up(claims[0], "inconclusive", *effect_and_ends))
    assert text in html.replace("\N{NO-BREAK SPACE}", " ")


def test_rows_can_be_ordered_by_every_button(judgements: list[Judgement]) -> None:
    html = parse(scorecard(judgements, {}))
    keys = [str(button["data-key"]) for button in html.select(".cards-order button")]
    assert keys == ["section", "verdict", "effect", "page"]
    for row in html.select("tbody tr"):
        assert all(row.has_attr(f"data-{key}") for key in keys)
        assert float(str(row["data-effect"])) in (-0.4, np.inf)


def test_a_button_orders_the_rows(root: Path, judgements: list[Judgement]) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium here: install the system's package of that name")
    script = (root / "book" / "_static" / "cards.js").read_text()
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET).new_page()
        page.set_content(f"{scorecard(judgements, {})}<script>{script}</script>")

        def order(key: str) -> list[str]:
            page.click(f"button[data-key={key}]")
            assert page.locator("button[aria-pressed=true]").all_inner_texts() == [key]
            return [str(row.get_attribute("id")) for row in page.locator("tbody tr").all()]

        orders = {key: order(key) for key in ("verdict", "page", "effect", "section")}
    claims = {j.current.claim.id: j.current for j in judgements}
    by_section = list(claims)
    assert orders["section"] == by_section
    assert orders["verdict"] == sorted(by_section, key=lambda name: WORDS.index(claims[name].word))
    assert orders["page"] == sorted(by_section, key=lambda name: claims[name].claim.page)
    assert orders["effect"] == sorted(by_section, key=lambda name: np.isnan(claims[name].effect))


def test_what_is_not_html_is_escaped() -> None:
    html = cards(("a<b", "c"), [Row(("x & y", Html("<b>z</b>")), "i")], "<caption>")
    assert "a&lt;b" in html
    assert '<td data-column="a&lt;b">x &amp; y</td><td data-column="c"><b>z</b></td>' in html
    assert "&lt;caption&gt;" in html


def test_a_cell_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        cards(("a", "b"), [Row(("x",))])


def test_several_tables_stand_under_their_names() -> None:
    frame = pd.DataFrame({"a": ["x"]})
    assert titled({"p & q": frame, "r": frame}).splitlines() == [
        *f"<b>p &amp; q</b>{cards_of(frame, 'p & q')}".splitlines(),
        *f"<b>r</b>{cards_of(frame, 'r')}".splitlines(),
    ]


def test_an_effect_of_several_environments_names_the_one_that_decides_and_their_mean(claims: list[Claim]) -> None:
    table = pd.DataFrame(
        {"env": ["Hopper-v5", "side-19"], "treatment": "recall", "baseline": "baseline", "effect": [0.9, 0.4]}
    )
    several = replace(made_up(claims[0], "inconclusive"), per_environment=table, aggregate=Interval(0.65, 0.2, 1.1))
    said = parse(effect(several)).get_text()
    assert said.endswith("share gained, in side 19, which decides; mean of all +65 % (+20 to +110)")
    assert parse(effect(made_up(claims[0], "inconclusive"))).get_text().endswith("share gained")
    arms = replace(several, per_environment=table.assign(baseline=["length-50", "length-10"]), aggregate=None)
    assert parse(effect(arms)).get_text().endswith("share gained, in side 19 against length 10, which decides")
