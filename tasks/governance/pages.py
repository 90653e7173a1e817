"""What a reviewer reads: short markdown with the numbers, safe whatever the data held."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tasks.references import (
    Bento,
    Candidate,
    Comparison,
    DriftVerdict,
    Finding,
    Inspection,
    Verdict,
)

_MOST_ROWS: Final = 20
"""Rows of a table on the page; a form is read, not scrolled. The report has them all."""

_LONGEST_CELL: Final = 160
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#!|~$])")
_UNLINKABLE: Final = re.compile(r"[()<>\[\]\s]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}


def escaped(text: object, longest: int = _LONGEST_CELL) -> str:
    r"""Text that markdown shows as it is: no markup, no HTML, no link, one line.

    >>> escaped("<b>|http://x")
    '&lt;b&gt;\\|http&#58;//x'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(line) > longest:
        line = f"{line[: longest - 1]}…"
    line = "".join(_ENTITIES.get(character, character) for character in line)
    line = _SPECIAL.sub(r"\\\1", line)
    return line.replace("://", "&#58;//").replace("www.", "www&#46;")


def batch_page(inspection: Inspection) -> tuple[str, str]:
    """Title and markdown for a batch on hold."""
    delivery = inspection.delivery
    title = f"{delivery.model}: the batch {delivery.window} is on hold"
    rows = sum(table.rows for table in inspection.staged)
    aside = sum(inspection.quarantined.values())
    worst_first = sorted(inspection.findings, key=lambda each: -each.ending.severity)
    body = (
        _choice(
            f"the {rows:,} rows that passed are committed.",
            "the tables stay as they are, and a new delivery is awaited.",
        ),
        _links({"Report of the contract": inspection.report_url}),
        _table(
            ("table", "rows that passed", "rows set aside"),
            [
                *(
                    (each.table, f"{each.rows:,}", inspection.quarantined.get(each.table, 0))
                    for each in inspection.staged
                ),
                ("all", f"{rows:,}", f"{aside:,}"),
            ],
        ),
        "### What was seen",
        _table(
            ("ending", "table", "column", "check", "rows", "finding", "examples"),
            [_finding(each) for each in worst_first],
        ),
    )
    return title, _page(title, body)


def candidate_page(
    candidate: Candidate, bento: Bento, comparison: Comparison, verdict: Verdict
) -> tuple[str, str]:
    """Title and markdown for a candidate that may replace the champion."""
    title = f"{candidate.model}: may version {candidate.version} take over?"
    against = comparison.against
    stays = "no version" if against == "baseline" else f"version {against}"
    split, evaluation = candidate.fitted.split, candidate.evaluation
    body = (
        _choice(
            f"version {candidate.version} is put in charge.", f"{escaped(stays)} stays in charge."
        ),
        f"The gates say: {escaped(verdict.why, 400)}",
        _links({"Run in MLflow": candidate.run_url, "Picture": evaluation.picture_url}),
        _table(
            ("metric", f"version {candidate.version}", against, "gain", "interval", "rows"),
            [
                (
                    comparison.metric,
                    _number(comparison.challenger),
                    _number(comparison.incumbent),
                    f"{comparison.gain:+.4f}",
                    f"{comparison.lower:+.4f} to {comparison.upper:+.4f}",
                    f"{comparison.rows:,}",
                )
            ],
        ),
        "### On the holdout",
        _table(
            ("metric", "candidate", "baseline"),
            [
                (name, _number(value), _number(evaluation.baseline.get(name)))
                for name, value in evaluation.metrics.items()
            ],
        ),
        "### Where it comes from",
        _table(
            ("fact", "value"),
            [
                ("cause", candidate.cause.value),
                ("as of", candidate.as_of.isoformat()),
                ("trained on", ", ".join(split.train)),
                ("held out", ", ".join(split.holdout)),
                ("trainer", f"{candidate.fitted.trainer}, seed {candidate.fitted.seed}"),
                ("data version", candidate.data_version[:12]),
                ("commit", candidate.commit[:12]),
                ("bento", bento.tag),
            ],
        ),
    )
    return title, _page(title, body)


def drift_page(verdict: DriftVerdict) -> tuple[str, str]:
    """Title and markdown for a window in which the world may have moved."""
    title = f"{verdict.model}: {verdict.window} differs; train again?"
    most_first = sorted(verdict.drift.items(), key=lambda item: -item[1])
    body = (
        _choice(
            "a training with cause drift is started.",
            f"version {verdict.champion} goes on as it is.",
        ),
        _links({"Drift report": verdict.report_url}),
        "\n".join(f"- {escaped(reason, 400)}" for reason in verdict.reasons[:_MOST_ROWS]),
        f"### Performance on {verdict.rows:,} rows",
        _table(("metric", "value"), [(k, _number(v)) for k, v in verdict.metrics.items()]),
        "### Drift against the training data",
        _table(("column", "PSI"), [(name, _number(value)) for name, value in most_first]),
    )
    return title, _page(title, body)


def _choice(approved: str, refused: str) -> str:
    return f"**Approve**: {approved} **Refuse**: {refused}"


def _page(title: str, body: Iterable[str]) -> str:
    return "\n\n".join([f"## {escaped(title)}", *(part for part in body if part)])


def _finding(finding: Finding) -> tuple[object, ...]:
    return (
        finding.ending.value,
        finding.table,
        finding.column or "",
        finding.check,
        finding.rows or "",
        finding.message,
        "; ".join(finding.examples[:5]),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "None."
    lines = [
        head,
        ["---"] * len(head),
        *([escaped(cell) for cell in row] for row in rows[:_MOST_ROWS]),
    ]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    more = len(rows) - _MOST_ROWS
    return text + (f"\n\nand {more} more." if more > 0 else "")


def _links(addresses: dict[str, str]) -> str:
    """Links to pages of ours; what is no web address is left out, because no browser opens it."""
    kept = (
        f"[{name}]({_UNLINKABLE.sub('', address)})"
        for name, address in addresses.items()
        if address.startswith(("http://", "https://"))
    )
    return " · ".join(kept)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
