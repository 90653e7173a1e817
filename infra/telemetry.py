"""Nothing calls home: the switches that keep every library quiet."""

from collections.abc import MutableMapping
from typing import Final

QUIET: Final = {
    "DO_NOT_TRACK": "true",  # MLflow wants the word; Prefect takes it too
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
}


def silence(environment: MutableMapping[str, str]) -> None:
    """Switch every library's telemetry off unless the user has set the switch already."""
    for switch, off in QUIET.items():
        environment.setdefault(switch, off)
