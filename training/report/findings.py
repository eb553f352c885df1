"""What the tables say, in sentences, won or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from training.report.select import MORE, ORACLE, PAPER, PLACES, Report, Row, is_finece, names, ours, rows, whole

SIGNALS = "signals"
OF_PAPER = ("P(IK)", "First-Prob", "SuC", "Verb", "SE", "Multi-Step", "LECO")  # how its baselines' names begin
FIGURES = {"AUROC": "auroc", "ECE": "ece", "ECE against the oracle's shares": "ece_oracle", "Brier score": "brier"}


def findings(report: Report) -> list[str]:
    makers: tuple[Callable[[Report], Iterator[str]], ...] = (
        cells,
        paper,
        more,
        sampling,
        limit,
        calibrated,
        early,
        stopping,
        look_ahead,
        drift,
        open_ended,
    )
    return [line for make in makers for line in make(report)]


def cells(report: Report) -> Iterator[str]:
    """Against methods that sample nothing, cell by cell of the two main tables."""
    yield from _won(report, list(_cells(report)), "samples nothing")


def more(report: Report) -> Iterator[str]:
    """The same on more answers, where there were more questions."""
    for r in rows(report, MORE, position="question", kind=whole(report), method=ours(report)):
        told = [*_won(report, list(_cells(report, MORE)), "costs no further token"), *_calibrated(report, MORE)]
        yield from (f"On {r['n']:,} more answers: {line}" for line in told)


def _won(report: Report, cells: list[list[Row]], rivals: str) -> Iterator[str]:
    for figure in FIGURES:
        won, apart, lost = 0, 0, []
        for found in cells:
            mine, best = _duel(found, figure, ours(report), _is_rival)
            if mine is None or best is None:
                continue
            (value, _, worst), (rival, limit, _) = _read(mine, figure), _read(best, figure)
            won, apart = won + (value < rival), apart + (worst < limit)
            lost += [] if value < rival else [f"{mine['kind']} at {mine['position']} ({best['method']})"]
        if won or lost:
            beyond = "" if figure == "Brier score" else f", in {apart} of them by more than the intervals"  # it has none
            yield (
                f"{ours(report)} is ahead of every other method that {rivals} (its own parts aside) in {figure} in "
                f"{won} of {won + len(lost)} cells{beyond}"
                + (f"; not for {', '.join(lost)}, where the best is named." if lost else ".")
            )


def paper(report: Report) -> Iterator[str]:
    """The paper's form against the baselines that the paper names, cell by cell."""
    parts = []
    for figure in FIGURES:
        duels = [_duel(found, figure, PAPER, lambda r: r["method"].startswith(OF_PAPER)) for found in _cells(report)]
        both = [(mine, best) for mine, best in duels if mine is not None and best is not None]
        won = sum(_read(mine, figure)[0] < _read(best, figure)[0] for mine, best in both)
        parts += [f"in {figure} in {won} of {len(both)} cells"] if both else []
    if parts:
        yield f"The adapter alone, as the paper has it, is ahead of the paper's seven baselines {', '.join(parts)}."


def _cells(report: Report, other: str | None = None) -> Iterator[list[Row]]:
    """The rows of each kind and place of the two main tables, or of an ``other`` one of the same columns."""
    for place, (table, _) in PLACES.items():
        for kind in names(rows(report, other or table, position=place), "kind"):
            yield rows(report, other or table, position=place, kind=kind)


def _duel(found: list[Row], figure: str, own: str, is_rival: Callable[[Row], bool]) -> tuple[Row | None, Row | None]:
    """The row of our form in a cell, and that of its best rival."""
    known = [r for r in found if r.get(_column(r, figure)) is not None]
    mine = next((r for r in known if r["method"] == own), None)
    return mine, min(filter(is_rival, known), key=lambda r: _read(r, figure)[0], default=None)


def _column(row: Row, figure: str) -> str:
    """Values that are no probabilities are judged as such after Platt scaling."""
    column = FIGURES[figure]
    return column if figure == "AUROC" or row.get(column) is not None else f"{column}_platt"


def _read(row: Row, figure: str) -> tuple[float, float, float]:
    """A figure so that less is better: its value and the better and the worse end of its interval (the value itself where
    there is none)."""
    column = _column(row, figure)
    value, low, high = row[column], row.get(f"{column}_low"), row.get(f"{column}_high")
    low, high = value if low is None else low, value if high is None else high
    return (-value, -high, -low) if figure == "AUROC" else (value, low, high)


def sampling(report: Report) -> Iterator[str]:
    for place in ("question", "first", "penultimate", "complete"):
        found = rows(report, PLACES[place][0], position=place, kind=whole(report))
        mine = next((r for r in found if r["method"] == ours(report)), None)
        sampled = [r for r in found if r.get("samples") and r["auroc"] is not None and r["method"] != ORACLE]
        rivals = [r for r in sampled if not is_finece(r["method"])]
        if mine and rivals and mine["auroc"] is not None:
            best = max(rivals, key=lambda r: r["auroc"])
            drafts = [f", {r['method']} {_cost(r)}" for r in sampled if is_finece(r["method"])]
            yield (
                f"{PLACES[place][1].capitalize()}: the best method that samples, {best['method']}, has AUROC {_cost(best)}; "
                f"{mine['method']} {_cost(mine)}{''.join(drafts)}."
            )


