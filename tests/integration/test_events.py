"""Events, commits and thaws on a real Prefect server with PostgreSQL, and what they start."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Completed
from ruamel.yaml import YAML

from deployments import changes
from deployments.apply import deploy
from deployments.changes import follow_code, follow_events
from deployments.thaws import follow_thaws
from flows.heed import heed
from infra import store
from infra.ledger import Entry, Kind, Ledger
from infra.runs import start
from tasks.data.manifests import append
from tasks.governance import evidence_for_candidate, heed_events, heeding, record_verdict
from tasks.governance.triggers import EventTrigger
from tasks.references import Cause, FeaturePart, Manifest, Refuse, TableVersion
from tests.support.homes import environment, home_on
from tests.support.small_model import rides, write_model
from tests.support.stack import eventually
from tests.support.subjects import bento, candidate, comparison
from tests.unit.test_triggers import manifest

OPENED = EventTrigger(event="airport.opened", resource="desk.*")


@pytest.fixture
def client(api: str) -> Iterator[SyncPrefectClient]:
    """A client of the server that the session shares."""
    assert api
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def model(client: SyncPrefectClient, postgres: str, tmp_path: Path) -> Iterator[str]:
    """A model that was trained once, is deployed, and heeds an event."""
    name = f"m{uuid4().hex[:8]}"
    heeds = {"events": [{"event": OPENED.event, "resource": OPENED.resource}]}
    write_model(tmp_path / "models", name, triggers=heeds)
    with home_on(postgres, tmp_path), environment({"PERENNIAL_MODELS": str(tmp_path / "models")}):
        judged = candidate(2).model_copy(update={"model": name})
        refused = Refuse(why="It gains nothing.")
        evidence = evidence_for_candidate.fn(judged, bento(2), comparison(), refused)
        record_verdict.fn(evidence, refused)
        deploy(name)
        yield name


def runs(client: SyncPrefectClient, flow: str, model: str) -> list[FlowRun]:
    """The runs of a model's flow."""
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[model])),
    )


def sent(client: SyncPrefectClient, resource: str, **fields: object) -> dict[str, object]:
    """An event as it is posted to the server, which an application may do in any language."""
    event = {
        "id": str(uuid4()),
        "occurred": "2026-11-23T06:00:00Z",
        "event": OPENED.event,
        "resource": {"prefect.resource.id": resource},
        **fields,
    }
    client.request("POST", "/events", json=[event])
    return event


def told_from_python(resource: str) -> str:
    """The id of an event that an application has emitted, in a process of its own."""
    source = (
        "import sys; from prefect.events import emit_event; "
        "print(emit_event(sys.argv[1], {'prefect.resource.id': sys.argv[2]}).id)"
    )
    command = [sys.executable, "-c", source, OPENED.event, resource]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_an_event_wakes_the_model_and_starts_one_training(
    client: SyncPrefectClient, model: str
) -> None:
    """From Python; sent again with the same id, or looked at again, it starts nothing."""
    emitted = told_from_python(f"desk.{model}")
    eventually(lambda: runs(client, "heed", model), 60)
    [woken] = runs(client, "heed", model)

    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):  # no log is looked at
        run_flow(heed, flow_run=woken)
    heeded = client.read_flow_run(woken.id).state
    [training] = runs(client, "train", model)
    client.set_flow_run_state(training.id, Completed(), force=True)
    sent(client, f"desk.{model}", id=emitted, occurred=datetime.now(UTC).isoformat())
    second = heed_events.fn(model, (OPENED,), None)

    assert woken.parameters == {"model": model, "event": emitted}
    assert heeded is not None
    assert heeded.name == "Heeded"
    assert heeded.message == f"A training of {model} was asked for by airport.opened."
    assert second == ()
    assert training.parameters["cause"] == "event"
    assert [each.id for each in runs(client, "train", model)] == [training.id]
    [record] = Ledger().entries(model, Kind.EVENT)
    assert (record.subject, record.payload["run"]) == (emitted, str(training.id))
    assert record.actor == f"desk.{model}"


