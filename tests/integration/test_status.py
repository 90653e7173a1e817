"""How a model stands: from a real ledger and a real Prefect server, in the documented schema."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Running, Scheduled
from typer.testing import CliRunner

from deployments.ahead import Outcome
from deployments.cli import build
from deployments.plan import FLOWS
from deployments.standing import Status, status
from infra.addresses import addresses
from infra.entries import Entry, Kind
from infra.errors import BackendError, ConfigError
from infra.ledger import Ledger
from infra.settings import PROJECT
from tests.support.homes import environment
from tests.support.subjects import bento, candidate, comparison

AS_OF = datetime(2013, 5, 1, tzinfo=UTC)


@pytest.fixture
def client(home: Path) -> Iterator[SyncPrefectClient]:
    """A client of Prefect's server."""
    with get_client(sync_client=True) as client:
        yield client


def recorded(kind: Kind, subject: str, payload: Mapping[str, object], reason: str = "") -> None:
    """A decision in the ledger."""
    given = {"kind": kind, "model": "flights", "as_of": AS_OF, "subject": subject}
    Ledger().append(Entry.model_validate({**given, "payload": payload, "reason": reason}))


def crowned(version: int) -> None:
    """A version put in charge."""
    payload = {
        "candidate": candidate(version).model_dump(mode="json"),
        "bento": bento(version).model_dump(mode="json"),
    }
    recorded(Kind.PROMOTION, f"candidate-{version}", payload)


def judged(version: int, verdict: str, why: str) -> None:
    """A candidate that came before the gates."""
    payload = {
        "version": version,
        "verdict": verdict,
        "comparison": comparison().model_dump(mode="json"),
    }
    recorded(Kind.GATE, f"candidate-{version}", payload, why)


def published(document: str) -> dict[str, object]:
    """The JSON schema that a document shows."""
    block = re.search(r"```json\n(.*?)```", (PROJECT / document).read_text("utf-8"), re.DOTALL)
    assert block is not None
    schema: dict[str, object] = json.loads(block[1])
    return schema


def test_a_model_without_history_has_no_champion_and_no_runs(home: Path) -> None:
    """What is not there is null, and every flow is listed all the same."""
    found = status("flights")

    assert found.model_copy(update={"schedules": (), "next_30_days": ()}) == Status(
        model="flights",
        champion=None,
        candidates=(),
        last=dict.fromkeys(FLOWS),
        pending_reviews=(),
        verdict=None,
        differs=(),
        schedules=(),
        next_30_days=(),
    )


def test_the_days_to_come_are_as_prefect_holds_them(home: Path) -> None:
    """Flights was deployed paused: each time is there, and says so."""
    found = status("flights")

    assert [(each.name, each.active, each.said) for each in found.schedules] == [
        ("ingest-1", False, ""),
        ("score-1", False, ""),
        ("monitor-1", False, ""),
    ]
    assert {each.outcome for each in found.next_30_days} == {Outcome.PAUSED}
    assert {each.flow for each in found.next_30_days} == {"ingest", "monitor", "score"}
    assert all(each.at and each.at.day == 1 for each in found.next_30_days)


def test_without_a_name_the_days_to_come_of_all_models_follow_the_servers(home: Path) -> None:
    """For machines under ``ahead``, by model; null where Prefect's server does not run."""
    printed = CliRunner().invoke(build(), ["status", "--json"])

    assert printed.exit_code == 0, printed.output
    facts = json.loads(printed.stdout)
    assert {each["name"] for each in facts["servers"]} >= {"prefect", "worker"}
    assert set(facts["ahead"]) == {"employment", "flights"}
    assert [each["active"] for each in facts["ahead"]["flights"]["schedules"]] == [False] * 3
    assert {each["said"] for each in facts["ahead"]["employment"]["schedules"]} == {
        "It is declared, and not in Prefect: run `perennial deploy`."
    }


def test_the_champion_is_told_by_what_it_was_made_of(home: Path) -> None:
    """Version, metric, data and commit name the training exactly."""
    crowned(2)

    champion = status("flights").champion

    assert champion is not None
    assert (champion.version, champion.metric, champion.value) == (2, "roc_auc", 0.71)
    assert (champion.data_version, champion.commit) == ("v" * 64, "c" * 40)
    assert champion.bento == "flights:2"


def test_candidates_are_listed_newest_first_with_what_the_gates_said(home: Path) -> None:
    """A refused candidate is worth as much to a reader as a promoted one."""
    judged(1, "promote", "beats the baseline")
    judged(2, "refuse", "gained too little")

    found = status("flights").candidates

    assert [(each.version, each.verdict, each.why) for each in found] == [
        (2, "refuse", "gained too little"),
        (1, "promote", "beats the baseline"),
    ]


def test_the_last_run_is_the_newest_that_has_begun(client: SyncPrefectClient) -> None:
    """What is only scheduled has not run; a run has the name of its outcome and a page."""
    deployment = client.read_deployment_by_name("train/flights").id
    states: list[State[None]] = [Completed(name="Refused"), Completed(name="Promoted")]
    for state in [*states, Scheduled()]:
        run = client.create_flow_run_from_deployment(deployment, parameters={"model": "flights"})
        if not state.is_scheduled():
            client.set_flow_run_state(run.id, Running(), force=True)
            client.set_flow_run_state(run.id, state, force=True)
            newest = run.id
        time.sleep(0.05)

    last = status("flights").last

    assert last["train"] is not None
    assert last["train"].state == "Promoted"
    assert last["train"].run_url == addresses().run(newest)
    assert last["ingest"] is None


