"""Where a proof is kept: its picture and its JSON among the reports, its outcome in the ledger."""

import getpass
from datetime import UTC, datetime
from pathlib import Path

from deployments.proof.picture import draw
from deployments.proof.result import Continuous
from deployments.proof.wording import outcome
from infra.addresses import addresses
from infra.entries import Entry, Kind, storable
from infra.errors import BackendError, ConfigError
from infra.ledger import Ledger
from infra.places import places_file
from infra.settings import settings
from infra.store import digest_of, put_bytes


def keep(proof: Continuous, out: Path | None = None) -> tuple[Path, str]:
    """The picture's file, and its address where pages are served; the JSON lies beside it.

    Args:
        proof: what was found.
        out: the picture's file in place of the one among the reports.

    Raises:
        ConfigError: the folder cannot be written.
    """
    place = (
        settings().home / "reports" / proof.model / "verify" / f"continuous-{digest(proof)[:12]}"
    )
    path = out or place.with_suffix(".png")
    put_bytes(str(path), draw(proof))
    put_bytes(str(path.with_suffix(".json")), proof.model_dump_json(indent=2).encode())
    if out is not None:
        return path, ""
    try:
        return path, addresses().page(path)
    except ConfigError:  # no stack was ever started in this home: the file is what there is
        return path, ""


def record(proof: Continuous, declared: str, now: datetime | None = None) -> str:
    """Why the outcome is not in the ledger; empty where it is, or where there is no ledger.

    An auditor may ask when a model was last proved to be watched, and what came of it. It is the
    one record that a proof leaves, and it decides nothing.

    Args:
        proof: what was found.
        declared: what it is about, by `subject_of`; a page tells where that is so no more.
        now: the time of the record; by default that of the call.
    """
    if settings().database_url is None and not places_file().exists():
        return ""
    entry = Entry(
        kind=Kind.PROOF,
        model=proof.model,
        as_of=now or datetime.now(UTC),
        subject=digest(proof),
        actor=getpass.getuser(),
        evidence=digest(proof),
        reason=outcome(proof),
        payload=storable(
            {
                "test": "continuous",
                "passed": proof.passed,
                "declared": declared,
                "seed": proof.seed,
                "repetitions": proof.repetitions,
                "left_out": proof.left_out,
                "alarms_a_year": proof.unshifted.alarms_a_year,
                "shifts": [
                    each.model_dump(mode="json", exclude={"where"}) for each in proof.shifts
                ],
            }
        ),
    )
    try:
        Ledger().append(entry)
    except (BackendError, ConfigError) as error:
        return str(error.args[0])
    return ""


def digest(proof: Continuous) -> str:
    """What names a result: the same declaration, data and code have the same one."""
    return digest_of(proof.model_dump(mode="json", exclude={"seconds"}))
