"""The report's pictures, each made from rows of the report alone."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from training.report import style
from training.report.select import ORACLE, OURS, PAPER, PLACES, Report, Row, is_finece, names, rows, whole

COLOURS = {ORACLE: style.LIMIT, "signals": style.FREE, PAPER: style.PAPER, OURS: style.OURS}  # in the order of drawing
MARKS = {OURS: "o", PAPER: "s", ORACLE: "*", "signals": "^"}
SHOWN_RIVALS = 3
LABEL_GAP = 0.055  # of the height
READ = {"question": "question", "first": "p(1)", "penultimate": "p(z-1)", "complete": "complete answer"}


def reliability(report: Report) -> Any:
    """Share right against confidence, in ten bins; the area of a point is its share of the answers."""
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.1), sharey=True)
    for axis, (place, title) in zip(axes, READ.items(), strict=True):
        axis.plot([0, 1], [0, 1], color=style.FAINT, lw=1, ls="--")
        for method in (PAPER, OURS):
            found = rows(report, "reliability", position=place, method=method)
            total = sum(r["n"] for r in found)
            x, y = [r["confidence"] for r in found], [r["accuracy"] for r in found]
            axis.plot(x, y, color=COLOURS[method], lw=1.4, label=method if found else None)
            axis.scatter(
                x, y, [220 * r["n"] / total + 4 for r in found], COLOURS[method], marker=MARKS[method], alpha=0.85, lw=0
            )
        axis.set(title=title, xlabel="confidence", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes[0].set_ylabel("share that was right")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", bbox_to_anchor=(0.5, 0.88), ncols=2)
    return figure


def risk_coverage(report: Report) -> Any:
    """The error rate among the surest, by how many are taken; lower is better."""
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.3), sharey=True)
    for axis, place in zip(axes, READ, strict=True):
        found = rows(report, "risk", position=place)
        order = [m for m in names(found, "method") if m not in COLOURS] + [m for m in COLOURS if m in names(found, "method")]
        for method in order:
            line = [r for r in found if r["method"] == method]
            known = method in COLOURS
            colour, width = COLOURS.get(method, style.OTHER), 2.0 if method in (PAPER, OURS) else 1.4 if known else 0.9
            axis.plot(
                [r["coverage"] for r in line],
                [r["risk"] for r in line],
                color=colour,
                lw=width,
                label=method if known else None,
            )
        axis.plot([], [], color=style.OTHER, lw=0.9, label="other methods")
        axis.set(title=READ[place], xlabel="coverage", xlim=(0, 1), ylim=(0, None))
    axes[0].set_ylabel("share wrong among the accepted")
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="lower center", bbox_to_anchor=(0.5, 0.95), ncols=5)
    return figure


def along(report: Report) -> Any:
    """Confidence by how much of the answer is written: the mean and the middle half, of right and of wrong answers."""
    methods = names(rows(report, "along"), "method")
    figure, axes = plt.subplots(1, len(methods), figsize=(4.6 * len(methods), 3.3), sharey=True, squeeze=False)
    looks = {"right": (style.FREE, "-", "o"), "wrong": (style.SAMPLING, "--", "D")}
    for axis, method in zip(axes[0], methods, strict=True):
        for ended, (colour, dash, mark) in looks.items():
            found = rows(report, "along", method=method, ended=ended)
            if not found:  # no answer ended so
                continue
            x = [float(r["position"]) for r in found]
            axis.fill_between(
                x, [r["quarter"] for r in found], [r["three_quarters"] for r in found], color=colour, alpha=0.18, lw=0
            )
            axis.plot(x, [r["confidence"] for r in found], color=colour, ls=dash, marker=mark, ms=5, lw=1.8)
            axis.annotate(f"ended {ended}", (x[-1], found[-1]["confidence"]), (4, 0), textcoords="offset points", color=colour, va="center")  # fmt: skip  # noqa: E501
        axis.set(
            title=method,
            xlabel="share of the answer that is written",
            ylim=(0, 1),
            xlim=(0, 1.28),
            xticks=[0, 0.25, 0.5, 0.75, 1],
        )
    axes[0][0].set_ylabel("confidence")
    return figure


def look_ahead(report: Report) -> Any:
    """ECE of p(1) over width and depth; darker is worse, and every cell says its figure."""
    methods = names(rows(report, "bci"), "method")
    figure, axes = plt.subplots(1, len(methods), figsize=(4.6 * len(methods), 3.4), squeeze=False)
    values = [r["ece"] for r in rows(report, "bci")]
    for axis, method in zip(axes[0], methods, strict=True):
        _grid(axis, rows(report, "bci", method=method), min(values), max(values))
        axis.set(title=f"{method}: ECE % of p(1), alpha", xlabel="width w (branches)", ylabel="depth d (positions)")
    return figure


def _grid(axis: Any, found: list[Row], low: float, high: float) -> None:
    axis.grid(False)
    for r in found:
        strength = 0.08 + 0.5 * (r["ece"] - low) / max(high - low, 1e-9)
        axis.add_patch(Rectangle((r["width"] - 0.5, r["depth"] - 0.5), 1, 1, color=style.PAPER, alpha=strength, lw=0))
        alpha = "none" if r["alpha"] is None else f"a = {r['alpha']:.2f}"
        axis.text(r["width"], r["depth"], f"{100 * r['ece']:.1f}\n{alpha}", ha="center", va="center", fontsize=9)
    axis.set(xlim=(-0.5, 3.5), ylim=(-0.5, 3.5), xticks=range(4), yticks=range(4))


def cost(report: Report) -> Any:
    """AUROC against the tokens that a method spends beyond the answer's own."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
    for axis, place in zip(axes, ("first", "complete"), strict=True):
        table = PLACES[place][0]
        found = [r for r in rows(report, table, position=place, kind=whole(report)) if r["auroc"] is not None]
        axis.set(title=READ[place], xlabel="tokens that a score costs beyond the answer's own")
        axis.set_xscale("symlog", linthresh=10)
        if not found:  # all answers ended alike, or none has a paragraph before its last
            continue
        for r in found:
            colour = COLOURS.get(
                r["method"], style.OURS if is_finece(r["method"]) else style.SAMPLING if r.get("samples") else style.OTHER
            )
            mark = MARKS.get(r["method"], "D" if r.get("samples") else "v")
            spread = [[r["auroc"] - r["auroc_low"]], [r["auroc_high"] - r["auroc"]]]
            axis.errorbar(r["tokens"], r["auroc"], spread, color=colour, marker=mark, ms=7, lw=1)
        axis.set_xlim(-1.5, 12 * max(r["tokens"] for r in found))
        _labels(axis, found)
    axes[0].set_ylabel("AUROC")
    return figure


