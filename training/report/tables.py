"""The tables as text cells, for Markdown and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training.report.select import MORE, OURS, PAPER, PLACES, Report, Row, calibration, is_finece, names, rows

SMALL = 100


@dataclass(frozen=True)
class Table:
    """``marked`` numbers the rows that are FineCE."""

    title: str
    note: str
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()


def all_tables(report: Report) -> list[Table]:
    makers = (summary, more, detail, positions, accuracy, accepted, stopping, look_ahead)
    makers += (temperature, drift, open_ended, studies)
    return [table for make in makers for table in make(report) if table.cells]


def summary(report: Report) -> Iterator[Table]:
    """The paper's two main tables: a method a line, a kind of question a pair of columns."""
    for place, (table, words) in PLACES.items():
        found = rows(report, table, position=place)
        yield _by_kind(f"Confidence {words}", "", found)


def more(report: Report) -> Iterator[Table]:
    """The same on more answers."""
    for place, (_, words) in PLACES.items():
        found = rows(report, MORE, position=place)
        if found:
            note = f"Methods that cost no token beyond the answer's own, on further questions. {_floor(found)}"
            yield _by_kind(f"More answers ({found[0]['questions']:,}), {words}", note, found)


def _by_kind(title: str, note: str, found: list[Row]) -> Table:
    kinds = names(found, "kind")
    by = {(r["method"], r["kind"]): r for r in found}
    header = ("method", *(f"{kind}: {figure}" for kind in kinds for figure in ("ECE %", "AUROC %")))
    cells = [(m, *(c for kind in kinds for c in _pair(by.get((m, kind))))) for m in names(found, "method")]
    note += "ECE of values that are no probabilities (†) is after Platt scaling on the common split. " + _small(found)
    return _table(title, note, header, cells)


def detail(report: Report) -> Iterator[Table]:
    for place, (table, words) in PLACES.items():
        found = rows(report, table, position=place)
        kind = names(found, "kind")[0] if found else "all"
        header = (
            "method",
            "n",
            "ECE %",
            "ECE % in bins of equal mass",
            "ECE % after Platt",
            "ECE % against the oracle",
            "AUROC %",
            "Brier",
            "AURC %",
            "PRR %",
            "tokens",
            "ms",
        )
        cells = [
            (
                r["method"],
                str(r["n"]),
                _interval(r, "ece"),
                _percent(r.get("ece_equal_mass")),
                _interval(r, "ece_platt"),
                _interval(r, "ece_oracle"),
                _interval(r, "auroc"),
                _number(r["brier"], 3),
                _percent(r["aurc"]),
                _percent(r["prr"]),
                _number(r["tokens"], 0),
                _milliseconds(r),
            )
            for r in found
            if r["kind"] == kind
        ]
        note = (
            "95 % bootstrap intervals by question. ECE is against how the answers ended and, with less noise, against shares of"
            " right answers that the oracle found; there, values that are no probabilities are taken after Platt scaling. "
            "Cost for each case beyond writing the answer, in batches. "
        ) + _floor([r for r in found if r["kind"] == kind])
        yield _table(f"In detail, {words}, {kind}", note, header, cells)


def positions(report: Report) -> Iterator[Table]:
    found = rows(report, "positions")
    header = ("kind", "position", "method", "n", "ECE % at the first", "ECE % average", "AUROC % average", "tokens before it, %", "positions an answer")  # fmt: skip  # noqa: E501
    cells = [
        (r["kind"], r["position"], r["method"], str(r["n"]), _interval(r, "ece"), _interval(r, "ece_average"))
        + (_percent(r["auroc_average"]), _percent(r["token_ratio"]), _number(r["positions_per_answer"], 1))
        for r in found
    ]
    yield _table("Where to read", "The same answers, cut in several ways (the paper's Table 3).", header, cells, 2)


