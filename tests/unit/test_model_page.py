"""The page of a model: what it shows of a ledger, for every kind of model and every reader."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from deployments.ahead import Ahead, Outcome, ScheduleStatus, Upcoming
from deployments.pages.columns import columns_of
from deployments.pages.course import course
from deployments.pages.frame import NARROW, WIDE, Frame
from deployments.pages.rendering import columns, model_page
from deployments.pages.story import Outcome as Ended
from deployments.pages.story import told
from deployments.pages.wording import TRAINED, aged
from deployments.standing import LastRun
from infra.entries import Kind
from tasks.references import Action, Cause, LabelCoverage
from tasks.spec import load_spec
from tests.support.chronicle import Chronicle, month, name_of, year
from tests.support.mornings import NOW, facts
from tests.support.subjects import pending

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the ids that it bears."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.tags.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name."""
        return [attributes for each, attributes in self.tags if each == tag]


def words(page: str) -> str:
    """What a reader reads: without style, tags and needless blanks."""
    plain = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(plain.split())


def test_a_model_that_never_ran_has_a_page_that_says_so() -> None:
    """No champion, no verdict, no data, no schedule: sentences, and no empty picture."""
    page = model_page(facts([]))

    assert "Nothing is in charge yet" in page
    assert "No data came and no window was judged so far." in page
    assert "<svg" not in page
    assert "Prefect&#39;s server did not answer" in page


def test_the_page_says_who_is_in_charge_and_how_the_last_window_was() -> None:
    """The morning's question is answered above the first picture."""
    page = words(model_page(facts(year().records)))

    assert "version 2" in page
    assert "roc_auc, 2013-05 0.710 0.010 worse than was expected of these rows" in page
    assert "98.0% of 28,135 predictions have their label" in page
    assert "The batch 2013-04 is on hold" in page


@pytest.mark.parametrize("cause", list(Cause))
def test_why_a_version_was_trained_is_told_in_words(cause: Cause) -> None:
    """Each cause has its own: nothing is trained for person."""
    assert TRAINED[cause].split()[0] in {"by", "for", "on"}


def test_ages_of_rows_are_told_in_one_unit() -> None:
    """Rows that have just come are none seconds old."""
    ages = LabelCoverage(least=timedelta(0), most=timedelta(days=6), rows=9, labelled=4, overdue=0)

    assert aged(ages) == "0 to 6 days"


def test_a_waiting_review_comes_before_all_else() -> None:
    """Somebody waits for an answer: the first words link to where it is given."""
    page = model_page(facts(year().records, waiting=(pending(NOW),)))

    assert "<strong>A decision waits.</strong>" in page
    assert 'href="http://127.0.0.1:1/run"' in page


def test_a_failed_run_and_what_does_not_agree_are_told_first() -> None:
    """What is wrong is not looked for further down."""
    run = LastRun(state="Crashed", at=NOW, run_url="http://127.0.0.1:1/r", failed=True)

    page = model_page(facts(year().records, last={"score": run}, troubles=("Serves another.",)))

    assert "Something is wrong. The last run of score crashed" in words(page)
    assert "Serves another." in page


def test_a_void_decision_is_marked_as_one_that_led_to_nothing() -> None:
    """Neither the review nor the training that it was about counts as let in."""
    story = told(year().records)

    page = model_page(facts(year().records))

    assert [each.outcome for each in story.reviewed] == [Ended.APPROVED, Ended.VOID]
    assert [each.outcome for each in story.trained] == [
        Ended.PROMOTED,
        Ended.PROMOTED,
        Ended.REFUSED,
        Ended.VOID,
    ]
    assert [each.version for each in story.reigns] == [1, 2]
    assert "void: led to nothing" in page
    assert page.count('class="event void"') >= 2


def test_a_window_that_was_judged_again_counts_as_it_was_judged_last() -> None:
    """A late label changes a verdict; the page shows the one that stands."""
    chronicle = Chronicle()
    chronicle.judged("2013-05", month(5), Action.RETRAIN)
    chronicle.judged("2013-05", month(6), Action.REST)

    [window] = told(chronicle.records).judged

    assert (window.action, window.as_of) == (Action.REST, month(6))


