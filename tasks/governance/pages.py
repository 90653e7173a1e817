"""What a reviewer reads: short markdown with the numbers, safe whatever the data held."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tasks.governance.authorship import Authorship
from tasks.references import (
    Bento,
    Candidate,
    Comparison,
    Conclusion,
    DriftVerdict,
    Finding,
    Inspection,
    Verdict,
    VerdictCause,
)

_MOST_ROWS: Final = 20
"""Rows of a table on the page; a form is read, not scrolled. The report has them all."""

_EXAMPLES: Final = 3
_WEIGHTIEST: Final = 2
"""Causes that stand before what could not be judged, so that both are seen without scrolling."""

_LONGEST_CELL: Final = 160
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#!|~$<>&@]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""What would begin markup, HTML or a link; behind a backslash markdown shows it as it is.

Prefect's pages show entities in letters, so none is written.
"""

_UNLINKABLE: Final = re.compile(r"[()<>\[\]\s]")


def escaped(text: object, longest: int = _LONGEST_CELL) -> str:
    r"""Text that markdown shows as it is: no markup, no HTML, no link, one line.

    >>> escaped("<b>|http://x")
    '\\<b\\>\\|http\\://x'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(line) > longest:
        line = f"{line[: longest - 1]}…"
    return _SPECIAL.sub(r"\\\1", line)


def batch_page(inspection: Inspection) -> tuple[str, str]:
    """Title and markdown for a batch on hold."""
    delivery = inspection.delivery
    title = f"{delivery.model}: the batch {delivery.window} is on hold"
    rows = sum(table.rows for table in inspection.staged)
    choice = _choice(
        f"the {rows:,} rows that passed are committed.",
        "the tables stay as they are, and a new delivery is awaited.",
    )
    return title, _page(title, (choice, *_batch_facts(inspection)))


def ingested_page(inspection: Inspection) -> tuple[str, str]:
    """Title and markdown for the page of an ingest's run, however the batch ended."""
    delivery = inspection.delivery
    title = f"{delivery.model} {delivery.window}: {inspection.ending.value}"
    return title, _page(title, _batch_facts(inspection))


def _batch_facts(inspection: Inspection) -> tuple[str, ...]:
    rows = sum(table.rows for table in inspection.staged)
    aside = sum(inspection.quarantined.values())
    worst_first = sorted(inspection.findings, key=lambda each: -each.ending.severity)
    return (
        _links({"Report of the contract": inspection.report_url}),
        "### What was seen",
        _list([_finding(each) for each in worst_first]),
        "### Rows",
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
    )


def candidate_page(
    candidate: Candidate,
    bento: Bento,
    comparison: Comparison,
    verdict: Verdict,
    new: Authorship | None = None,
) -> tuple[str, str]:
    """Title and markdown for a candidate that may replace the champion.

    Args:
        candidate: that may.
        bento: it, packaged.
        comparison: with the champion.
        verdict: of the gates.
        new: who wrote what is new of its folder since; None where nobody asked git.
    """
    title = f"{candidate.model}: may version {candidate.version} take over?"
    alone = comparison.against == "baseline"
    refused = "none is in charge" if alone else f"{escaped(_rival(comparison))} stays in charge"
    choice = _choice(f"version {candidate.version} is put in charge.", f"{refused}.")
    gates, links, *tables = _candidate_facts(candidate, bento, comparison, verdict)
    said = f"What is new in its folder: {_written(new or Authorship())}"
    return title, _page(title, (choice, gates, links, said, *tables))


def _written(new: Authorship) -> str:
    told = "who wrote it is not known, for git could not tell."
    if new.authors is not None:
        nothing = "nothing that was committed." if new.uncommitted else "nothing."
        told = f"written by {_names(new.authors)}." if new.authors else nothing
    if not new.uncommitted:
        return told
    return f"{told} **Not committed, so nobody knows whose it is**: {_names(new.uncommitted)}."


def _names(people: Sequence[str]) -> str:
    more = f" and {len(people) - _EXAMPLES} more" if len(people) > _EXAMPLES else ""
    return ", ".join(escaped(each) for each in people[:_EXAMPLES]) + more


def trained_page(
    candidate: Candidate, bento: Bento, comparison: Comparison, verdict: Verdict
) -> tuple[str, str]:
    """Title and markdown for the page of a training's run, whatever the gates said."""
    title = f"{candidate.model}: version {candidate.version}, the gates say {verdict.kind}"
    return title, _page(title, _candidate_facts(candidate, bento, comparison, verdict))


