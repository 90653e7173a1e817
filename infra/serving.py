"""What serves: one small file for each model, which is there whole or not at all."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra import store
from infra.errors import IntegrityError


class Serving(BaseModel):
    """The Bento that answers for a model, and the decision that put it there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int
    bento: str = Field(description="Tag of the Bento.")
    uri: str = Field(description="Folder of the Bento.")
    digest: str = Field(description="SHA-256 over the Bento's files.")
    since: datetime
    entry: str = Field(description="Digest of the ledger's entry.")


def pointer(model: str) -> str:
    """URI of the file that says what serves a model."""
    return store.uri(model, "serving.json")


def serving(model: str) -> Serving | None:
    """What serves a model now, or None before anything does.

    Raises:
        IntegrityError: the file holds something else.
    """
    place = pointer(model)
    if not store.exists(place):
        return None
    try:
        return Serving.model_validate_json(store.get_bytes(place))
    except ValidationError as error:
        raise IntegrityError(
            f"{place} does not say what serves {model}.",
            hint="Remove it; the next `perennial up` writes it again from the ledger.",
        ) from error


def serve(chosen: Serving) -> str:
    """The URI of the file, which now names what was chosen."""
    return store.put_bytes(pointer(chosen.model), chosen.model_dump_json(indent=2).encode())


def withdraw(model: str) -> None:
    """Let nothing serve a model."""
    from fsspec.core import url_to_fs

    filesystem, path = url_to_fs(pointer(model))
    if filesystem.exists(path):
        filesystem.rm(path)