def accuracy(report: Report) -> Iterator[Table]:
    header = ("kind", "answer", "method", "n", "accuracy %", "without, %", "same tokens as without, %", "tokens", "ms")
    header += ("ECE %", "AUROC %")
    cells = [
        (r["kind"], r["position"], r["method"], str(r["n"]), _interval(r, "accuracy"), _percent(r["accuracy_without"]))
        + (_percent(r["identical"]), _number(r["tokens"], 0), _milliseconds(r), _interval(r, "ece"), _interval(r, "auroc"))
        for r in rows(report, "accuracy")
    ]
    note = "Methods that only read leave every answer as it is (the paper's Table 4). Greedy and sampled answers are compared with their own kind. ECE and AUROC are of the confidence that FineCE gives out with an answer."  # noqa: E501
    yield _table("Accuracy with and without", note, header, cells, 2)


def accepted(report: Report) -> Iterator[Table]:
    found = rows(report, "filter")
    header = ("kind", "read", "method", "n", "accuracy of accepted %", "coverage %", "accuracy of all %", "gain %")
    cells = [
        (r["kind"], r["position"], r["method"], str(r["n"]), _interval(r, "accuracy"), _percent(r["coverage"]))
        + (_percent(r["accuracy_without"]), _percent(r["gain"]))
        for r in found
    ]
    early = [r["token_ratio"] for r in found if r["position"] == "early" and r["kind"] == found[0]["kind"]]
    note = "Accepted: confidence above 0.8, read early (first paragraph" + (
        f", {_percent(early[0])} % of the tokens) or final." if early else ") or final."
    )
    yield _table("Accepting confident answers only", note, header, cells, 2)


def stopping(report: Report) -> Iterator[Table]:
    header = ("kind", "keeping", "method", "n", "tokens saved %", "wrong answers stopped %", "below")
    for answers, words in (("test", ""), (MORE, ", more answers")):
        cells = [
            (
                r["kind"],
                f"{100 * r['keep']:.0f} %",
                r["method"],
                str(r["n"]),
                _interval(r, "saved"),
                _percent(r["wrong_stopped"]),
                _number(r["threshold"], 3),
            )
            for r in rows(report, "stopping", answers=answers)
        ]
        note = (
            "An answer is given up at the first place before its end (the question included) where its value is below a "
            "threshold: the highest at which the named share of the right answers is still written to the end, found on "
            "these answers. Methods that cost no token beyond the answer's own, and the oracle, whose samples call a few "
            "prefixes of right answers hopeless, so that it saves nothing where nearly all of them are to be kept. What is no "
            "probability is taken after Platt scaling."
        )
        yield _table(f"Stopping early{words}", note, header, cells, 2)


def look_ahead(report: Report) -> Iterator[Table]:
    header = ("method", "position", "alpha", "n", "ECE % of p(1)", "change, %", "ECE % against the oracle", "AUROC %", "change, %", "tokens", "ms")  # fmt: skip  # noqa: E501
    cells = [
        (r["method"], r["position"], _number(r["alpha"], 2), str(r["n"]), _interval(r, "ece"), _interval(r, "ece_change"))
        + (_percent(r["ece_oracle"]), _percent(r["auroc"]), _interval(r, "auroc_change"))
        + (_number(r["tokens"], 0), _milliseconds(r))
        for r in rows(report, "bci")
    ]
    note = (
        "Backward Confidence Integration; alpha is fitted on held-out answers by the Brier score. Tokens are what the base "
        "writes and what the adapter reads of it."
    )
    yield _table("Looking ahead", note, header, cells, 0)


def temperature(report: Report) -> Iterator[Table]:
    found = rows(report, "temperature")
    kinds = names(found, "kind")
    for place in ("penultimate", "complete"):
        header = ("temperature", "method", *(f"{kind}: {f}" for kind in kinds for f in ("ECE %", "AUROC %")))
        at = [r for r in found if r["position"] == place]
        by = {(r["temperature"], r["method"], r["kind"]): r for r in at}
        lines = dict.fromkeys((r["temperature"], r["method"]) for r in sorted(at, key=lambda r: r["temperature"]))
        cells = [(f"{t:g}", m, *(c for kind in kinds for c in _pair(by.get((t, m, kind))))) for t, m in lines]
        note = "Methods that sample nothing, on answers drawn at other temperatures; nothing is fitted again."
        yield _table(f"Temperatures, {PLACES[place][1]}", note, header, cells, 1)


