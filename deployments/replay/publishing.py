"""Where a replay works, and where its page is put for people to look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from deployments.replay.page import render
from deployments.replay.results import Replay
from infra.addresses import addresses
from infra.errors import ResourceError
from infra.settings import settings
from infra.stack import is_up
from infra.store import digest_of, disk_error, put_bytes


@contextmanager
def alone(model: str) -> Iterator[Path]:
    """The folder in which replays of a model keep what they did, for one of them at a time.

    Whatever is in it may be deleted between two replays: it is made again.

    Raises:
        ResourceError: another replay of the model runs.
    """
    place = settings().home / "replay" / model
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock", timeout=0):
            yield place
    except Timeout:
        raise ResourceError(
            f"Another replay of {model} runs in {place}.", hint="Wait until it has ended."
        ) from None


def publish(replay: Replay, picture: bytes, out: Path | None) -> Path:
    """Write the page where it was wished, or else among the reports of this home."""
    page = render(replay, picture)
    if out is None:
        folder = settings().home / "reports" / replay.model / "replay" / digest_of(replay)[:16]
        put_bytes(str(folder / "picture.png"), picture)
        put_bytes(str(folder / "index.html"), page)
        return folder / "index.html"
    try:
        out.write_bytes(picture if out.suffix == ".png" else page)
    except OSError as error:
        raise disk_error(error, out) from error
    return out


def shown_at(place: Path) -> str:
    """The address of a report where its server is up, or else the file."""
    inside = place.is_relative_to(settings().home / "reports")
    return addresses().page(place) if inside and is_up() else str(place)
