"""Code that a model's folder brings along."""

from pathlib import Path

import pytest

from infra.errors import ConfigError
from infra.plugins import resolve


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "fails while it is imported: SystemExit: 3"),
        ("import sys; sys.exit()", "fails while it is imported: SystemExit"),
        ("def build(:", "fails while it is imported: SyntaxError"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("build = 3", "is int, no function"),
        ("", "has no 'build'"),
    ],
)
def test_code_that_cannot_be_had_is_a_sentence(code: str, said: str, tmp_path: Path) -> None:
    """Whatever it does while it is imported, leaving among it."""
    (tmp_path / "trainer.py").write_text(code)

    with pytest.raises(ConfigError, match=said):
        resolve(tmp_path, "trainer:build")