def drift(report: Report) -> Iterator[Table]:
    header = ("kind", "over", "method", "n", "mean change", "mean size of a change")
    cells = [
        (r["kind"], r["position"], r["method"], str(r["n"]), _signed(r), _number(r["mean_change_size"], 3))
        for r in rows(report, "drift")
    ]
    note = "The mean change of a calibrated confidence along sampled answers is 0; no label is needed to see it."
    yield _table("Drift", note, header, cells, 2)


def open_ended(report: Report) -> Iterator[Table]:
    header = ("sort of question", "read", "n", "mean", "tenth", "median", "nine tenths", "above the threshold %")
    cells = [
        (r["kind"], r["position"], str(r["n"]), _number(r["confidence"], 2), _number(r["tenth"], 2), _number(r["median"], 2))
        + (_number(r["nine_tenths"], 2), _percent(r["share_above"]))
        for r in rows(report, "open")
    ]
    note = "None of these has a right answer, so no confidence in one is right: what is shown here should not be trusted."
    yield _table("Questions without a right answer", note, header, cells)


OF_STUDIES = {  # a study's own columns: what its estimators learnt from, and what that cost
    "accuracy": "accuracy of the model that labelled %",
    "agreement": "agreement with the base %",
    "stated": "with a number %",
    "sampled_tokens": "sampled tokens",
    "trained_tokens": "training tokens",
    "trained_seconds": "training s",
}


def studies(report: Report) -> Iterator[Table]:
    """The training studies, a table each, with the columns that it has."""
    for name, title in (("transfer", "Transfer"), ("techniques", "Training")):
        for study in names(rows(report, name), "study"):
            found = rows(report, name, study=study)
            own = {k: v for k, v in OF_STUDIES.items() if any(r.get(k) is not None for r in found)}
            header = ("kind", "position", "method", "n", "ECE %", "AUROC %", "Brier", *own.values())
            cells = [
                (r["kind"], r["position"], r["method"], str(r["n"]), _interval(r, "ece"), _interval(r, "auroc"))
                + (_number(r["brier"], 3), *(_own(r, k) for k in own))
                for r in found
            ]
            yield _table(f"{title}: {study}", "", header, cells, 2)


def _own(row: Row, name: str) -> str:
    return _percent(row.get(name)) if "%" in OF_STUDIES[name] else _number(row.get(name), 0)


def _table(title: str, note: str, header: tuple[str, ...], cells: list[tuple[str, ...]], method: int = 0) -> Table:
    marked = frozenset(i for i, line in enumerate(cells) if is_finece(line[method].removesuffix(" †")))
    return Table(title, note.strip(), header, tuple(cells), marked)


def _pair(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "", ""
    mark = " †" if row["ece"] is None and row.get("ece_platt") is not None else ""
    return _percent(row.get(calibration(row))) + mark, _interval(row, "auroc")


def _floor(found: list[Row]) -> str:
    """What the noise of so few answers is worth, for the estimator's best form in the first rows that have it."""
    best = {r["method"]: r for r in reversed(found)}
    row = best.get(OURS) or best.get(PAPER)
    if row is None or row["ece_floor"] is None:
        return ""
    floor = _percent(row["ece_floor"])
    return f"A perfectly calibrated method with FineCE's confidences would show an ECE of {floor} % at this n. "


def _small(found: list[Row]) -> str:
    """What to remember of small sets: the standard error of their AUROC."""
    small = {r["kind"]: r for r in found if r.get("questions", SMALL) < SMALL and r["method"] in (PAPER, OURS)}
    told = ", ".join(f"{kind} {_percent(r['auroc_error'])} ({r['questions']} questions)" for kind, r in small.items())
    return f"Small sets, standard error of AUROC in %: {told}; argue nothing from them." if told else ""


def _interval(row: Row, name: str) -> str:
    value, low, high = row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high")
    if value is None:
        return ""
    return _percent(value) + (f" ({_percent(low)} to {_percent(high)})" if low is not None and high is not None else "")


def _signed(row: Row) -> str:
    return f"{row['drift']:+.3f} ({row['drift_low']:+.3f} to {row['drift_high']:+.3f})"


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _milliseconds(row: Row) -> str:
    return _number(None if row["seconds"] is None else 1000 * row["seconds"], 1)


def _number(value: Any, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