def test_whatever_names_and_reasons_hold_is_shown_as_text() -> None:
    """They come from users and from data: nothing of them runs, and none of it is lost."""
    chronicle = year()
    chronicle.judged("2013-06", month(6), Action.ALERT, psi={HOSTILE: 0.4})
    chronicle.answered(month(3), "e2", approved=True, reason=HOSTILE)
    spec = load_spec("flights").model_copy(update={"title": HOSTILE, "owner": HOSTILE})

    page = model_page(facts(chronicle.records, spec=spec, troubles=(HOSTILE,)))

    elements = Elements(page)
    assert elements.named("script") == []
    assert elements.named("img") == []
    assert not any(name.startswith("on") for _, given in elements.tags for name in given)
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_the_page_is_one_file_that_asks_nobody_for_anything() -> None:
    """It opens from a disk on a train: styles, pictures and icon are in it."""
    page = model_page(facts(year().records))

    elements = Elements(page)
    assert {given["rel"] for given in elements.named("link")} == {"icon"}
    assert all(str(given["href"]).startswith("data:") for given in elements.named("link"))
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in elements.tags}
    assert "url(" not in page
    assert "@import" not in page
    [policy] = [given for given in elements.named("meta") if "http-equiv" in given]
    assert str(policy["content"]).startswith("default-src 'none'")


def test_every_picture_has_a_name_and_its_numbers_in_a_table() -> None:
    """Whoever does not see the picture reads the same; ids are told once."""
    page = model_page(facts(year().records))

    elements = Elements(page)
    ids = [str(given["id"]) for _, given in elements.tags if "id" in given]
    pictures = [given for given in elements.named("svg") if given.get("role") == "img"]
    assert len(pictures) == 6, "three pictures, for a desk and for a phone"
    for given in pictures:
        assert set(str(given["aria-labelledby"]).split()) <= set(ids)
    assert len(ids) == len(set(ids))
    assert len(elements.named("table")) >= 5
    assert all("scope" in given for given in elements.named("th"))


@pytest.mark.parametrize(("windows", "features"), [(1, 1), (60, 200), (90, 3)])
def test_a_page_fits_whatever_the_model_is(windows: int, features: int) -> None:
    """One window or five years, one feature or two hundred: nothing leaves its picture."""
    chronicle = Chronicle()
    for number in range(windows):
        psi = {f"feature_{each}": (each + number) % 7 / 10 for each in range(features)}
        chronicle.judged(name_of(number), month(number + 1), psi=psi)

    page = model_page(facts(chronicle.records))

    widths = [float(given["width"] or 0) for given in Elements(page).named("svg")]
    assert max(widths) <= WIDE.width + 1
    assert len(page) < 1_500_000
    for rect in Elements(page).named("rect"):
        assert 0 <= float(rect.get("x") or 0) <= WIDE.width
    assert ("of 200 features" in page) is (features == 200)


def test_columns_are_the_windows_and_the_gaps_between_them() -> None:
    """A month that was not judged is an empty column, and breaks the line."""
    found = columns_of([(name, NOW) for name in ("2013-03", "2013-06", "2013-05")], "UTC")

    assert [each.name for each in found] == ["2013-03", "2013-04", "2013-05", "2013-06"]
    assert [each.label for each in found] == ["Mar", "Apr", "May", "Jun"]
    chronicle = Chronicle()
    for number in (2, 3, 5, 6):
        chronicle.judged(name_of(number), month(number + 1))
    assert model_page(facts(chronicle.records)).count('<polyline class="course"') == 4


def test_years_and_days_have_labels_of_their_own() -> None:
    """A yearly survey says the year, a daily feed the day above its month."""
    years = columns_of([(f"{each}", NOW) for each in (2015, 2016)], "UTC")
    days = columns_of([("2013-07-31", NOW), ("2013-08-01", NOW)], "UTC")

    assert [(each.label, each.above) for each in years] == [("2015", ""), ("2016", "")]
    assert [(each.label, each.above) for each in days] == [("31", "Jul 2013"), ("1", "Aug 2013")]


def test_a_table_without_time_has_a_column_for_each_look_at_it() -> None:
    """Its one window is judged again and again, and each verdict is kept."""
    chronicle = Chronicle()
    for number in range(3):
        chronicle.judged("all", month(number))

    story = told(chronicle.records)

    assert len(story.judged) == 3
    assert len(columns(story, "UTC")) == 3
    assert "<svg" in model_page(facts(chronicle.records))