def _labels(axis: Any, found: list[Row]) -> None:
    """Names for FineCE, the oracle and the best others, pushed apart where they would overlap; the tables name all."""
    rivals = sorted((r for r in found if r["method"] not in COLOURS), key=lambda r: -r["auroc"])[:SHOWN_RIVALS]
    low, high = axis.get_ylim()
    lowest = math.inf
    for r in sorted([*(r for r in found if r["method"] in COLOURS), *rivals], key=lambda r: -r["auroc"]):
        lowest = min(r["auroc"], lowest - LABEL_GAP * (high - low))
        at = (1.25 * r["tokens"] + 1, lowest)
        line = {"arrowstyle": "-", "color": style.GRID, "lw": 0.8}
        look = {"fontsize": 9, "color": COLOURS.get(r["method"], style.INK), "va": "center"}
        axis.annotate(r["method"], (r["tokens"], r["auroc"]), at, arrowprops=line, **look)


PICTURES = {
    "Reliability": (reliability, "reliability", "On the dashed line a confidence means what it says."),
    "Risk and coverage": (
        risk_coverage,
        "risk",
        "Taking only the surest answers: how many of them are wrong. Lower is better.",
    ),
    "Confidence along the answer": (
        along,
        "along",
        "What was last read by then: mean and middle half, of answers that ended right and of those that did not.",
    ),
    "Looking ahead": (look_ahead, "bci", "Backward Confidence Integration; w = d = 0 is none. Stronger is worse."),
    "Cost and AUROC": (
        cost,
        "outcome",
        "Up and to the left is better. Circles and squares are FineCE, diamonds sample, triangles do not.",
    ),
}


def pictures(report: Report) -> list[tuple[str, str, str]]:
    """(title, caption, SVG) of every picture that the report has rows for."""
    out = []
    with style.styled():
        for title, (draw, table, caption) in PICTURES.items():
            if rows(report, table):
                figure = draw(report)
                out.append((title, caption, style.svg(figure)))
                plt.close(figure)
    return out