def test_what_the_automation_missed_is_found_by_the_upkeep(
    client: SyncPrefectClient, model: str
) -> None:
    """Deleted by a hand, say. What waits is found again; a malformed event is told once."""
    for each in client.read_automations():
        if each.name.startswith(f"heed/{model}: "):
            client.delete_automation(each.id)
    sent(client, f"desk.{model}", payload={"as_of": "yesterday"})
    newest = sent(client, f"desk.{model}")

    waits = heed_events.fn(model, (OPENED,), "year end, frozen until 2027-01-03", str(newest["id"]))

    def look() -> list[str]:
        return list(follow_events([model], candidate(2).as_of))

    with ThreadPoolExecutor(2) as lookers:  # the upkeep, and somebody at a shell
        # Prefect's settings belong to the context, which a thread does not have by itself.
        looks = [lookers.submit(copy_context().run, look) for _ in range(2)]
    idle, done = sorted(each.result() for each in looks)
    mended = [each for each in deploy(model) if each.name == f"heed/{model}"]

    fault = "as_of is 'yesterday', no time with a zone such as 2026-11-23T06:00:00Z."
    assert waits == (
        f"airport.opened of desk.{model} asks for nothing: {fault}",
        "1 event asks for a training, which waits: year end, frozen until 2027-01-03.",
    )
    assert done == [f"A training of {model} was asked for by airport.opened."]
    assert idle == []
    assert len(runs(client, "train", model)) == 1
    reasons = [each.reason for each in Ledger().entries(model, Kind.EVENT)]
    assert reasons[:2] == [fault, "year end, frozen until 2027-01-03"]
    assert heed_events.fn(model, (OPENED,), None, str(newest["id"])) == (
        f"The event was looked at before: {done[0]}",
    )
    assert [each.change for each in mended] == ["updated"]
    assert any(each.name.startswith(f"heed/{model}: ") for each in client.read_automations())


def test_a_look_that_was_cut_off_finds_the_training_that_it_had_started(
    client: SyncPrefectClient, model: str
) -> None:
    """Killed before it wrote: the event is put on record with that run, and there is no second."""
    event = sent(client, f"desk.{model}")
    heed_events.fn(model, (OPENED,), "not yet", str(event["id"]))
    because = (Cause.EVENT.value, event["id"])
    begun = start("train", model, because=because, cause=Cause.EVENT, as_of=candidate(2).as_of)

    [beside] = heed_events.fn(model, (OPENED,), None)
    client.set_flow_run_state(UUID(begun), Completed(), force=True)
    [after] = heed_events.fn(model, (OPENED,), None)

    assert beside.endswith("goes on.")
    assert after == f"A training of {model} was asked for by airport.opened."
    assert [str(each.id) for each in runs(client, "train", model)] == [begun]
    waited, heeded = Ledger().entries(model, Kind.EVENT)
    assert (waited.payload["state"], waited.payload["run"]) == ("waiting", "")
    assert heeded.payload["run"] == begun


def test_an_event_that_waits_outlasts_prefects_memory_and_its_own_deployment(
    client: SyncPrefectClient, model: str, tmp_path: Path
) -> None:
    """A long freeze: the server has deleted it, the trigger was taken out and put back."""
    sent(client, f"desk.{model}", occurred="2001-01-01T00:00:00Z")
    eventually(lambda: runs(client, "heed", model), 60)
    [woken] = runs(client, "heed", model)
    event = str(woken.parameters["event"])
    heed_events.fn(model, (OPENED,), "year end", event)

    declare(tmp_path / "models" / model, triggers={})
    deploy(model)
    heeds = {"events": [{"event": OPENED.event, "resource": OPENED.resource}]}
    declare(tmp_path / "models" / model, triggers=heeds)
    deploy(model)  # events count from now on, so that none is read of the server
    told = list(follow_events([model], candidate(2).as_of))

    assert told == [f"A training of {model} was asked for by airport.opened."]
    assert [each.subject for each in Ledger().entries(model, Kind.EVENT)] == [event, event]