def _candidate_facts(
    candidate: Candidate, bento: Bento, comparison: Comparison, verdict: Verdict
) -> tuple[str, ...]:
    split, evaluation = candidate.fitted.split, candidate.evaluation
    return (
        f"The gates say: {escaped(verdict.why, 400)}",
        _links({"Run in MLflow": candidate.run_url, "Picture": evaluation.picture_url}),
        _table(
            (comparison.metric, f"on {comparison.rows:,} rows"),
            [
                (f"version {candidate.version}", _number(comparison.challenger)),
                (_rival(comparison), _number(comparison.incumbent)),
                ("gain", f"{comparison.gain:+.4f}"),
                ("interval", f"{comparison.lower:+.4f} to {comparison.upper:+.4f}"),
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
                ("trained on", _span(split.train)),
                ("held out", _span(split.holdout)),
                ("trainer", f"{candidate.fitted.trainer}, seed {candidate.fitted.seed}"),
                ("data version", candidate.data_version[:12]),
                ("commit", candidate.commit[:12]),
                ("bento", bento.tag),
            ],
        ),
    )


def drift_page(verdict: DriftVerdict, conclusion: Conclusion) -> tuple[str, str]:
    """Title and markdown for a window in which the world may have moved.

    What decides comes first, for the form shows few lines before it is scrolled: the question, the
    heaviest causes, and what nobody could judge.
    """
    title = f"{verdict.model}: {verdict.window} differs; train again?"
    most_first = sorted(verdict.drift.items(), key=lambda item: -item[1])
    links = _links({"Drift report": verdict.report_url, "Picture": verdict.picture_url})
    asked = (
        f"If the world has changed, a model is trained; else version {verdict.champion} goes on."
    )
    causes = _causes(verdict)
    body = (
        f"{asked} {links}".strip(),
        _numbers(verdict),
        _list(causes[:_WEIGHTIEST]),
        _told("**Could not be judged**", [escaped(each, 400) for each in verdict.unjudged]),
        _told("**More causes**", causes[_WEIGHTIEST:]),
        _told("**The policy**", [escaped(each, 400) for each in conclusion.why]),
        f"### Performance on {verdict.rows:,} rows",
        _table(("metric", "value"), [(k, _number(v)) for k, v in verdict.metrics.items()]),
        "### Drift against the training data",
        _table(("column", "PSI"), [(name, _number(value)) for name, value in most_first]),
    )
    return title, _page(title, body)


def _numbers(verdict: DriftVerdict) -> str:
    """Three of them: how many rows, how the champion does on them, and what moved most."""
    facts = [f"{verdict.rows:,} rows"]
    facts += [f"{escaped(name)} {_number(value)}" for name, value in [*verdict.metrics.items()][:1]]
    if verdict.drift:
        column = max(verdict.drift, key=lambda name: verdict.drift[name])
        facts.append(f"{escaped(column)} moved most, PSI {_number(verdict.drift[column])}")
    return " · ".join(facts)


def _causes(verdict: DriftVerdict) -> list[str]:
    """What asks for most first, then the heaviest; those of before weights as they are."""
    heaviest = sorted(verdict.causes, key=lambda each: (-each.action.rank, -each.weight))
    lines = [f"{escaped(each.sentence, 400)} {_weighed(each)}" for each in heaviest]
    return lines or [escaped(each, 400) for each in verdict.reasons]


def _weighed(cause: VerdictCause) -> str:
    facts = [f"{cause.kind.value} → {cause.action.value}", f"weight {cause.weight:.2f}"]
    facts += [f"{cause.rows:,} rows"] if cause.rows else []
    facts += [f"in {len(cause.windows)} windows"] if len(cause.windows) > 1 else []
    return f"*({', '.join(facts)})*"


def _told(what: str, lines: Sequence[str]) -> str:
    return f"{what}\n\n{_list(lines)}" if lines else ""


def _rival(comparison: Comparison) -> str:
    against = comparison.against
    return against if against == "baseline" else f"version {against}"


def _span(windows: Sequence[str]) -> str:
    """Windows in the width of a cell: the first, the last and their number."""
    if len(windows) <= _EXAMPLES:
        return ", ".join(windows)
    return f"{windows[0]} to {windows[-1]}, {len(windows)} windows"


def _choice(approved: str, refused: str) -> str:
    return f"**Approve**: {approved} **Refuse**: {refused}"


def _page(title: str, body: Iterable[str]) -> str:
    return "\n\n".join([f"## {escaped(title)}", *(part for part in body if part)])


def _finding(finding: Finding) -> str:
    """One line, because the form is narrow and cuts a wide table off."""
    column = finding.column or ""
    place = finding.table if column in finding.message else f"{finding.table}, {column}"
    place = finding.table if column.startswith("_") else place  # the contract's own word, no column
    shown = "; ".join(finding.examples[:_EXAMPLES])
    examples = f" For example {escaped(shown)}" if shown else ""
    return f"**{finding.ending.value}** {escaped(place)}: {escaped(finding.message, 400)}{examples}"


def _list(lines: Sequence[str]) -> str:
    if not lines:
        return "Nothing: every check passes."
    text = "\n".join(f"- {line}" for line in lines[:_MOST_ROWS])
    more = len(lines) - _MOST_ROWS
    return text + (f"\n\nand {more} more." if more > 0 else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "None."
    lines = [
        [escaped(name) for name in head],
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
