"""The numbers of a page: tables that are whole, names that are told apart, money and limits."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import JsonValue

from deployments.pages.frame import NAMED, NARROW, WIDE, Frame, Size
from deployments.pages.heat import coverage, heat
from deployments.pages.names import shortened
from deployments.pages.numbers import numbers_of
from deployments.pages.rendering import columns, model_page
from deployments.pages.story import Outcome, told
from deployments.pages.wording import newest_judged
from infra.entries import Kind
from tasks.monitoring.spec import ObjectiveSpec, RosterSpec, ValueSpec
from tasks.references import Action
from tasks.spec import ModelSpec, load_spec
from tests.support.chronicle import Chronicle, month, name_of, year
from tests.support.mornings import facts


def windows(many: int) -> Chronicle:
    """A model of so many months, of which each has data, a verdict and a training."""
    chronicle = Chronicle()
    for number in range(many):
        chronicle.batch(name_of(number), month(number + 1))
        chronicle.judged(name_of(number), month(number + 1))
        chronicle.gate(number + 1, month(number + 1), "refuse", f"e{number}")
    return chronicle


def spec_with(**watched: object) -> ModelSpec:
    """The declaration of flights, with some of what is watched in another way."""
    spec = load_spec("flights")
    return spec.model_copy(update={"monitoring": spec.monitoring.model_copy(update=watched)})


def cells(page: str) -> str:
    """A page's tables, rows apart."""
    return re.sub(r"<[^>]+>", " ", "\n".join(re.findall(r"<tr.*?</tr>", page, re.DOTALL)))


def test_the_tables_hold_every_window_that_is_drawn() -> None:
    """Sixty windows in the pictures are sixty rows and sixty columns below them."""
    page = model_page(facts(windows(60).records))

    [names] = re.findall(r"<thead><tr><th scope=\"col\">feature</th>(.*?)</tr>", page)
    assert len(re.findall(r"\d{4}-\d{2}", names)) == 60
    for number in range(60):
        rows = [row for row in cells(page).splitlines() if name_of(number) in row]
        assert len(rows) >= 3, "judged, a batch, and a column of the features"


def test_a_phone_says_how_many_windows_it_draws() -> None:
    """What is left out is told where it is left out, and only there."""
    long, short = model_page(facts(windows(30).records)), model_page(facts(windows(3).records))

    assert long.count('<figcaption class="narrow">The newest 12 of 30 windows.') == 3
    assert "The newest" not in short


def test_a_phone_whose_windows_were_not_compared_says_so() -> None:
    """Only older windows were: a desk shows them, and the page is there all the same."""
    chronicle = Chronicle()
    for number in range(20):
        psi = {"hour": 0.3} if number < 5 else {}
        chronicle.judged(name_of(number), month(number + 1), psi=psi, rows=9 if number < 5 else 0)

    page = model_page(facts(chronicle.records))

    assert page.count("The newest 12 of 20 windows have nothing to show here.") == 2
    assert page.count("Drift of each feature by window</title>") == 1


def test_reigns_are_a_table_that_names_who_and_why() -> None:
    """A rollback is marked, with the person who did it and the reason that was given."""
    chronicle = year()
    first = next(each for each in chronicle.records if each.kind is Kind.PROMOTION)
    chronicle.add(Kind.ROLLBACK, month(6), first.payload, "It lost money.", "back", "carol")

    page = model_page(facts(chronicle.records))

    rows = re.findall(r"<tr class=back>(.*?)</tr>", page, re.DOTALL)
    assert len(rows) == 1
    assert all(each in rows[0] for each in ("↩ rollback", "carol", "It lost money.", "2013-07-01"))


def test_a_candidate_that_may_take_over_and_has_not_is_told_apart() -> None:
    """Approved is not in charge: its promotion waits, runs or failed."""
    chronicle = year()
    chronicle.gate(5, month(6), "ask", "e5")
    chronicle.answered(month(6), "e5", approved=True)
    chronicle.gate(6, month(7), "promote", "e6")

    story = told(chronicle.records)

    assert [each.outcome for each in story.trained[-2:]] == [Outcome.ALLOWED] * 2
    assert cells(model_page(facts(chronicle.records))).count("approved, not in charge yet") == 2


def test_what_moved_is_what_the_verdict_says_moved() -> None:
    """A PSI that chance makes of few rows is no drift; an old record has the limit alone."""
    chronicle = Chronicle()
    chronicle.judged("2013-04", month(4), psi={"hour": 0.9, "dest": 0.5})
    chronicle.judged("2013-05", month(5), psi={"hour": 0.9, "dest": 0.5}, moved=["hour"])
    story = told(chronicle.records)

    drawn = heat(story, 0.2, Frame(columns(story, "UTC"), WIDE))
    page = model_page(facts(chronicle.records))

    assert drawn is not None
    beyond = {row.name: [cell.beyond for cell in row.cells] for row in drawn.rows}
    assert beyond == {"dest": [True, False], "hour": [True, True]}
    assert "1 of 2 features moved (PSI above 0.2)" in page
    assert page.count('<td class="n moved">') == 3
    assert "PSI 0.500, no more than chance makes of so few rows" in page