def _cost(row: Row) -> str:
    return f"{row['auroc']:.3f} for {row['tokens']:,.0f} tokens"


def limit(report: Report) -> Iterator[str]:
    parts = []
    for place in ("question", "first", "penultimate"):
        found = {r["method"]: r for r in rows(report, PLACES[place][0], position=place, kind=whole(report))}
        mine, best = found.get(ours(report)), found.get(ORACLE)
        if mine and best and mine["auroc"] is not None and best["auroc"]:
            parts.append(f"{mine['auroc'] / best['auroc']:.3f} {PLACES[place][1]}")
    if parts:
        yield f"AUROC as a share of the oracle's: {', '.join(parts)}."


def calibrated(report: Report) -> Iterator[str]:
    yield from _calibrated(report)


def _calibrated(report: Report, other: str | None = None) -> Iterator[str]:
    parts = []
    for place, (table, words) in PLACES.items():
        for r in rows(report, other or table, position=place, kind=whole(report), method=ours(report)):
            perfect = "" if r["ece_floor"] is None else f" (a perfect one: {100 * r['ece_floor']:.1f} %)"
            parts.append(f"{100 * r['ece']:.1f} % {words}{perfect}")
    if parts:
        yield f"ECE against how the answers ended: {', '.join(parts)}."


def early(report: Report) -> Iterator[str]:
    for r in rows(report, "filter", kind=whole(report), method=ours(report)):
        if r["accuracy"] is not None:
            when = "early" if r["position"] == "early" else "at the end"
            yield (
                f"Accepting only confidence above {r['delta']:g}, read {when}: "
                f"accuracy {100 * r['accuracy']:.1f} % of the {100 * r['coverage']:.1f} % accepted, against "
                f"{100 * r['accuracy_without']:.1f} % of all."
            )


def stopping(report: Report) -> Iterator[str]:
    """What giving up hopeless answers saves, beside the best of the others."""
    for answers in ("test", MORE):
        for keep in names(rows(report, "stopping", answers=answers), "keep"):
            found = rows(report, "stopping", answers=answers, keep=keep, kind=whole(report))
            mine = next((r for r in found if r["method"] == ours(report)), None)
            best = max(filter(_is_rival, found), key=lambda r: r["saved"], default=None)
            if mine is not None and best is not None:
                yield (
                    f"Giving up answers early ({mine['n']:,} answers): {100 * keep:.0f} % of the right ones are kept with "
                    f"{_saved(mine)} of the tokens saved by {mine['method']}, {_saved(best)} by {best['method']}, the best "
                    "other method that costs no further token."
                )


def _saved(row: Row) -> str:
    return f"{100 * row['saved']:.1f} % ({100 * row['saved_low']:.1f} to {100 * row['saved_high']:.1f})"


def look_ahead(report: Report) -> Iterator[str]:
    for r in rows(report, "bci", method=ours(report), chosen=True):
        lowers = "lowers the ECE of p(1)" if r["ece_change_high"] < 0 else "does not lower the ECE of p(1) beyond noise"
        says = [f"{lowers} ({_change(r, 'ece')})"]
        if r["auroc_change"] is not None:  # else all answers ended alike
            ranks = "ranks better" if r["auroc_change_low"] > 0 else "does not rank better beyond noise"
            says.append(f"{ranks} (AUROC {_change(r, 'auroc')})")
        yield (
            f"Looking ahead as held-out answers choose it ({r['position']}, {r['tokens']:.0f} more tokens) "
            f"{' and '.join(says)}. A calibrated confidence is already the mean of what follows."
        )


def _change(row: Row, figure: str) -> str:
    value, low, high = (100 * row[f"{figure}_change{end}"] for end in ("", "_low", "_high"))
    return f"{value:+.1f} % ({low:+.1f} to {high:+.1f})"


def drift(report: Report) -> Iterator[str]:
    for r in rows(report, "drift", kind=whole(report), method=ours(report), position="whole answer"):
        none = r["drift_low"] <= 0 <= r["drift_high"]
        yield (
            f"Drift over a whole answer: {r['drift']:+.3f} ({r['drift_low']:+.3f} to {r['drift_high']:+.3f}), "
            + ("none beyond noise." if none else "which a calibrated score would not show.")
        )


def open_ended(report: Report) -> Iterator[str]:
    found = rows(report, "open", position="complete")
    if found:
        worst = max(found, key=lambda r: r["confidence"])
        yield (
            f"Questions without a right answer get a mean confidence of up to {worst['confidence']:.2f} ({worst['kind']}; "
            f"{100 * worst['share_above']:.0f} % above the threshold): where no answer can be right it means nothing."
        )


def _is_rival(row: Row) -> bool:
    return not (is_finece(row["method"]) or row["method"] in (ORACLE, SIGNALS) or row.get("samples"))