def test_deliveries_of_a_table_without_time_are_drawn_from_one_to_the_next() -> None:
    """Each is in the table until another replaces it; only the newest may wait for somebody."""
    chronicle, day = Chronicle(), timedelta(days=1)
    for number in range(4):
        came = month(5) + 7 * number * day
        chronicle.batch("all", came, "hold" if number in {1, 3} else "accept")
        if number < 3:
            chronicle.judged("all", came + timedelta(hours=4))

    story = told(chronicle.records)
    drawn = course(story, "roc_auc", Frame(columns(story, "UTC"), WIDE))

    [data] = [each for each in drawn.lanes if each.name == "Data"]
    assert [each.kind for each in data.marks] == [
        "batch accept", "batch hold", "batch accept", "batch hold",
    ]  # fmt: skip
    assert all(each.x + each.width < after.x for each, after in pairwise(data.marks))
    assert len(columns(story, "UTC")) == 4
    assert [each.as_of for each in story.held] == [month(5) + 21 * day]
    chronicle.batch("all", month(8))
    assert told(chronicle.records).held == ()


def test_what_happened_stands_at_its_own_time() -> None:
    """Within its window's column; before all of them or since, beside them."""
    shared = columns_of([("2013-05", NOW), ("2013-06", NOW)], "UTC")
    frame = Frame(shared, WIDE)

    middle = frame.at(datetime(2013, 5, 16, 12, tzinfo=UTC))

    assert abs(middle - frame.middle(0)) < 1
    assert frame.at(datetime(2012, 1, 1, tzinfo=UTC)) < frame.first
    assert frame.last < frame.at(datetime(2014, 1, 1, tzinfo=UTC)) < frame.end
    assert frame.at(datetime(2013, 6, 1, tzinfo=UTC)) == frame.edge(1)


def test_a_phone_shows_the_newest_windows_at_the_size_of_its_screen() -> None:
    """Nothing is shrunk until nobody can read it."""
    shared = columns_of([(name_of(number), NOW) for number in range(40)], "UTC")

    frame = Frame(shared, NARROW)

    assert [each.name for each in frame.columns][-1] == "2016-04"
    assert len(frame.columns) == NARROW.most
    assert frame.width <= 347


def test_labels_of_many_windows_do_not_cover_each_other() -> None:
    """Of sixty months every other one is named, and each year once."""
    frame = Frame(columns_of([(name_of(each), NOW) for each in range(60)], "UTC"), WIDE)

    labels = list(frame.labels())

    gaps = [later.x - each.x for each, later in pairwise(labels)]
    assert min(gaps) >= 3 * 6
    years = [each.above for each in labels if each.above]
    assert years == ["2013", "2014", "2015", "2016", "2017"]


def test_what_comes_next_is_shown_day_by_day_with_its_reason() -> None:
    """A strip of days for each schedule, and the times as a table below."""
    at = datetime(2013, 8, 5, 6, tzinfo=UTC)
    runs = Upcoming(
        flow="ingest", schedule="daily", due=at, at=at, timezone="UTC", outcome=Outcome.RUNS, why=""
    )
    moved = runs.model_copy(update={"at": at.replace(day=6), "why": "Labour <Day>"})
    schedule = ScheduleStatus(
        flow="ingest", name="daily", rule="0 6 * * *", timezone="UTC", active=True, late="all",
        runs=2, next=at, said="",
    )  # fmt: skip
    coming = Ahead(schedules=(schedule,), upcoming=(runs, moved))

    page = model_page(facts(year().records, coming=coming))

    assert page.count('class="runs"') == 1
    assert page.count('class="moved"') == 1
    assert "Labour &lt;Day&gt;" in page
    assert "Mon 5 Aug 06:00 UTC, in 3 days" in words(page)


def test_the_last_proof_of_the_watching_is_told_shift_by_shift() -> None:
    """Whether it passed, how often it alarmed for nothing, and what it did not see."""
    chronicle = year()
    chronicle.proof(month(6), passed=True)
    chronicle.proof(month(7), passed=False)

    page = words(model_page(facts(chronicle.records)))

    assert "failed 1 Aug 2013: unit was seen in 3 of 5. 0.25 false alarms a year" in page
    assert "unit 1 (gross) 3 of 5 contract hold" in page
    assert "perennial verify continuous flights" in words(model_page(facts(year().records)))


def test_a_rollback_since_the_last_window_is_named_beside_the_picture() -> None:
    """Who is in charge now is read off it, however short the time."""
    chronicle = year()
    chronicle.crowned(1, month(7), kind=Kind.ROLLBACK)
    story = told(chronicle.records)

    drawn = course(story, "roc_auc", Frame(columns(story, "UTC"), WIDE))

    [lane] = [each for each in drawn.lanes if each.name == "In charge"]
    assert [each.text for each in lane.marks] == ["version 1", "version 2", ""]
    assert lane.marks[-1].beside == "v1"
    assert "in charge again" in lane.marks[-1].title
