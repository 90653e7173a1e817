"""How the stack serves MLflow, beside how MLflow's own command does."""

import pytest

from infra.stack.applications import variables_of_mlflow

RECORDS, ARTIFACTS = "sqlite:///records.db", "file:///artifacts"


class _ServedError(Exception):
    """Raised where MLflow's command would start the process that serves."""


def test_mlflow_is_told_what_its_own_command_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are MLflow's own business: a version that changes them is seen here."""
    from mlflow import server

    told: dict[str, str] = {}

    def caught(_command: list[str], *, extra_env: dict[str, str], **_options: object) -> None:
        told.update(extra_env)
        raise _ServedError

    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    monkeypatch.setattr(server, "_exec_cmd", caught)

    with pytest.raises(_ServedError):
        server._run_server(
            file_store_path=RECORDS,
            registry_store_uri=RECORDS,
            default_artifact_root=ARTIFACTS,
            serve_artifacts=False,
            artifacts_only=False,
            artifacts_destination=None,
            host="127.0.0.1",
            port=1,
            workers=1,
        )

    ours = variables_of_mlflow(RECORDS, ARTIFACTS)
    boot = "_MLFLOW_SERVER_BOOT_ID"
    assert len(ours.pop(boot)) == len(told.pop(boot))  # another one at each start
    assert ours == told
