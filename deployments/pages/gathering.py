"""What a page shows, gathered from the declaration, the ledger and Prefect's server."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import ValidationError

from deployments.pages.columns import MOST
from deployments.pages.story import Story, told
from infra.addresses import addresses
from infra.errors import ConfigError, IntegrityError, PerennialError
from infra.ledger import Kind, Ledger, Recorded
from infra.serving import serving
from infra.settings import settings
from tasks.monitoring.reporting import PAGE, folder_of
from tasks.references import Champion
from tasks.registry.crownings import CROWNINGS, in_charge
from tasks.schedules import FlowName
from tasks.spec import ModelSpec, load_spec

if TYPE_CHECKING:
    from deployments.ahead import Ahead
    from deployments.standing import LastRun
    from deployments.takers import LateRuns
    from tasks.governance.reviews import Pending

_SHOWN: Final = {"ingest", "train", "monitor"}
"""Kinds of reports that the page links where it speaks of them, and folders of pictures."""

_LOOKED_AT: Final[Mapping[tuple[Kind, ...], int]] = {
    (Kind.DRIFT,): 4,
    (Kind.INGEST, Kind.HOLD, Kind.REFUSAL): 4,
    (Kind.GATE, Kind.QUESTION, Kind.REVIEW): 8,
    CROWNINGS: 4,
    (Kind.PROOF,): 1,
}
"""The newest records of each kind for each window that is shown: as many in the tenth year."""


class OfPrefect(NamedTuple):
    """What Prefect's server says of one model."""

    waiting: "tuple[Pending, ...]"
    last: "Mapping[FlowName, LastRun | None]"
    coming: "Ahead"
    late: "Mapping[str, LateRuns]"
    idle: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Everything that the page of a model shows.

    Attributes:
        spec: the declaration.
        now: when it was gathered.
        story: what the ledger tells.
        champion: the version in charge.
        waiting: reviews that wait for an answer, oldest first.
        last: the newest run of each flow; None where Prefect's server did not answer.
        coming: what runs next; None likewise.
        troubles: what does not agree, or could not be looked at, a sentence each.
        late: runs that are due and have not begun, by their flow.
        idle: why nobody takes runs, a sentence for each work pool where nobody does.
    """

    spec: ModelSpec
    now: datetime
    story: Story
    champion: Champion | None
    waiting: "tuple[Pending, ...]"
    last: "Mapping[FlowName, LastRun | None] | None"
    coming: "Ahead | None"
    troubles: tuple[str, ...]
    late: "Mapping[str, LateRuns]" = field(default_factory=dict)
    idle: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """Name of the metric that gates compare."""
        return self.spec.evaluation.metric


def gather(
    spec: ModelSpec,
    now: datetime,
    windows: int = MOST,
    ask: Callable[[ModelSpec, datetime], OfPrefect] | None = None,
) -> Facts:
    """The facts of a model; without Prefect's server those of the ledger, and a sentence.

    Args:
        spec: the declaration.
        now: the time.
        windows: about so many are looked at, the newest.
        ask: who asks Prefect's server; by default it is asked about this model alone.

    Raises:
        BackendError: the database does not answer.
        ConfigError: the stack was never started.
        IntegrityError: a record of the model cannot be read.
    """
    champion = in_charge(spec.name)
    troubles = list(_unlike(spec.name, champion))
    asked: OfPrefect | None = None
    try:
        asked = (ask or _of_prefect)(spec, now)
    except PerennialError as error:
        troubles.append(f"What runs, and who is asked, is not known. {error.args[0]}")
    return Facts(
        spec=spec,
        now=now,
        story=_story(spec.name, windows),
        champion=champion,
        waiting=asked.waiting if asked else (),
        last=asked.last if asked else None,
        coming=asked.coming if asked else None,
        troubles=tuple(troubles),
        late=asked.late if asked else {},
        idle=asked.idle if asked else (),
    )


def _story(model: str, windows: int) -> Story:
    try:
        return told(_newest(model, windows))
    except (ValidationError, KeyError, ValueError) as error:
        raise IntegrityError(
            f"A record of {model} in the ledger says what nobody expects: {error}.",
            hint="Was it written by a newer version? Then run that one.",
        ) from error


def _newest(model: str, windows: int) -> Iterator[Recorded]:
    """The records that a page is made of, each kind in order of logical time."""
    for kinds, each in _LOOKED_AT.items():
        yield from Ledger().entries(model, kinds, limit=each * windows)


def declared_as(model: str) -> ModelSpec:
    """The declaration of a model, also of one that was deployed from another folder of models.

    Raises:
        ConfigError: it is declared nowhere, or wrong.
    """
    try:
        return load_spec(model)
    except ConfigError:
        if (settings().models / model / "model.yaml").exists():
            raise
        folder = _deployed_from(model)
        if folder is None:
            raise
        return load_spec(model, folder)


def report_of(model: str, window: str, digest: str) -> str:
    """The address of the report of a verdict; empty where it is not on this machine."""
    path = folder_of(model, window, digest) / PAGE
    return addresses().page(path) if path.is_file() else ""


def picture_of(model: str, proof: str) -> str:
    """The address of a proof's picture; empty where it is not on this machine."""
    path = settings().home / "reports" / model / "verify" / f"continuous-{proof[:12]}.png"
    return addresses().page(path) if path.is_file() else ""


