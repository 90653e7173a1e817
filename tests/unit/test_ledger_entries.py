"""What the ledger seals: one canonical text for one content."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.entries import GENESIS, Entry, Kind, Recorded, canonical

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_TIMES = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5.5))]),
)
_ENTRIES = st.builds(
    Entry,
    kind=st.sampled_from(Kind),
    model=st.text(),
    as_of=_TIMES,
    subject=st.text(),
    actor=st.text(),
    evidence=st.text(),
    reason=st.text(st.characters()),
    payload=st.dictionaries(st.text(), _JSON, max_size=4),
)


def entry(**changes: Any) -> Entry:  # noqa: ANN401 - fields of every type
    """An entry that differs from a usual one in the fields that are given."""
    usual = {"kind": Kind.DRIFT, "model": "flights", "as_of": _NOW, "subject": "abc"}
    return Entry.model_validate(usual | changes)


@given(_ENTRIES)
def test_a_record_read_back_from_its_row_has_the_same_digest(written: Entry) -> None:
    """Nothing that an entry may hold is changed by the way to the database and back."""
    record = Recorded.sealed(written, None, _NOW)

    read = Recorded.read(record.columns())

    assert read == record
    assert read.recomputed() == record.digest
    assert read.entry() == written


@given(_ENTRIES)
def test_what_is_written_holds_nothing_that_the_database_refuses(written: Entry) -> None:
    """PostgreSQL takes neither NUL nor lone surrogates, and JSON no infinities."""
    row = Recorded.sealed(written, None, _NOW).columns()

    texts = [value for value in row.values() if isinstance(value, str)]

    assert not any("\x00" in text for text in texts)
    assert all(text.encode() for text in texts if text)
    json.loads(str(row["payload"]), parse_constant=pytest.fail)


@given(st.dictionaries(st.text(), st.integers()))
def test_the_canonical_text_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    """Two dictionaries that are equal have one text."""
    backwards = dict(reversed(value.items()))

    assert canonical(backwards) == canonical(value)


@given(_TIMES)
def test_one_instant_has_one_text_in_every_zone(instant: datetime) -> None:
    """Where a flow ran does not show in a digest."""
    elsewhere = instant.astimezone(timezone(timedelta(hours=9)))

    assert entry(as_of=instant).content() == entry(as_of=elsewhere).content()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", Kind.GATE),
        ("model", "employment"),
        ("as_of", _NOW + timedelta(microseconds=1)),
        ("subject", "abd"),
        ("actor", "eve"),
        ("evidence", "e"),
        ("reason", "because"),
        ("payload", {"a": 1}),
        ("key", "k"),
    ],
)
def test_every_field_is_part_of_what_is_sealed(field: str, value: object) -> None:
    """No part of a decision can be changed and keep its digest."""
    usual, other = entry(), entry(**{field: value})

    seals = {Recorded.sealed(each, None, _NOW).digest for each in (usual, other)}

    assert len(seals) == 2


def test_a_record_is_sealed_by_its_place_its_time_and_the_one_before() -> None:
    """The same entry elsewhere in the chain is another record."""
    first = Recorded.sealed(entry(), None, _NOW)
    second = Recorded.sealed(entry(), first, _NOW)
    later = Recorded.sealed(entry(), None, _NOW + timedelta(seconds=1))

    assert first.prev == GENESIS
    assert (second.id, second.prev) == (2, first.digest)
    assert len({first.digest, second.digest, later.digest}) == 3


def test_an_entry_wants_a_time_with_a_zone() -> None:
    """A naive time names no instant."""
    with pytest.raises(ValidationError, match="timezone"):
        entry(as_of=datetime(2013, 1, 1))  # noqa: DTZ001 - the mistake that is refused


def test_infinities_are_kept_as_their_names() -> None:
    """A drift of infinity is a fact and must not become a null."""
    payload = entry(payload={"psi": float("inf"), "more": [float("-inf"), float("nan")]}).payload

    assert payload == {"psi": "Infinity", "more": ["-Infinity", "NaN"]}


def test_the_default_key_tells_decisions_apart_by_their_evidence() -> None:
    """The same subject judged on other evidence is another decision."""
    keys = {entry(evidence=each).key for each in ("", "a", "b")}

    assert len(keys) == 3
