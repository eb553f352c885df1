"""The report of an evaluation as files: ``report.json`` for scripts, ``report.md`` and ``report.html`` for readers.

Everything shown is made from the rows of ``report.json`` alone.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from training.report.select import Report


def write_report(report: Report, out: Path) -> list[Path]:
    """Write the three files into ``out`` (each whole or not at all) and name them."""
    from training.report.markdown import markdown
    from training.report.page import page

    texts = {"report.json": json.dumps(report, indent=1) + "\n", "report.md": markdown(report), "report.html": page(report)}
    for name, text in texts.items():
        unfinished = out / f".{name}.{os.getpid()}"
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, out / name)
    return [out / name for name in texts]
