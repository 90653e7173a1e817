"""The comparison by Evidently: the window beside its reference, feature by feature."""

from collections.abc import Sequence
from html import escape

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

_MISSING = "(missing)"


def comparison_page(
    title: str,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    categorical: Sequence[str],
    threshold: float,
) -> bytes:
    """A self-contained HTML page; both frames are bounded by who calls.

    Args:
        title: what the page is called in a browser's tab and in the list of reports.
        reference: features of the training windows, at least one row.
        current: the same columns of the window, at least one row.
        categorical: the columns that hold categories.
        threshold: PSI beyond which a feature is marked.
    """
    # A column without any number makes Evidently raise.
    empty = {name for frame in (reference, current) for name in frame if frame[name].isna().all()}
    columns = [str(name) for name in reference if name not in empty]
    numeric = [name for name in columns if name not in set(categorical)]
    texts = [name for name in columns if name in set(categorical)]
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=texts)
    report = Report(
        [ValueDrift(column=name, method="psi", threshold=threshold) for name in columns],
        include_tests=True,
    )
    done = report.run(
        *(
            Dataset.from_pandas(_cast(frame, numeric, texts), data_definition=definition)
            for frame in (current, reference)
        )
    )
    html: str = done.get_html_str(as_iframe=False)
    return html.replace("<head>", f"<head><title>{escape(title)}</title>", 1).encode()


def _cast(frame: pd.DataFrame, numeric: list[str], texts: list[str]) -> pd.DataFrame:
    numbers = frame[numeric].astype("float64")
    names = frame[texts].astype("object").where(frame[texts].notna(), _MISSING).astype(str)
    return pd.concat([numbers, names], axis=1).reset_index(drop=True)