def test_a_review_that_waits_is_listed_with_its_page(client: SyncPrefectClient) -> None:
    """The page is where a person answers."""
    deployment = client.read_deployment_by_name("review/flights").id
    parameters = {"model": "flights", "subject": "drift", "evidence": "somewhere"}
    run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
    asked = {
        "run": str(run.id),
        "name": run.name,
        "subject": "drift",
        "deadline": "2013-05-04T00:00:00+00:00",
        "default": "refuse",
        "uri": "somewhere",
    }
    recorded(Kind.QUESTION, "evidence", asked, "May the world have moved?")

    [pending] = status("flights").pending_reviews

    assert pending.run_url == addresses().run(run.id)
    assert pending.title == "May the world have moved?"


def test_the_verdict_is_the_last_that_monitoring_reached(home: Path) -> None:
    """With its window, what it asks for, and why."""
    recorded(Kind.DRIFT, "july", {"window": "2013-07", "action": "rest"}, "roc_auc stands")
    recorded(Kind.DRIFT, "august", {"window": "2013-08", "action": "retrain"}, "roc_auc fell")

    verdict = status("flights").verdict

    assert verdict is not None
    assert (verdict.window, verdict.action, verdict.reasons) == (
        "2013-08",
        "retrain",
        "roc_auc fell",
    )
    assert (verdict.weights, verdict.unjudged) == ({}, ())


def test_a_verdict_shows_how_heavy_its_causes_are_and_what_was_not_judged(home: Path) -> None:
    """People and machines read the same, the heaviest cause first."""
    cause = {"action": "alert", "sentence": "It moved."}
    causes = [{**cause, "kind": "target", "weight": 0.3}, {**cause, "kind": "value", "weight": 0.6}]
    facts = {"window": "2013-09", "action": "alert", "causes": causes, "unjudged": ["Slices: few."]}
    recorded(Kind.DRIFT, "september", facts, "It moved.")

    done = CliRunner().invoke(build(), ["status", "flights"], env={"COLUMNS": "200"})
    verdict = status("flights").verdict

    assert "By weight, 0.5 at twice the limit: value 0.60, target 0.30." in done.stdout
    assert "Not judged: Slices: few." in done.stdout
    assert verdict is not None
    assert list(verdict.weights.values()) == [0.6, 0.3]


def test_the_documented_schema_is_the_one_in_force() -> None:
    """``docs/status-schema.md`` shows what the code produces, to the letter."""
    assert published("docs/status-schema.md") == Status.model_json_schema(mode="serialization")


def test_what_is_printed_validates_against_the_documented_schema(home: Path) -> None:
    """With a champion and without one."""
    schema = published("docs/status-schema.md")
    printed = []
    for version in (0, 1, 2):
        if version:
            judged(version, "promote", "better")
            crowned(version)
        done = CliRunner().invoke(build(), ["status", "flights", "--json"])
        assert done.exit_code == 0, done.output
        printed.append(json.loads(done.stdout))

    for each in printed:
        jsonschema.validate(each, schema)
    assert [each["champion"] is None for each in printed] == [True, False, False]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**printed[0], "champion": "version 1"}, schema)


def test_people_see_the_same_facts(home: Path) -> None:
    """Without ``--json`` it is a few lines and tables."""
    crowned(2)
    judged(2, "promote", "better by far")

    done = CliRunner().invoke(build(), ["status", "flights"], env={"COLUMNS": "200"})

    assert done.exit_code == 0, done.output
    assert "version 2 is in charge" in done.stdout
    assert "better by far" in done.stdout
    assert "Next 30 days" in done.stdout
    assert "0 6 1 * * UTC" in done.stdout


def test_a_model_that_has_nothing_is_begun_with_its_data(home: Path) -> None:
    """A training without data ends in red; with a window it is the next thing to do."""
    before = CliRunner().invoke(build(), ["status", "flights"], env={"COLUMNS": "200"})
    recorded(Kind.INGEST, "batch", {"window": "2013-04", "ending": "accept"})
    after = CliRunner().invoke(build(), ["status", "flights"], env={"COLUMNS": "200"})

    begin = "flights: nothing is in charge yet."
    assert f"{begin} Ingest a window to begin: `prefect deployment run 'ingest/flights'`." in (
        before.stdout
    )
    assert f"{begin} Train a version to begin: " in after.stdout
    assert status("flights").newest_window == "2013-04"


def test_a_model_that_nobody_declared_is_a_mistake(home: Path) -> None:
    """The message lists those that are declared."""
    with pytest.raises(ConfigError, match="flights"):
        status("fligths")


def test_a_database_that_is_gone_is_a_sentence_with_a_hint(home: Path) -> None:
    """Not a traceback of a driver."""
    gone = {"PERENNIAL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9"}

    with environment(gone), pytest.raises(BackendError):
        status("flights")
