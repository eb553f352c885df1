"""The report as one web page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from training.report.findings import findings
from training.report.markdown import about, methods
from training.report.pictures import pictures
from training.report.select import Report
from training.report.tables import all_tables

# Columns of words; all others are figures and stand right.
WORDS = ("method", "kind", "position", "read", "answer", "over", "sort of question")


def page(report: Report) -> str:
    """HTML; every text of the report is escaped."""
    environment = Environment(loader=PackageLoader("training", "report"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html.jinja").render(
        about=about(report),
        findings=findings(report),
        pictures=pictures(report),
        tables=all_tables(report),
        methods=methods(report),
        words=WORDS,
    )
