"""What is said once, however often it is looked at."""

from pathlib import Path

from deployments.said import unsaid


def test_what_waits_is_told_when_it_begins_to_wait_and_when_it_changes(home: Path) -> None:
    """A look in between has nothing to say; what came back is told again."""
    looks = [["a waits", "b waits"], ["a waits", "b waits"], ["a waits"], ["a waits", "b waits"]]

    assert [list(unsaid("code", look)) for look in looks] == [looks[0], [], [], ["b waits"]]
    assert list(unsaid("events", ["a waits"])) == ["a waits"]


def test_a_note_that_is_damaged_hides_nothing(home: Path) -> None:
    """All of it is said again."""
    list(unsaid("code", ["a waits"]))
    (home / "said" / "code.json").write_text("{")

    assert list(unsaid("code", ["a waits"])) == ["a waits"]
