"""The file of a declaration: whatever it is, an answer that says what to do."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.errors import ConfigError
from infra.settings import PROJECT
from tasks.spec import load_spec

GOOD = (PROJECT / "deployments" / "flights" / "model.yaml").read_text(encoding="utf-8")


def _text(change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda path: path.write_text(change(GOOD), encoding="utf-8")


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "is a folder, and no file"),
    "a pipe": (os.mkfifo, "is a named pipe"),
    "a broken link": (lambda path: path.symlink_to("gone.yaml"), "gone.yaml, which is not there"),
    "empty": (_bytes(b""), "holds nothing, and no declaration"),
    "blank": (_bytes(b"\n# only a comment\n"), "holds nothing, and no declaration"),
    "a list": (_bytes(b"- name: flights\n"), "holds a list, and no declaration"),
    "a word": (_bytes(b"flights"), "holds a str, and no declaration"),
    "latin-1": (_bytes(b"name: flights\ntitle: \xe9t\xe9\n"), "is not UTF-8: byte 21 in line 2"),
    "utf-16": (_bytes(GOOD.encode("utf-16")), "is not UTF-8: byte 0 in line 1"),
    "binary": (_bytes(bytes(range(128))), "is no YAML"),
    "a tab": (_text(lambda text: text.replace("  grain", "\tgrain", 1)), "is no YAML"),
    "a key twice": (_text(lambda text: text + "\nname: other\n"), "found duplicate key"),
    "two documents": (_text(lambda text: f"{text}\n---\n{text}"), "is no YAML"),
    "a tag of Python": (
        _text(lambda text: text + "\nx: !!python/object/apply:os.system ['true']\n"),
        "could not determine a constructor for the tag",
    ),
    "a day that is none": (_bytes(b"name: 2013-02-31\n"), "is no YAML"),
    "a key that is a list": (_bytes(b"? [a, b]\n: c\n"), ""),
    "a bomb": (_bytes(BOMB.encode()), "unfolds to more than 100,000 values"),
    "a ring": (_bytes(b"name: &a [*a]\n"), "unfolds to more than 100,000 values"),
    "deep": (_bytes(b"[" * 100_000 + b"]" * 100_000), "it nests 51 levels deep"),
    "ten megabytes": (
        _bytes(b"# long\n" + b"x: 1\n" * 2_000_000),
        "holds 10,000,007 bytes; at most 1 MiB are read",
    ),
    "numbers for keys": (_bytes(b"1: 2\n"), ""),
    "a value of another label": (
        _text(
            lambda text: text.replace(
                "\nmonitoring:\n", "\nmonitoring:\n  value: {per_unit_of_error: -1}\n", 1
            )
        ),
        "model.yaml: monitoring.value: per_unit_of_error does not fit a label that is binary",
    ),
    "its own folder": (_text(lambda text: text + "\nfolder: /etc\n"), "folder is not known"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", FILES)
def test_a_declaration_that_is_none_is_told_and_never_waited_for(kind: str, tmp_path: Path) -> None:
    """The file is named, the fault is named, and so is what to do."""
    write, says = FILES[kind]
    path = tmp_path / "flights" / "model.yaml"
    path.parent.mkdir()
    write(path)

    with pytest.raises(ConfigError) as caught:
        load_spec("flights", tmp_path)

    said = str(caught.value)
    assert says in said
    assert str(path) in said
    assert caught.value.advice
    assert said.isprintable()
    assert len(said) < 1500


def test_a_declaration_that_may_not_be_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The superuser may read all, so the system's word is put in."""
    path = tmp_path / "flights" / "model.yaml"
    path.parent.mkdir()
    path.write_text(GOOD, encoding="utf-8")

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("infra.files.os.open", denied)

    with pytest.raises(ConfigError, match="permission denied"):
        load_spec("flights", tmp_path)


def test_an_alias_that_repeats_a_part_is_fine(tmp_path: Path) -> None:
    """Anchors are part of YAML; only their explosion is not."""
    path = tmp_path / "flights" / "model.yaml"
    path.parent.mkdir()
    text = GOOD.replace("categorical: [carrier,", "categorical: &a [carrier,", 1)
    path.write_text(text.replace("slices: [origin, carrier]", "slices: *a"), encoding="utf-8")

    spec = load_spec("flights", tmp_path)

    assert spec.evaluation.slices == spec.features.categorical
