"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from training.report.findings import findings
from training.report.select import Report
from training.report.tables import Table, all_tables


def markdown(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def about(report: Report) -> str:
    """One sentence on what was measured."""
    meta = report["meta"]
    kinds = ", ".join(f"{n} {kind}" for kind, n in meta["questions"].items())
    seeds = ", ".join(map(str, meta["plan"]["seeds"]))
    return (
        f"Model {meta['model']} ({meta['hashes']['base']}), estimator {meta['estimator']} ({meta['hashes']['adapter']}); "
        f"{meta['answers']} sampled answers (questions: {kinds}; {meta['unfinished']} unfinished answers left out), "
        f"seeds {seeds}; measured in {meta['seconds'] / 60:.0f} min."
    )


def _lines(report: Report) -> Iterator[str]:
    yield from ("# Confidence estimation: the evidence", "", about(report), "")
    yield from (f"- {line}" for line in findings(report))
    for table in all_tables(report):
        yield from ("", f"## {table.title}", "")
        if table.note:
            yield from (table.note, "")
        yield from _table(table)
    yield from ("", "## Methods", "", "| method | as published in |", "|---|---|")
    yield from (f"| {name} | {source} |" for name, source in report["meta"]["methods"].items())


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(table.header) + " |"
    yield "|" + "---|" * len(table.header)
    for number, line in enumerate(table.cells):
        cells = [f"**{c}**" if number in table.marked and c else c for c in line]
        yield "| " + " | ".join(cells) + " |"
