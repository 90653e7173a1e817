"""Deliveries to the real flow where a champion stands, and all that could move by them."""

import importlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State

from infra import store
from infra.bentos import bento_record
from infra.ledger import Ledger, Recorded
from infra.serving import pointer
from infra.tracking import tracker, versions
from tasks.data.manifests import _all
from tasks.references import Bento, Cause, Inspection
from tasks.registry import crown, register
from tasks.spec import load_spec
from tasks.windows import overlap
from tests.support.deliveries import HALF_A_YEAR, closing_time
from tests.support.flow_runs import runs_of
from tests.support.stack import Stack, surroundings
from tests.support.standing import champions
from tests.support.trained import AS_OF, trained

MODEL = "flights"


@dataclass(frozen=True)
class Sight:
    """What readers see of a model at a moment, whatever the records are that say it."""

    champion: tuple[int | None, int | None, int | None]
    registered: tuple[int, ...]
    pointer: bytes
    files: dict[str, dict[str, str]]
    """Window to the files of its rows and manifests, each with the digest of its bytes."""
    ledger: tuple[Recorded, ...]
    """Every record of the installation, in the order of the chain."""
    verified: int
    """How many records the chain has, every one of them recomputed."""

    def beside(self, window: str) -> tuple[object, ...]:
        """All of it but the ledger and what belongs to a window."""
        files = {name: files for name, files in self.files.items() if name != window}
        return self.champion, self.registered, self.pointer, files


@dataclass(frozen=True)
class Ingest:
    """One delivery: what stood before, what the flow did, what stands after."""

    window: str
    before: Sight
    after: Sight
    inspection: Inspection
    state: State[Any]
    reviews: tuple[FlowRun, ...]

    @property
    def recorded(self) -> tuple[Recorded, ...]:
        """What the ledger has since; all that was there before is as it was."""
        known = len(self.before.ledger)
        assert self.after.ledger[:known] == self.before.ledger
        return self.after.ledger[known:]


class Feed:
    """A store with a half year of flights and a champion; each delivery finds it as it was."""

    def __init__(self, kept: Path, environment: dict[str, str]) -> None:
        self._kept, self._environment = kept, environment
        self._done: dict[str, Ingest] = {}

    def entered(self) -> AbstractContextManager[None]:
        """This process uses the feed."""
        return surroundings(self._environment)

    def ingest(self, window: str, table: str, file: Path) -> Ingest:
        """What the flow did with a delivery; each goes through it once.

        A window that shares days with the half year finds the tables empty.
        """
        if file.name not in self._done:
            self.restore(window)
            before, asked = sight(), {each.id for each in runs_of("review", MODEL)}
            inspection, state = _ingested(window, {table: str(file)})
            new = [each for each in runs_of("review", MODEL) if each.id not in asked]
            done = Ingest(window, before, sight(), inspection, state, tuple(new))
            self._done[file.name] = done
        return self._done[file.name]

    def restore(self, window: str) -> None:
        """Let the tables be as they were before any delivery."""
        for name in ("raw", "manifests"):
            shutil.rmtree(store.uri(name), ignore_errors=True)
            if not any(overlap(window, month) for month in HALF_A_YEAR):
                shutil.copytree(self._kept / name, store.uri(name))


@contextmanager
def feed_with_champion(stack: Stack, half_a_year: Path, folder: Path) -> Iterator[Feed]:
    """The feed in a folder, its servers those of the stack; nobody executes the reviews."""
    place, kept = folder / "store", folder / "kept"
    shutil.copytree(half_a_year / "store", place)
    shutil.copytree(place, kept)
    feed = Feed(kept, {**stack.environment, "PERENNIAL_STORE": str(place)})
    with feed.entered(), get_client(sync_client=True) as client:
        _crowned()
        review = client.create_deployment(client.create_flow_from_name("review"), MODEL)
    yield feed
    with feed.entered(), get_client(sync_client=True) as client:
        client.delete_deployment(review)


def sight() -> Sight:
    """What stands now."""
    with tracker() as client:
        registered = tuple(sorted(versions(client, MODEL)))
    return Sight(
        champion=champions(MODEL),
        registered=registered,
        pointer=store.get_bytes(pointer(MODEL)),
        files=_files(),
        ledger=tuple(sorted(Ledger().entries(), key=lambda entry: entry.id)),
        verified=Ledger().verify(),
    )


def _files() -> dict[str, dict[str, str]]:
    from deltalake import DeltaTable

    found: dict[str, dict[str, str]] = {each.window: {} for each in _all(MODEL)}
    tables = [store.uri("raw", MODEL, name) for name in load_spec(MODEL).data.tables]
    for table in filter(store.exists, (*tables, store.uri("manifests", MODEL))):
        for path in DeltaTable(table).file_uris():
            window = path.partition(f"{store.WINDOW}=")[2].partition("/")[0]
            found.setdefault(window, {})[path] = store.file_digest(path)
    return found


def _crowned() -> None:
    fitted, evaluation = trained(MODEL)
    candidate = register.fn(fitted, evaluation, Cause.PERSON, AS_OF)
    bento = Bento(
        tag=f"{MODEL}:{candidate.digest[:12]}",
        uri=fitted.uri,
        digest=candidate.digest,
        version=candidate.version,
        smoke="50 holdout rows agree.",
    )
    place = bento_record(MODEL, candidate.digest)
    store.put_bytes(place, bento.model_dump_json().encode())
    crown.fn(candidate, bento, AS_OF, "It is the first.", "gate", "e" * 8)


def _ingested(window: str, files: dict[str, str]) -> tuple[Inspection, State[Any]]:
    """What the contract said, overheard where the flow records it, and how the run ended."""
    module = importlib.import_module("flows.ingest")
    seen: list[Inspection] = []
    record: Callable[[Inspection], Recorded] = module.record_batch

    def overheard(inspection: Inspection) -> Recorded:
        seen.append(inspection)
        return record(inspection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "record_batch", overheard)
        state: State[Any] = module.ingest(
            model=MODEL,
            window=window,
            files=files,
            as_of=closing_time(window),
            return_state=True,
        )
    return seen[0], state
