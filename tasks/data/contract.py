"""A table against its Great Expectations suite: counted when it is read, judged as it declares."""

from functools import lru_cache
from typing import Any, Final, Literal

import great_expectations as gx
import pandas as pd
from great_expectations.core.batch import Batch as Rows

from infra.errors import ConfigError, few
from tasks.data.batch import EXAMPLES, Batch, plain
from tasks.data.rules import ENDINGS
from tasks.data.suites import Suite, quiet
from tasks.data.wording import columns_said, number, rule_of, whole_table
from tasks.references import Ending

MOST: Final = 0.5
"""Share of the rows from which ``when_most`` speaks: then no row is wrong, but all of them are."""

_FEWEST: Final = 8
"""Rows from which a group can say that all of it is wrong."""


def check_contract(batch: Batch, observed: pd.DataFrame, suite: Suite) -> None:
    """Hold the rows of a batch against a suite; what fails becomes findings, as each one declares.

    Args:
        batch: the batch; its rows are the ones of `observed`.
        observed: its rows with the observed columns, same index.
        suite: the table's suite.

    Raises:
        ConfigError: an expectation cannot be computed on these columns.
    """
    for result in _failures(_floats(observed), suite):
        _judge(batch, observed, result.expectation_config, result.result)


def _failures(frame: pd.DataFrame, suite: Suite) -> list[Any]:
    """The results of what fails, in full: most holds, and Great Expectations tells that in half."""
    with quiet():
        rows: Rows = _frames().get_batch(batch_parameters={"dataframe": frame})
        failed = [
            _asked(each) for each in _results(rows, suite, "BOOLEAN_ONLY") if not each.success
        ]
        if not failed:
            return []
        again = Suite(suite.name, gx.ExpectationSuite(name=suite.name, expectations=failed))
        return _results(rows, again, "COMPLETE")


def _results(rows: Rows, suite: Suite, detail: Literal["BOOLEAN_ONLY", "COMPLETE"]) -> list[Any]:
    found = list(rows.validate(suite.suite, result_format=detail).results)
    for result in found:
        if result.exception_info and _raised(result.exception_info):
            raise ConfigError(
                f"{result.expectation_config.type} of the suite {suite.name} cannot be computed: "
                f"{few(_why(result.exception_info), 1)}."
            )
    return found


def _asked(result: Any) -> dict[str, Any]:  # noqa: ANN401 - GX is untyped
    """The expectation of a result, as a suite has it."""
    config = result.expectation_config
    kwargs = {name: value for name, value in config.kwargs.items() if name != "batch_id"}
    return {"type": config.type, "kwargs": kwargs, "meta": config.meta}


@lru_cache(maxsize=1)
def _frames() -> Any:  # noqa: ANN401 - GX is untyped
    """What takes a frame in: one context for the process, since each makes a folder and logs it."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("whole")


def _judge(batch: Batch, observed: pd.DataFrame, config: Any, result: dict[str, Any]) -> None:  # noqa: ANN401 - GX is untyped
    ending = ENDINGS[config.meta["on_failure"]]
    column, says = config.kwargs.get("column"), config.meta.get("says")
    wrong = result.get("unexpected_index_list")
    if wrong is None:
        told = whole_table(config.type, config.kwargs, says, result.get("observed_value"))
        batch.find(ending, config.type, told, column=column)
        return
    rule = says or rule_of(config.type, config.kwargs)
    against = f"where {column} breaks a rule: {rule}"
    if column is None or column not in batch.frame:
        against = f"against the rule: {rule}"
    rows = pd.Index(sorted({int(row) for row in wrong}))
    share = len(rows) / max(result["element_count"] - (result.get("missing_count") or 0), 1)
    examples = _examples(batch, observed, rows, column, rule)
    group, share = _worst(batch, observed, rows, column, share)
    if "when_most" in config.meta and share > MOST:
        ending = ENDINGS[config.meta["when_most"]]
    if ending is Ending.QUARANTINE:
        batch.set_aside(rows, config.type, against, column=column, examples=examples)
        return
    noun = "row" if len(rows) == 1 else "rows"
    batch.find(
        ending,
        config.type,
        f"{len(rows)} {noun} ({share:.0%}{group}) {against}; first: {batch.place(int(rows[0]))}.",
        column=column,
        rows=len(rows),
        examples=examples,
    )


def _worst(
    batch: Batch, observed: pd.DataFrame, rows: "pd.Index[int]", column: str | None, share: float
) -> tuple[str, float]:
    """The share of the rows that break a rule, in the group that breaks it most.

    One station of three that changed its unit breaks it in all of its rows, and in a third of all.
    """
    by = dict.fromkeys(
        name
        for each in batch.spec.stable
        if each.beside and each.column == column
        for name in each.by
    )
    worst = ("", share)
    for name in by:
        groups = observed.loc[observed[str(column)].notna(), name]
        shares = groups.loc[groups.index.intersection(rows)].value_counts() / groups.value_counts()
        shares = shares[groups.value_counts() >= _FEWEST].dropna()
        if not shares.empty and shares.max() > worst[1]:
            worst = (f" of those at {name} {plain(shares.idxmax())}", float(shares.max()))
    return worst


def _examples(
    batch: Batch, observed: pd.DataFrame, rows: "pd.Index[int]", column: str | None, rule: str
) -> list[str]:
    """Some of the rows, with the cell in question; for what was observed, the cells it rests on."""
    if column is None or column in batch.frame:
        return batch.cells(rows, column)
    named = columns_said(rule, list(batch.frame.columns))
    if not named:
        seen = observed[column]
        return [f"{batch.place(int(row))}: {number(seen[row])}" for row in rows[:EXAMPLES]]
    return batch.cells(rows, *named)


def _floats(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as plain floats: Great Expectations is several times faster on them."""
    numbers = {name: "float64" for name, kind in frame.dtypes.items() if str(kind) == "Int64"}
    flags = {name: "object" for name, kind in frame.dtypes.items() if str(kind) == "boolean"}
    return frame.astype({**numbers, **flags})


def _raised(info: dict[str, Any]) -> bool:
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(each.get("raised_exception") for each in info.values())


def _why(info: dict[str, Any]) -> list[str]:
    found = [info] if "exception_message" in info else list(info.values())
    return [plain(each.get("exception_message"), 200) for each in found]
