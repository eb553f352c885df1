"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

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


def methods(report: Report) -> dict[str, str]:
    """What each method is, and why one is missing."""
    return report["meta"]["methods"] | {name: f"left out: {why}" for name, why in report["meta"]["left_out"].items()}


def _lines(report: Report) -> Iterator[str]:
    yield from ("# Confidence estimation: the evidence", "", _text(about(report)), "")
    yield from (f"- {_text(line)}" for line in findings(report))
    for table in all_tables(report):
        yield from ("", f"## {_text(table.title)}", "")
        if table.note:
            yield from (_text(table.note), "")
        yield from _table(table)
    yield from ("", "## Methods", "", "| method | as published in |", "|---|---|")
    yield from (_line(pair) for pair in methods(report).items())


def _table(table: Table) -> Iterator[str]:
    yield _line(table.header)
    yield "|" + "---|" * len(table.header)
    for number, line in enumerate(table.cells):
        yield _line([f"**{c}**" if number in table.marked and c else c for c in line])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _text(text: str) -> str:
    """What would be markup or a control code is only text."""
    return "".join(c for c in escape(text, quote=False) if c.isprintable())
