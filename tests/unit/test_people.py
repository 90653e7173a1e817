"""Who is the same person, however the name is written."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.governance.people import alike, among
from tasks.governance.spec import ApprovalSpec


@given(st.text())
def test_whoever_it_is_is_himself(name: str) -> None:
    """A name that cannot be taken apart is still the same name."""
    assert among(name, [name])
    assert among(f" {name} ", [name])


@given(st.text(), st.text())
def test_who_is_the_same_does_not_depend_on_who_is_asked(first: str, second: str) -> None:
    """Author and reviewer are read by the same rule."""
    assert among(first, [second]) is among(second, [first])


@pytest.mark.parametrize(
    ("reviewer", "known"),
    [
        ("Cy Dee <cy@example.org>", "Cy Dee <cy@example.org>"),
        ("Cy Dee <cy@example.org>", "cy"),
        ("Ann Lee (platform)", "Ann Lee (platform)"),
        ("Ann Lee (platform)", "ann lee"),
        ("ann\u200b", "ann"),
        ("a\u00adnn", "Ann"),
        ("Ren\u00e9", unicodedata.normalize("NFD", "ren\u00e9")),
        ("\uff41\uff4e\uff4e", "ann"),
        ("STRASSE", "stra\u00dfe"),
        ("ann", "Ann Lee <12345+ann@users.noreply.example.org>"),
        ("ann", "Ann Lee <12345-ann@users.noreply.example.org>"),
        ("ann", "Ann <ann+work@example.org>"),
        ("ann@example.org", "Somebody <ann@example.org>"),
        ('"Ann Lee" <x@example.org>', "Ann Lee"),
    ],
)
def test_one_person_is_found_under_many_spellings(reviewer: str, known: str) -> None:
    """What cannot be seen, or is an address of the same one, makes nobody somebody else."""
    assert among(reviewer, [known])
    assert among(known, [reviewer])


@pytest.mark.parametrize(
    ("reviewer", "known"),
    [
        ("an", "Ann Lee <ann@example.org>"),
        ("example.org", "ann@example.org"),
        ("Ann Ray <ray@example.org>", "Ann Lee <lee@example.org>"),
        ("12345", "Ann Lee <12345+ann@users.noreply.example.org>"),
    ],
)
def test_a_part_of_a_name_is_nobody(reviewer: str, known: str) -> None:
    """Who shares a first name, a domain or a few letters is another one."""
    assert not among(reviewer, [known])


def test_declared_reviewers_that_may_be_one_person_are_refused() -> None:
    """Else one person would be two; the message names both."""
    assert alike(["ann", "bob"]) is None

    with pytest.raises(ValidationError, match=r"twice: 'ann' and 'Ann Lee <ann@example\.org>'"):
        ApprovalSpec(approvals=2, reviewers=("bob", "ann", "Ann Lee <ann@example.org>"))
