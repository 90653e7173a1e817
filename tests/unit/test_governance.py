"""What a reviewer reads and says: pages that no data can break, answers that count."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.governance.answers import DEADLINE, Answer, default_answer, faults
from tasks.governance.authorship import Authorship
from tasks.governance.pages import (
    batch_page,
    candidate_page,
    drift_page,
    escaped,
    ingested_page,
    trained_page,
)
from tasks.governance.spec import ApprovalSpec
from tasks.references import Action, Ask, Conclusion, VerdictCause, WatchKind
from tests.support.subjects import batch, bento, candidate, comparison, drift, finding

_HOSTILE = "=cmd()|<img src=x onerror=alert(1)> [a](javascript:x) `code` http://evil.example\n# h"


def answer(**changes: Any) -> Answer:  # noqa: ANN401 - fields of every type
    """An answer that counts but for what is given."""
    return Answer(**{"approve": True, "reason": "It is well.", "reviewer": "ann"} | changes)


@given(st.text())
def test_escaped_text_holds_no_markup(text: str) -> None:
    """Whatever a cell held, it is one line without HTML, table bars, code or links."""
    shown = escaped(text)

    assert "\n" not in shown
    assert "://" not in shown.replace("\\://", "")
    assert "www." not in shown.lower()
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_\[\]<>&@]", shown)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=100))
def test_escaped_text_is_the_text_behind_backslashes(text: str) -> None:
    """Nothing is shown in the place of a character: Prefect's pages know few entities."""
    assert re.sub(r"\\(.)", r"\1", escaped(text)) == text


@given(st.text(max_size=100))
def test_the_hostile_examples_of_a_batch_change_no_other_line(text: str) -> None:
    """A page has as many lines with an odd example as with a tame one."""
    tame = batch_page(batch(finding("odd", "x")))[1]

    odd = batch_page(batch(finding(text, text)))[1]

    assert len(odd.splitlines()) == len(tame.splitlines())


def test_a_batch_shows_its_numbers_its_findings_and_its_report() -> None:
    """What a reviewer decides by stands on the form itself."""
    title, markdown = batch_page(batch(finding("distances look like kilometres", _HOSTILE)))

    assert title == "flights: the batch 2013-04 is on hold"
    assert "| flights | 90 | 10 |" in markdown
    assert "distances look like kilometres" in markdown
    assert "(http://127.0.0.1:1/report.html)" in markdown
    assert "\\<img" in markdown
    assert "http\\://evil.example" in markdown


def test_a_candidate_is_shown_beside_the_champion() -> None:
    """The gain with its interval, the holdout, where the candidate comes from."""
    title, markdown = candidate_page(candidate(2), bento(2), comparison(0.02), Ask(why="by cause"))

    assert title == "flights: may version 2 take over?"
    assert "| roc\\_auc | on 1,234 rows |" in markdown
    assert "| version 2 | 0.7200 |\n| version 1 | 0.7000 |" in markdown
    assert "| gain | +0.0200 |\n| interval | +0.0100 to +0.0300 |" in markdown
    assert "The gates say: by cause" in markdown
    assert "cccccccccccc" in markdown
    assert "git could not tell" in markdown


def test_a_candidate_names_who_wrote_what_is_new() -> None:
    """Who may not approve it; hostile names are shown as they are."""
    judged = (candidate(2), bento(2), comparison(0.02), Ask(why="by cause"))
    people = ("Ann Lee <ann@example.org>", "<img src=x>", "Bob", "Eve")

    markdown = candidate_page(*judged, Authorship(people))[1]
    dirty = candidate_page(*judged, Authorship((), ("trainer.py",)))[1]

    assert "written by Ann Lee \\<ann\\@example.org\\>" in markdown
    assert "Bob and 1 more." in markdown
    assert "\\<img" in markdown
    assert "What is new in its folder: nothing." in candidate_page(*judged, Authorship(()))[1]
    assert "nothing that was committed. **Not committed" in dirty
    assert "trainer.py" in dirty


def test_a_run_is_shown_what_came_of_it_without_a_question() -> None:
    """On an ingest's and a training's page the facts are those of the form, nothing to decide."""
    ingested = ingested_page(batch(finding("distances look like kilometres")))
    trained = trained_page(candidate(2), bento(2), comparison(0.02), Ask(why="by cause"))

    assert ingested[0] == "flights 2013-04: hold"
    assert trained[0] == "flights: version 2, the gates say ask"
    assert "distances look like kilometres" in ingested[1]
    assert "The gates say: by cause" in trained[1]
    assert "Approve" not in ingested[1] + trained[1]