@pytest.mark.parametrize("letters", [8, 14, 18, 32])
def test_names_that_are_cut_stay_apart(letters: int) -> None:
    """By the words that are their own, wherever in the name they stand."""
    names = [
        f"customer_account_{what}_value_rolling_{days:02d}_days_before_purchase"
        for what in ("lifetime", "monthly")
        for days in range(20)
    ]
    alike = [*names, "hour", "a" * 40, "a" * 41, "a" * 42]

    short = shortened(alike, letters)

    assert len(set(short.values())) == len(alike)
    assert max(map(len, short.values())) <= letters
    assert short["hour"] == "hour"


@pytest.mark.parametrize("size", [WIDE, NAMED])
def test_the_left_side_of_a_heat_map_is_as_wide_as_its_names(size: Size) -> None:
    """Short names leave the room to the windows, long ones take no more than half of a phone."""
    short, long = size.beside(["ab"]), size.beside(["x" * 80])

    assert short.left == size.left
    assert long.left == size.widest <= size.width / 2
    assert len("carrier_delay3h") <= size.beside(["carrier_delay3h"]).letters


def test_rows_have_a_scale() -> None:
    """From none to about the most, in few and round numbers."""
    story = told(year().records)

    drawn = coverage(story, Frame(columns(story, "UTC"), NARROW))

    assert drawn is not None
    assert [rows for _, rows in drawn.ticks] == ["0", "10k", "20k"]
    assert all(later < y for (y, _), (later, _) in pairwise(drawn.ticks))


def test_money_stands_beside_the_metric() -> None:
    """A bar for each window in the picture, a column in the table, a tile for the newest."""
    chronicle = Chronicle()
    for number, worth in enumerate((1_234_567.0, -20_000.0)):
        numbers = {"roc_auc": 0.7, "value": worth, "value_gained": 300.0}
        chronicle.judged(name_of(number), month(number + 1), metrics=numbers)
    spec = spec_with(value=ValueSpec(currency="CHF"))

    page = model_page(facts(chronicle.records, spec=spec))
    without = model_page(facts(year().records, spec=spec))

    assert page.count('<rect class="gain"') == 3, "one in either picture, and one in the legend"
    assert page.count('<rect class="loss"') == 2
    assert "2013-01: 1,234,567 CHF, 300.00 CHF more than acting without predictions" in page
    assert "1,234,567 CHF" in cells(page)
    assert '<dd class="value">-20,000 CHF</dd>' in page
    assert "Worth" not in without


def test_every_number_is_in_its_unit_beside_its_limit() -> None:
    """Shares are percentages, counts have no decimals, and what is above its limit says so."""
    watched = spec_with(
        value=ValueSpec(currency="EUR", least=2.0),
        objective=ObjectiveSpec(within=timedelta(hours=1), share=0.95),
        rosters=(RosterSpec(column="dest", may_miss=2),),
    )
    numbers = {
        "roc_auc": 0.71234, "rmse": 1234.5, "novelty": 0.07, "severity": 0.3, "fall": -0.5,
        "calibration_gap": -0.06, "late": 0.01, "absent": 0.0, "overdue": 1200.0,
        "overdue_days": 3.21, "value": 1_234_567.0, "staleness": 0.8,
    }  # fmt: skip
    chronicle = Chronicle()
    chronicle.judged("2013-05", month(5), metrics=numbers)
    newest = newest_judged(facts(chronicle.records))

    assert newest is not None
    assert {each.name: (each.text, each.limit) for each in numbers_of(newest, watched)} == {
        "roc auc": ("0.7123", ""),
        "rmse": ("1,234", ""),
        "novelty": ("7.0%", "limit 25%"),
        "severity": ("0.3000", "above 0.25"),
        "fall": ("-0.5000", "limit 0.02"),
        "calibration gap": ("-0.0600", "above 0.05"),
        "late": ("1.0%", "limit 5%"),
        "absent": ("0", "limit 2"),
        "overdue": ("1,200", "limit 5% of the predictions"),
        "overdue days": ("3.2 d", ""),
        "value": ("1,234,567 EUR", "at least 2.00 a row"),
        "staleness": ("80.0%", "above 75%"),
    }


def test_why_is_told_by_weight_with_what_could_not_be_judged() -> None:
    """The causes of the newest window stand in the verdict's order, each with its weight."""
    causes: JsonValue = [
        {"kind": kind, "action": "alert", "weight": weight, "sentence": f"{kind} moved."}
        for kind, weight in (("novelty", 0.62), ("features", 0.31))
    ]
    chronicle = Chronicle()
    chronicle.judged(
        "2013-05", month(5), Action.ALERT, causes=causes, unjudged=["Target: no labels."]
    )

    page = model_page(facts(chronicle.records))

    [listed] = re.findall(r'<ol class="causes">(.*?)</ol>', page, re.DOTALL)
    assert re.findall(r"0\.\d\d|\w+ moved", listed) == [
        "0.62",
        "novelty moved",
        "0.31",
        "features moved",
    ]
    assert "<li>Target: no labels.</li>" in page


def test_only_a_page_that_is_served_asks_for_itself_again() -> None:
    """A file is of its day, and stays so."""
    found = facts(year().records, now=datetime(2013, 8, 2, tzinfo=UTC))

    assert 'http-equiv="refresh" content="300"' in model_page(found, 300)
    assert "refresh" not in model_page(found)
