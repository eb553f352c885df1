"""The look of the pictures: colours that stay apart for colour-blind readers (Okabe and Ito 2008), and both light and dark.

Each colour is drawn in its light form and becomes a CSS variable of the page, which has a form for dark screens too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

INK, FAINT, GRID = "#1f2430", "#8a8f98", "#d5d8dd"
OURS, PAPER, FREE, SAMPLING, LIMIT, OTHER = "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#5b5f66", "#a3a8b0"
VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    GRID: "grid",
    OURS: "ours",
    PAPER: "paper",
    FREE: "free",
    SAMPLING: "sampling",
    LIMIT: "limit",
    OTHER: "other",
}
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "finece",
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def styled() -> Iterator[None]:
    with mpl.rc_context(SETTINGS):
        yield


def svg(figure: Any) -> str:
    """The figure as an SVG element for a page: its colours are variables, its text is text, the same input gives the same
    output."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, name in VARIABLES.items():
        text = re.sub(re.escape(colour), f"var(--{name})", text, flags=re.IGNORECASE)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1), count=1)
