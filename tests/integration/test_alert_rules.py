"""The rules for Prometheus, tried by its own tool on numbers that are made up."""

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.settings import PROJECT

RULES = PROJECT / "infra" / "observability" / "prometheus"

TOOL = shutil.which("promtool") or ""

pytestmark = pytest.mark.skipif(not TOOL, reason="there is no promtool on the path")


def promtool(*arguments: str, within: Path = RULES) -> subprocess.CompletedProcess[str]:
    """What Prometheus' tool says."""
    return subprocess.run(
        [TOOL, *arguments], cwd=within, capture_output=True, text=True, check=False
    )


def test_each_rule_fires_when_it_should_and_is_silent_otherwise() -> None:
    """A watch that never began is told as well as one that stopped."""
    done = promtool("test", "rules", "rules.test.yml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_misses_what_it_is_for_is_found(tmp_path: Path) -> None:
    """Without its second half a model that was never judged would be told by nobody."""
    rules = (RULES / "rules.yml").read_text(encoding="utf-8")
    first, _, rest = rules.partition("          or\n          time() - perennial_champion_crowned")
    broken = first + rest.partition("perennial_verdict_timestamp_seconds\n")[2]
    (tmp_path / "rules.yml").write_text(broken, encoding="utf-8")
    shutil.copy(RULES / "rules.test.yml", tmp_path)

    done = promtool("test", "rules", "rules.test.yml", within=tmp_path)

    assert done.returncode == 1
    assert "PerennialNotWatched" in done.stdout + done.stderr


def test_the_configuration_is_one_that_prometheus_takes() -> None:
    """With the rules that it names."""
    done = promtool("check", "config", "prometheus.yml")

    assert done.returncode == 0, done.stdout + done.stderr