def test_a_first_candidate_has_nobody_to_stay_in_charge() -> None:
    """Where it is refused, no version is in charge, as before."""
    judged = (candidate(1), bento(1), comparison(0.02), Ask(why="by cause"))
    first = judged[2].model_copy(update={"against": "baseline"})

    markdown = candidate_page(*judged[:2], first, judged[3])[1]

    assert "**Refuse**: none is in charge." in markdown


def test_a_reviewer_of_drift_reads_first_what_weighs_most_and_what_nobody_could_judge() -> None:
    """Before any table: the form shows few lines until it is scrolled."""
    causes = (
        VerdictCause(kind=WatchKind.FEATURES, action=Action.ALERT, weight=0.9, sentence="Moved."),
        VerdictCause(kind=WatchKind.SLICES, action=Action.ASK, weight=0.2, sentence="A part."),
        VerdictCause(
            kind=WatchKind.PERFORMANCE,
            action=Action.ASK,
            weight=0.7,
            sentence="It fell.",
            rows=1234,
            windows=("2013-06", "2013-07"),
        ),
    )
    unjudged = ("Calibration: 12 labels are too few.",)
    seen = drift().model_copy(update={"causes": causes, "unjudged": unjudged})

    _, markdown = drift_page(seen, Conclusion(action=Action.ASK, why=("It asks once a week.",)))

    places = [
        markdown.index(each)
        for each in (
            "If the world has changed",
            "(http://127.0.0.1:1/drift.html)",
            "100 rows · roc\\_auc 0.6600 · hour moved most, PSI 0.3100",
            "It fell. *(performance → ask, weight 0.70, 1,234 rows, in 2 windows)*",
            "A part.",
            "**Could not be judged**\n\n- Calibration",
            "**More causes**\n\n- Moved. *(features → alert, weight 0.90)*",
            "It asks once a week.",
            "### Performance",
        )
    ]
    assert places == sorted(places)


def test_drift_is_shown_from_the_worst_column_on() -> None:
    """The first row of the table is what moved most."""
    _, markdown = drift_page(drift(hour=0.1, carrier=0.4), Conclusion(action=Action.ASK))

    assert markdown.index("carrier") < markdown.index("hour")
    assert "- roc\\_auc fell by 0.04" in markdown


def test_a_long_table_is_cut_and_says_so() -> None:
    """A form is read, not scrolled."""
    _, markdown = drift_page(
        drift(**{f"column{number}": 0.1 for number in range(50)}), Conclusion(action=Action.ASK)
    )

    assert "and 30 more." in markdown


def test_an_address_that_no_browser_opens_is_no_link() -> None:
    """A file's path or another scheme is left out."""
    page = batch_page(batch().model_copy(update={"report_url": "file:///etc/passwd"}))[1]

    assert "file:" not in page


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reason": ""}, "reason of at least 3 characters"),
        ({"reason": "  ok  "}, "reason of at least 3 characters"),
        ({"reviewer": " "}, "your name"),
        ({"reviewer": DEADLINE}, "give your name"),
        ({"reviewer": " Deadline "}, "give your name"),
        ({"reviewer": "ann\u200b"}, "holds a character that nobody sees"),
        ({"reviewer": "eve"}, "no reviewer of this model; they are ann, bob"),
        ({"reviewer": "x" * 201}, "A name has at most 200 characters; this one has 201."),
        ({"reason": "x" * 2001}, "A reason has at most 2,000 characters; this one has 2,001."),
    ],
)
def test_an_answer_counts_only_with_a_reason_and_a_reviewer(
    changes: dict[str, Any], fault: str
) -> None:
    """Refusing wants them as approving does."""
    approval = ApprovalSpec(reviewers=("ann", "bob"))

    found = [faults(answer(approve=each, **changes), approval) for each in (True, False)]

    assert all(len(each) == 1 and fault in each[0] for each in found)


def test_any_name_may_review_where_none_is_declared() -> None:
    """A small team names nobody."""
    assert faults(answer(reviewer="eve"), ApprovalSpec()) == ()


def test_an_empty_form_is_a_value_that_does_not_count() -> None:
    """A run that is resumed without input must ask again and not fail."""
    assert len(faults(Answer(), ApprovalSpec())) == 2


@pytest.mark.parametrize(("default", "approves"), [("approve", True), ("refuse", False)])
def test_the_default_at_the_deadline_is_the_declared_one(default: str, *, approves: bool) -> None:
    """It says by itself that nobody answered."""
    said = default_answer(default, "2013-05-04 00:00+00:00")

    assert (said.approve, said.reviewer) == (approves, DEADLINE)
    assert "Nobody answered by 2013-05-04" in said.reason
