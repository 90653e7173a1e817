"""The plan: what Prefect should hold, from declarations alone."""

import pytest

from deployments.plan import FLOWS, Desired, plan
from infra.pools import POOL
from infra.settings import PROJECT, settings
from infra.threads import POOLS
from tasks.schedules import FlowName, ScheduleSpec
from tasks.spec import ModelSpec, load_spec


def declared(**changes: object) -> ModelSpec:
    """The declaration of flights, changed."""
    spec = load_spec("flights", PROJECT / "deployments")
    return ModelSpec.model_validate({**spec.model_dump(), "folder": spec.folder, **changes})


def one(flow: FlowName, *, paused: bool = False, **changes: object) -> Desired:
    """The desired deployment of one flow."""
    return {each.flow: each for each in plan([declared(**changes)], paused=paused)}[flow]


DAILY = {"flow": "ingest", "cron": "0 6 * * *", "timezone": "Europe/London", "active": True}


def test_every_model_gets_six_deployments_named_flow_and_model() -> None:
    """CI and people start ``train/flights``: the names are the interface."""
    names = [each.name for each in plan([declared()])]

    assert names == [f"{flow}/flights" for flow in FLOWS]
    assert FLOWS == ("ingest", "train", "review", "promote", "score", "monitor")


APPLICATION = [{"paths": ["tasks/packaging"], "then": "repackage"}]


def test_a_trigger_brings_the_deployment_that_it_starts() -> None:
    """Who repackages nothing has nothing of it to look at."""
    asked = declared(triggers={"application": APPLICATION})
    retrains = declared(triggers={"application": [{**APPLICATION[0], "then": "retrain"}]})

    assert [each.flow for each in plan([asked])] == [*FLOWS, "repackage"]
    assert [each.flow for each in plan([retrains])] == [*FLOWS]


def test_an_entrypoint_is_a_file_of_the_project() -> None:
    """The worker finds the flow from the project's folder."""
    events = [{"event": "airport.opened"}]
    planned = plan([declared(triggers={"application": APPLICATION, "events": events})])
    files = [each.entrypoint.partition(":")[0] for each in planned]

    assert files[-2:] == ["flows/repackage.py", "flows/heed.py"]
    assert [file for file in files if not (PROJECT / file).is_file()] == []


def test_a_schedule_goes_to_its_own_flow_alone() -> None:
    """Six flows share one list in the declaration."""
    with_schedule = [each.flow for each in plan([declared(schedules=[DAILY])]) if each.schedules]

    assert with_schedule == ["ingest"]


@pytest.mark.parametrize(
    ("active", "paused", "runs"),
    [(True, False, True), (True, True, False), (False, False, False), (False, True, False)],
)
def test_a_schedule_runs_only_if_declared_active_and_not_paused(
    active: bool, paused: bool, runs: bool
) -> None:
    """``--paused`` holds everything back, and starts nothing that the declaration holds back."""
    schedule = {**DAILY, "active": active}

    planned = one("ingest", paused=paused, schedules=[schedule]).schedules

    assert planned == (ScheduleSpec.model_validate({**DAILY, "active": runs}),)


@pytest.mark.parametrize(("candidates", "threads"), [(1, "4"), (3, "1")])
def test_a_training_has_threads_or_workers_but_not_both(candidates: int, threads: str) -> None:
    """Thread pools beside Dask workers of one thread each would fight them for the same cores."""
    training = {
        **declared().training.model_dump(),
        "resources": {"cpus": 4},
        "candidates": [{"max_iter": 10 + each} for each in range(candidates)],
    }

    train, score = one("train", training=training), one("score", training=training)

    assert train.environment["OMP_NUM_THREADS"] == threads
    assert score.environment["OMP_NUM_THREADS"] == "1"


def test_flows_whose_libraries_start_as_many_threads_start_from_the_same_imports() -> None:
    """A lease of cores sizes every pool that a deployment leaves open: it leaves none."""
    train, score = one("train"), one("score")

    assert train.environment == score.environment
    assert train.environment.keys() >= {*POOLS}


def test_a_training_asks_for_what_its_model_declares_and_other_flows_for_nothing() -> None:
    """The worker leases it; light flows share what is left and never wait for cores."""
    asked = {"gpus": 1, "compute_capability": "8.0", "cpus": 4, "max_runtime": "PT1H"}
    training = {**declared().training.model_dump(), "resources": asked}

    variables = {flow: one(flow, training=training).job_variables for flow in FLOWS}

    assert {**variables["train"], **asked, "memory": 2 * 2**30} == variables["train"]
    started_with = {"command", "env", "working_dir"}
    others = [each for flow, each in variables.items() if flow != "train"]
    assert all(set(each) - {"after"} == started_with for each in others)


def test_a_run_reads_the_declaration_that_was_deployed() -> None:
    """A worker that was started for another folder of models still finds this one."""
    assert one("train").environment["PERENNIAL_MODELS"] == str(settings().models)


def test_a_run_is_given_its_model_and_its_page_the_links() -> None:
    """What a person needs on the page of a deployment is there."""
    [train] = [
        each
        for each in plan([declared()], links={"MLflow": "http://127.0.0.1:5000"})
        if each.flow == "train"
    ]

    assert train.parameters == {"model": "flights"}
    assert train.tags == ("perennial", "flights")
    assert POOL == "perennial"
    assert "[MLflow](http://127.0.0.1:5000)" in train.description
    assert "prefect deployment run 'train/flights' --watch" in train.description


def test_the_digest_changes_when_anything_does_and_only_then() -> None:
    """It decides whether a deployment is touched."""
    same = one("ingest").digest({"type": "object"})

    assert one("ingest").digest({"type": "object"}) == same
    assert one("ingest").digest({"type": "string"}) != same
    assert one("ingest", title="Another").digest({"type": "object"}) != same
    assert one("ingest", schedules=[DAILY]).digest({"type": "object"}) != same