def test_the_cooldown_of_one_trigger_holds_no_other_up(
    client: SyncPrefectClient, model: str
) -> None:
    """An event within its own trigger's cooldown waits; the others start a training."""
    calm = EventTrigger(event="prices.changed", cooldown=timedelta(days=1))
    asks = sent(client, f"desk.{model}")
    heed_events.fn(model, (OPENED, calm), None, str(asks["id"]))
    [first] = runs(client, "train", model)
    client.set_flow_run_state(first.id, Completed(), force=True)

    cools = sent(client, f"desk.{model}", event=calm.event)
    again = sent(client, f"desk.{model}")
    heed_events.fn(model, (OPENED, calm), "not yet", str(cools["id"]))
    said = heed_events.fn(model, (OPENED, calm), None, str(again["id"]))

    assert said[0].startswith("1 event asks for a training, which waits: the last for an event")
    assert said[1] == f"A training of {model} was asked for by airport.opened."
    assert len(runs(client, "train", model)) == 2


def test_an_event_that_the_server_does_not_hold_is_said_to_be_away(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was woken by it reads why nothing follows."""
    monkeypatch.setattr(heeding, "_WRITTEN_S", 0.0)

    for away in (str(uuid4()), "no id at all"):
        [said] = heed_events.fn(model, (OPENED,), None, away)
        assert said.startswith(f"Nothing is made of the event {away}: Prefect's server does not")


def test_automations_go_with_their_declaration(
    client: SyncPrefectClient, model: str, tmp_path: Path
) -> None:
    """And a look that finds nothing of this model's leaves those of others."""
    declare(tmp_path / "models" / model, triggers={})

    applied = {each.name: each.change for each in deploy(model)}

    assert applied[f"heed/{model}"] == "removed"
    assert not [a for a in client.read_automations() if a.name.startswith(f"heed/{model}: ")]


def test_new_data_of_frozen_days_start_their_training_afterwards(
    client: SyncPrefectClient, model: str, tmp_path: Path
) -> None:
    """Once, by what the last ingest knew; on the frozen days themselves nothing is started."""
    frozen = {"why": "year end", "first": "2013-06-20", "last": "2013-07-03"}
    declare(
        tmp_path / "models" / model,
        triggers={"data": {"windows": 1}},
        calendar={"freezes": [frozen]},
    )
    came = candidate(2).as_of + timedelta(days=60)
    for window in ("2013-04", "2013-05"):
        append(manifest(window).model_copy(update={"model": model, "as_of": came}))
    ingest = Entry(kind=Kind.INGEST, model=model, as_of=came, subject="batch")
    Ledger().append(ingest)

    held = list(follow_thaws([model], came))
    started, again = (list(follow_thaws([model], came + timedelta(days=7))) for _ in range(2))

    waits = f"A training of {model}, cause data, waits (year end, frozen until 2013-07-03): "
    assert held == [f"{waits}2 windows have come since version 2 was trained."]
    assert again == []
    [sentence] = started
    assert sentence.startswith(f"A training of {model} was asked for, cause data: 2 windows have")
    [run] = runs(client, "train", model)
    assert (run.parameters["cause"], run.parameters["as_of"]) == ("data", came.isoformat())


def test_labels_that_become_known_with_time_start_one_training(
    client: SyncPrefectClient, model: str, tmp_path: Path
) -> None:
    """Nothing is delivered: February was there at the training, its labels follow hourly."""
    declare(tmp_path / "models" / model, triggers={"data": {"labels": 0.5}})
    trained = datetime(2024, 2, 1, tzinfo=UTC)
    january, february = (ingested(model, month, trained) for month in ("2024-01", "2024-02"))
    Ledger().append(Entry(kind=Kind.INGEST, model=model, as_of=trained, subject="batch"))
    judged(model, trained, part(january, labelled=600), part(february, labelled=0))

    early, due, again = (
        list(follow_thaws([model], trained + timedelta(days=days))) for days in (5, 20, 21)
    )

    assert (early, again) == ([], [])
    [sentence] = due
    assert sentence.endswith(
        "cause data: 480 labels have come since version 2 was trained, 80% of those that were "
        "known."
    )
    [run] = runs(client, "train", model)
    assert run.parameters["as_of"] == (trained + timedelta(days=20)).isoformat()


def ingested(model: str, month: str, as_of: datetime) -> Manifest:
    """A month's rides as an ingest commits them."""
    frame, uri = rides(month), store.uri("raw", model, "rides")
    digest = store.content_digest(frame, ("ride",))
    version = store.write_window(uri, frame, month, digest, beside=True)
    table = TableVersion(
        table="rides", window=month, uri=uri, version=version, digest=digest, rows=len(frame)
    )
    whole = manifest(month).model_copy(update={"model": model, "tables": (table,)})
    return append(whole.model_copy(update={"as_of": as_of, "digest": digest}))


def part(of: Manifest, labelled: int) -> FeaturePart:
    """What a training knew of a window."""
    return FeaturePart(
        window=of.window,
        digest="f",
        rows=of.rows,
        labelled=labelled,
        data=of.digest,
        delivered=of.rows,
    )


def judged(model: str, as_of: datetime, *parts: FeaturePart) -> None:
    """A candidate that knew some windows has come before the gates."""
    made, refused = candidate(2), Refuse(why="It gains nothing.")
    split = made.fitted.split
    table = split.table.model_copy(update={"parts": parts})
    fitted = made.fitted.model_copy(update={"split": split.model_copy(update={"table": table})})
    made = made.model_copy(update={"model": model, "as_of": as_of, "fitted": fitted})
    record_verdict.fn(evidence_for_candidate.fn(made, bento(2), comparison(), refused), refused)


def test_what_commits_ask_for_waits_for_the_end_of_a_freeze(
    client: SyncPrefectClient, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training for the freeze of `train`, a new Bento for that of `promote`."""
    paths = ["tasks/packaging"]
    asked = [{"paths": paths, "then": then} for then in ("retrain", "repackage")]
    frozen = {"why": "year end", "first": "2026-12-18", "last": "2027-01-03"}
    declare(
        tmp_path / "models" / model,
        triggers={"code": {"paths": paths}, "application": asked},
        calendar={"freezes": [frozen]},
    )
    made = candidate(2).model_copy(update={"model": model})
    payload = {"candidate": made.model_dump(mode="json"), "bento": bento(2).model_dump(mode="json")}
    Ledger().append(
        Entry(kind=Kind.PROMOTION, model=model, as_of=made.as_of, subject="made", payload=payload)
    )

    told = list(follow_code([model], datetime(2027, 1, 4, 9, tzinfo=UTC)))
    for each in ("train_on_new_code", "repackage_on_new_code"):
        monkeypatch.setattr(changes, each, lambda *_, frozen: str(frozen))
    held = list(follow_code([model], datetime(2026, 12, 20, tzinfo=UTC)))

    words = "year end, frozen until 2027-01-03"
    assert held == [words, words, words]
    [sentence] = told  # the candidate's commit is no real one
    assert sentence.startswith(f"Whether the code of {model} has changed was not looked at.")
    assert runs(client, "train", model) == []


def declare(folder: Path, **sections: object) -> None:
    """Declare some sections of a model otherwise."""
    yaml, declared = YAML(), folder / "model.yaml"
    document = yaml.load(declared)
    document.update(sections)
    yaml.dump(document, declared)
