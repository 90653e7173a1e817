"""The manifests of a model: each one the commit point of an ingest, in the order they came."""

from datetime import datetime

import pandas as pd
from filelock import FileLock

from infra import store
from infra.errors import DataError
from infra.settings import settings
from tasks.references import History, Manifest
from tasks.windows import first_day, overlap


def manifests_uri(model: str) -> str:
    """Where the manifests of a model are kept."""
    return store.uri("manifests", model)


def writing(model: str) -> FileLock:
    """The lock under which one writer at a time commits to the tables of a model."""
    folder = settings().home / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise store.disk_error(error, folder) from error
    return FileLock(folder / f"data-{model}.lock")


def append(manifest: Manifest) -> Manifest:
    """The manifest as it stands in the record: written once, the earlier one if it was there.

    The caller holds `writing`.
    """
    listed = _all(manifest.model)
    force = in_force(listed, manifest.as_of)
    standing = force.get(manifest.window)
    if standing is not None and standing.digest == manifest.digest:
        return standing
    digest = store.digest_of(manifest.digest, manifest.window, manifest.as_of, len(listed))
    row = pd.DataFrame({"sequence": [len(listed)], "body": [manifest.model_dump_json()]})
    store.write_window(manifests_uri(manifest.model), row, manifest.window, digest, beside=True)
    return manifest


def refuse_overlap(model: str, window: str) -> None:
    """Nothing, where no window of another length that shares a day was committed.

    Raises:
        DataError: one was; its rows would be there twice.
    """
    held = sorted({manifest.window for manifest in _all(model)} - {window})
    for other in held:
        if overlap(window, other):
            raise DataError(
                f"The window {window} shares days with {other}, which is already ingested.",
                hint=f"Deliver {other} again as a whole: it replaces what is there.",
            )


def history(model: str, as_of: datetime) -> History:
    """The manifests in force as of a time: the newest one of each window, oldest window first."""
    force = in_force(_all(model), as_of)
    manifests = tuple(sorted(force.values(), key=lambda manifest: first_day(manifest.window)))
    return History(model=model, as_of=as_of, manifests=manifests, digest=history_digest(manifests))


def history_digest(manifests: tuple[Manifest, ...]) -> str:
    """SHA-256 of what a history holds, whenever it was asked for."""
    return store.digest_of([(manifest.window, manifest.digest) for manifest in manifests])


def in_force(listed: list[Manifest], as_of: datetime) -> dict[str, Manifest]:
    """Window to its newest manifest that was there at a time; later ones of a time supersede."""
    force: dict[str, Manifest] = {}
    for manifest in sorted(listed, key=lambda each: each.as_of):  # stable: ties stay in order
        if manifest.as_of <= as_of:
            force[manifest.window] = manifest
    return force


def _all(model: str) -> list[Manifest]:
    location = manifests_uri(model)
    windows = sorted(store.partitions(location))
    if not windows:
        return []
    rows = store.read_windows(location, None, windows).sort_values("sequence", kind="stable")
    return [Manifest.model_validate_json(body) for body in rows["body"]]
