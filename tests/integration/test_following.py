"""What a policy makes of a verdict, with the past of a real ledger and runs of a real server."""

from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Failed

from infra.errors import ConfigError
from infra.hardware import DeviceRecord, Hardware
from infra.ledger import Kind, Ledger
from tasks.governance import (
    evidence_for_candidate,
    evidence_for_drift,
    record_verdict,
    request_training,
    train_on_new_data,
)
from tasks.governance.policy_spec import BudgetSpec, PolicySpec
from tasks.governance.starting import repackage_on_new_code, train_on_new_code
from tasks.governance.triggers import DataTrigger
from tasks.references import (
    Action,
    Cause,
    Champion,
    Conclusion,
    Refuse,
    Trial,
)
from tests.support.concluded import (
    DAY,
    answered,
    begun,
    finished,
    followed,
    recorded,
    runs_of,
    seen,
    trains,
)
from tests.support.repositories import committed, repository
from tests.support.subjects import bento, candidate, comparison
from tests.unit.test_triggers import known

pytestmark = pytest.mark.usefixtures("ledger_beside_runs")


def test_one_training_for_drift_at_a_time(model: str) -> None:
    """A verdict that is reached again while its own training goes on concludes the same."""
    verdict, later = seen(model, 0), seen(model, 30)
    name = trains(model, verdict.as_of)

    assert followed(verdict, PolicySpec()).action is Action.RETRAIN
    assert followed(later, PolicySpec()).why == (f"{name} trains for drift already.",)

    finished(name)
    assert followed(later, PolicySpec()).action is Action.RETRAIN


def test_a_training_that_failed_is_started_again_by_the_next_verdict(model: str) -> None:
    """On the same data, three times in all; the same verdict again finds its own run."""
    verdicts = [
        seen(model, day).model_copy(update={"data_version": "v"}) for day in (0, 30, 60, 90)
    ]
    evidences = [
        evidence_for_drift.fn(each, Conclusion(action=Action.RETRAIN)) for each in verdicts
    ]
    with get_client(sync_client=True) as client:
        client.create_deployment(flow_id=client.create_flow_from_name("train"), name=model)

    def tried(place: int) -> str:
        run = request_training(evidences[place])
        assert request_training(evidences[place]) == run
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(run), Failed(), force=True)
        return run

    runs = [tried(place) for place in (0, 1, 2)]
    with get_client(sync_client=True) as client:
        names = {str(each.id): each.name for each in runs_of(model)}

    assert len(set(runs)) == 3
    assert [request_training(each) for each in evidences[:3]] == runs
    done = followed(verdicts[3], PolicySpec())
    assert done.action is Action.ALERT
    assert done.why[0].startswith(f"3 trainings on these data failed, {names[runs[2]]} the last")
    assert request_training(evidences[3]) == runs[2], "a person who wants more starts it by hand"


def test_the_cooldown_counts_from_the_last_training_that_a_verdict_started(model: str) -> None:
    """What alerted only, came later than the verdict, or was never started does not count."""
    policy = PolicySpec(cooldown=14 * DAY)
    first = begun(seen(model, 0))
    recorded(seen(model, 9), Conclusion(action=Action.ALERT))
    recorded(seen(model, 12), Conclusion(action=Action.RETRAIN))
    recorded(seen(model, 40), Conclusion(action=Action.RETRAIN))
    finished(first)

    assert followed(seen(model, 10), policy).action is Action.ALERT
    assert followed(seen(model, 15), policy).action is Action.RETRAIN


def test_what_was_seen_in_the_windows_before_counts_once_each(model: str) -> None:
    """A window that was judged twice is one; one after it has not been seen yet."""
    policy = PolicySpec.model_validate({"persist": {"least": 3, "of": 3}})
    may, june, july = (
        seen(model, day).model_copy(update={"window": f"2013-0{month}"})
        for month, day in ((5, 0), (6, 30), (7, 60))
    )
    alerted = Conclusion(action=Action.ALERT)

    recorded(may, alerted)
    recorded(may.model_copy(update={"as_of": june.as_of - DAY, "digest": "again"}), alerted)
    second = followed(june, policy)
    recorded(june, second)
    recorded(july.model_copy(update={"window": "2013-08", "digest": "later"}), alerted)

    told = "novelty was seen in 2 of the last 3 windows (2013-05, 2013-06);"
    assert second.why[0].startswith(told)
    assert followed(july, policy).action is Action.RETRAIN


def test_a_person_who_wanted_no_training_is_not_asked_again_about_the_same(model: str) -> None:
    """Until there are new rows to learn from."""
    asked = followed(seen(model, 0, growth=0.1), PolicySpec())
    digest = recorded(seen(model, 0, growth=0.1), asked)
    answered(digest, seen(model, 0), approved=False)

    again = followed(seen(model, 30, growth=0.2), PolicySpec())
    grown = followed(seen(model, 60, growth=0.3), PolicySpec())

    assert (asked.action, again.action, grown.action) == ("ask", "alert", "retrain")
    assert again.why[-1] == "A person was asked about novelty and wanted no training."


