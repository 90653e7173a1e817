"""What the page of a model is made of, where the ledger holds some records."""

from collections.abc import Sequence
from datetime import UTC, datetime

from deployments.pages.gathering import Facts
from deployments.pages.story import told
from infra.entries import Kind, Recorded
from tasks.registry.crownings import champion_of
from tasks.spec import load_spec

NOW = datetime(2013, 8, 2, 7, tzinfo=UTC)


def facts(records: Sequence[Recorded], **given: object) -> Facts:
    """What a page of flights is made of; the rest is as if Prefect did not answer."""
    crowned = [each for each in records if each.kind in {Kind.PROMOTION, Kind.ROLLBACK}]
    known = {
        "spec": load_spec("flights"),
        "now": NOW,
        "story": told(records),
        "champion": champion_of(crowned[-1]) if crowned else None,
        "waiting": (),
        "last": None,
        "coming": None,
        "troubles": (),
    }
    return Facts(**{**known, **given})  # type: ignore[arg-type]  # by name, as a test gives them
