"""What MLflow is told of a candidate, in MLflow's own words."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from infra.store import digest_of
from tasks.references import Cause, Evaluation, Fitted, Profiled, Reference

_LONGEST_VALUE = 5000
"""Characters of a parameter or a tag. Source: MLflow 3.17, limits of 6000 and 8000."""


class Request(Reference):
    """What is to be registered."""

    fitted: Fitted
    evaluation: Evaluation
    cause: Cause
    as_of: datetime
    profiled: Profiled | None = None

    @property
    def model(self) -> str:
        """Name of the model; of its experiment and its registered model too."""
        return self.fitted.split.table.model

    @property
    def data_version(self) -> str:
        """Digest of the history that the candidate was trained from."""
        return self.fitted.split.table.history

    @property
    def digest(self) -> str:
        """What names the candidate: the same training of the same data for the same reason."""
        return digest_of(
            self.model,
            self.fitted.digest,
            self.evaluation.digest,
            self.data_version,
            self.cause,
            self.as_of,
            *([self.profiled.digests] if self.profiled else []),
        )

    @property
    def title(self) -> str:
        """What the run is called."""
        return f"{self.as_of.astimezone(UTC):%Y-%m-%d} {self.cause} {self.digest[:8]}"


def parameters(request: Request) -> dict[str, str]:
    """The run's parameters: the trainer's own, and what chose them."""
    fitted = request.fitted
    plain: dict[str, JsonValue] = {
        **fitted.parameters,
        "trainer": fitted.trainer,
        "seed": fitted.seed,
        "train_windows": ", ".join(fitted.split.train),
        "holdout_windows": ", ".join(fitted.split.holdout),
        "train_rows": fitted.rows,
        "holdout_rows": request.evaluation.rows,
        "features": len(fitted.split.table.features),
        "trials": len(fitted.trials),
    }
    return {name: _text(value) for name, value in plain.items()}


def metrics(evaluation: Evaluation) -> dict[str, float]:
    """The holdout's metrics, and the baseline's under ``baseline/``."""
    return {
        **evaluation.metrics,
        **{f"baseline/{name}": value for name, value in evaluation.baseline.items()},
    }


def tags(request: Request, commit: str, lock: str) -> dict[str, str]:
    """What a run and a version are found by, and what made them."""
    table, hardware = request.fitted.split.table, request.fitted.hardware
    return {
        **({"perennial.hardware": hardware.kind} if hardware else {}),
        "perennial.digest": request.digest,
        "perennial.cause": request.cause.value,
        "perennial.as_of": request.as_of.astimezone(UTC).isoformat(),
        "perennial.commit": commit,
        "perennial.lock": lock,
        "perennial.seed": str(request.fitted.seed),
        "perennial.model_digest": request.fitted.digest,
        "perennial.data_version": request.data_version,
        "perennial.feature_table": f"{table.uri}@{table.version}",
        "perennial.evaluation": request.evaluation.digest,
        "perennial.picture": request.evaluation.picture_url,
    }


def documents(request: Request) -> dict[str, str]:
    """The run's documents: file name to JSON."""
    fitted, evaluation = request.fitted, request.evaluation
    return {
        "slices.json": json.dumps(evaluation.slices, indent=2, sort_keys=True),
        "importances.json": json.dumps(evaluation.importances, indent=2, sort_keys=True),
        "trials.json": json.dumps([trial.model_dump() for trial in fitted.trials], indent=2),
        "fitted.json": fitted.model_dump_json(indent=2),
        "evaluation.json": evaluation.model_dump_json(indent=2),
    }


def datasets(request: Request) -> list[dict[str, str]]:
    """The data that went in, each with our digest of all of its rows.

    MLflow's own digest covers the first 10,000 rows only.
    """
    split, table = request.fitted.split, request.fitted.split.table
    parts = {part.window: part for part in table.parts}
    found = []
    for context, windows in (("training", split.train), ("holdout", split.holdout)):
        chosen = [parts[window] for window in windows if window in parts]
        found.append(
            {
                "context": context,
                "name": f"{table.model} features, {_span(windows)}",
                "digest": digest_of([part.digest for part in chosen])[:36],
                "source": json.dumps(
                    {
                        "uri": table.uri,
                        "version": table.version,
                        "windows": list(windows),
                        "digests": {part.window: part.digest for part in chosen},
                        "history": table.history,
                    }
                ),
                "profile": json.dumps({"num_rows": sum(part.rows for part in chosen)}),
            }
        )
    return found


def describe(request: Request, facts: Mapping[str, str]) -> str:
    """What a person reads on the version's page, in Markdown."""
    evaluation, split = request.evaluation, request.fitted.split
    shown = ", ".join(f"{name} {value:.4f}" for name, value in sorted(evaluation.metrics.items()))
    picture = f"\n\n![holdout]({evaluation.picture_url})" if evaluation.picture_url else ""
    return (
        f"Trained on {_span(split.train)} ({request.fitted.rows:,} rows), judged on "
        f"{_span(split.holdout)} ({evaluation.rows:,} rows): {shown}. "
        f"Cause {request.cause}, as of {request.as_of:%Y-%m-%d %H:%M %Z}, "
        f"data {request.data_version[:12]}, commit {facts['perennial.commit'][:12]}.{picture}"
    )


def _span(windows: tuple[str, ...]) -> str:
    return windows[0] if len(windows) == 1 else f"{windows[0]} to {windows[-1]}"


def _text(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