def test_gpu_hours_are_those_of_the_trainings_on_record(model: str) -> None:
    """Half of a GPU for two hours is one hour; a week later it counts no more."""
    device = DeviceRecord(
        uuid="GPU-1",
        name="H100",
        memory_bytes=2**36,
        capability=(9, 0),
        profile=None,
        share=0.5,
        held_bytes=2**35,
        by="mps",
    )
    hardware = Hardware(
        machine="m",
        driver="1",
        cuda="13",
        devices=(device,),
        cpu_count=1,
        cpus="",
        memory_bytes=0,
        memory="",
    )
    trial = Trial(parameters={}, metric="roc_auc", score=0.7, seconds=7200)
    made = candidate(2)
    fitted = made.fitted.model_copy(update={"hardware": hardware, "trials": (trial,)})
    as_of = seen(model, 0).as_of
    changes = {"model": model, "fitted": fitted, "cause": Cause.DRIFT, "as_of": as_of}
    challenger = made.model_copy(update=changes)
    recorded(seen(model, 0), Conclusion(action=Action.RETRAIN))
    refused = Refuse(why="It gains nothing.")
    record_verdict.fn(
        evidence_for_candidate.fn(challenger, bento(2), comparison(), refused), refused
    )
    [gate] = Ledger().entries(model, Kind.GATE)
    one, more = (PolicySpec(budget=BudgetSpec(gpu_hours=hours)) for hours in (1, 1.5))

    assert gate.payload["gpu_hours"] == 1
    assert followed(seen(model, 3), one).why == (
        "Trainings took 1.0 GPU hours within seven days; 1 may be spent.",
    )
    assert followed(seen(model, 3), more).action is Action.RETRAIN
    assert followed(seen(model, 8), one).action is Action.RETRAIN


def test_new_data_start_one_training_where_none_goes_on(model: str) -> None:
    """Not before the first of all, not twice for the same data, not beside another."""
    made = candidate(2)
    as_of = made.as_of + 60 * DAY
    history = known("2013-01", "2013-05", "2013-06").model_copy(
        update={"model": model, "as_of": as_of}
    )
    before = train_on_new_data.fn(history, DataTrigger(windows=1))
    refused = Refuse(why="It gains nothing.")
    judged = made.model_copy(update={"model": model})
    record_verdict.fn(evidence_for_candidate.fn(judged, bento(2), comparison(), refused), refused)

    other = trains(model, as_of, begun=False)
    beside = train_on_new_data.fn(history, DataTrigger(windows=1))
    finished(other)
    first, again = (train_on_new_data.fn(history, DataTrigger(windows=1)) for _ in range(2))

    assert (before, beside, again) == ("", "", "")
    assert first == (
        f"A training of {model} was asked for, cause data: 3 windows have come since version 2 was "
        "trained."
    )
    [run] = [each for each in runs_of(model) if each.name != other]
    assert (run.parameters["cause"], run.parameters["model"]) == ("data", model)


def test_a_commit_to_what_was_trained_by_starts_one_training(model: str, tmp_path: Path) -> None:
    """Other files do not count, nor what is not committed; a further commit counts anew."""
    folder = repository(tmp_path)
    trainer, readme = folder / "model" / "trainer.py", folder / "README.md"
    first = committed(folder, trainer, "one")
    refused, as_of = Refuse(why="It gains nothing."), candidate(2).as_of
    judged = candidate(2).model_copy(update={"model": model, "commit": f"{first}+dirty"})
    record_verdict.fn(evidence_for_candidate.fn(judged, bento(2), comparison(), refused), refused)
    with get_client(sync_client=True) as client:
        client.create_deployment(flow_id=client.create_flow_from_name("train"), name=model)

    def asked() -> str:
        return train_on_new_code(model, ["model"], as_of, folder=folder)

    assert asked() == ""
    committed(folder, readme, "two")
    trainer.write_text("three")
    assert asked() == ""

    committed(folder, trainer, "three")
    held = train_on_new_code(model, ["model"], as_of, folder=folder, frozen="year end")
    assert held == (
        f"A training of {model}, cause code, waits (year end): since version 2 1 file has changed, "
        "model/trainer.py."
    )
    assert asked() == (
        f"A training of {model} was asked for, cause code: since version 2 1 file has changed, "
        "model/trainer.py."
    )
    assert asked() == ""
    [run] = runs_of(model)
    assert (run.parameters["cause"], run.state_name) == ("code", "Scheduled")

    finished(run.name)
    assert asked().endswith("ended as Completed. Start it by hand, or commit a mend.")
    spent = train_on_new_code(model, ["model"], as_of, folder=folder, frozen="1 training began")
    assert spent == asked(), "it waits for nothing any more"
    committed(folder, trainer, "four")
    assert asked() != ""
    assert len(runs_of(model)) == 2
    with pytest.raises(ConfigError, match="cannot be told"):
        train_on_new_code(model, ["/elsewhere"], as_of, folder=folder)


def test_a_commit_to_the_service_starts_one_repackaging(model: str, tmp_path: Path) -> None:
    """Of the version in charge, since the commit that its Bento is up to date with."""
    folder = repository(tmp_path)
    service = folder / "service" / "answer.py"
    packaged = committed(folder, service, "one")
    made = candidate(2).model_copy(update={"model": model, "commit": packaged})
    champion = Champion(
        model=model, version=2, since=made.as_of, candidate=made, bento=bento(2), entry="e"
    )
    with get_client(sync_client=True) as client:
        client.create_deployment(flow_id=client.create_flow_from_name("repackage"), name=model)

    def asked(known: str = packaged) -> str:
        return repackage_on_new_code(champion, known, ["service"], folder)

    assert asked() == ""
    mended = committed(folder, service, "two")
    said = (
        f"A new Bento of {model} was asked for: since that of version 2 1 file has changed, "
        "service/answer.py."
    )
    assert (asked(), asked()) == (said, said)
    [run] = runs_of(model)
    finished(run.name)
    assert asked().endswith("ended as Completed. Start it by hand, or commit a mend.")
    assert asked(mended) == ""
    assert run.parameters["reason"].startswith(f"Since commit {packaged[:12]} 1 file has")