def other_reports(model: str) -> dict[str, Path]:
    """The newest page of each other kind of report, such as a replay."""
    folder = settings().home / "reports" / model
    newest = {}
    for kind in sorted(each for each in folder.glob("*") if each.name not in _SHOWN):
        pages = sorted(kind.rglob("*.html"), key=lambda page: page.stat().st_mtime)
        if pages:
            newest[kind.name] = pages[-1]
    return newest


def _of_prefect(spec: ModelSpec, now: datetime) -> OfPrefect:
    from deployments.ahead import ahead
    from deployments.apply import deployed, tagged
    from deployments.plan import FLOWS
    from deployments.standing import last_run
    from deployments.takers import idle_pools, late_runs
    from tasks.governance.reviews import pending_reviews, reachable_prefect

    with reachable_prefect() as client:
        last = {flow: last_run(client, flow, spec.name) for flow in FLOWS}
        there = {deployed(each): each for each in tagged(client, spec.name)}
        late = late_runs(client, {name.partition("/")[0]: each for name, each in there.items()})
        idle = idle_pools(client, there.values())
    return OfPrefect(
        waiting=pending_reviews(spec.name),
        last=last,
        coming=ahead(spec, there, now),
        late=late,
        idle=tuple(idle.values()),
    )


def _deployed_from(model: str) -> Path | None:
    """The folder of models that a deployment of the model was made from."""
    from deployments.apply import tagged
    from tasks.governance.reviews import reachable_prefect

    try:
        with reachable_prefect() as client:
            found = list(tagged(client, model))
    except PerennialError:  # it is told as a model that is not declared here, which it is not
        return None
    folders = [(each.job_variables or {}).get("env", {}).get("PERENNIAL_MODELS") for each in found]
    return next((Path(folder) for folder in folders if folder), None)


def _unlike(model: str, champion: Champion | None) -> Iterator[str]:
    """What serves, where that is not what the ledger says; MLflow is asked by `status`."""
    try:
        held = serving(model)
    except IntegrityError as error:
        yield f"{error.args[0]} `perennial up` repairs it."
        return
    wanted = None if champion is None else champion.entry
    if (None if held is None else held.entry) != wanted:
        yield (
            f"What serves is {_version(held.version if held else None)}, the ledger says "
            f"{_version(champion.version if champion else None)}. `perennial up` repairs it."
        )


def _version(number: int | None) -> str:
    return "nothing" if number is None else f"version {number}"
