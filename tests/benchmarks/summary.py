"""The README's figures in short: how well scores rank beside other methods, and what knowing costs. Aims are those that the
project set itself; a figure that misses its aim says so in the same row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]

PLACES = (("question", "question"), ("process", "first"), ("outcome", "complete"))  # table and position in the report
# a row of the table: its name, and the report's method at each of the places ("" where it says nothing)
METHODS: tuple[tuple[str, tuple[str, str, str]], ...] = (
    ("**FineCE as shipped**: adapter and free signals", ("FineCE", "FineCE", "FineCE")),
    ("the adapter alone, as the paper has it", ("FineCE (adapter)", "FineCE (adapter)", "FineCE (adapter)")),
    ("the free signals alone", ("", "signals", "signals")),
    ("FineCE with one draft, or one fresh answer", ("FineCE (1 draft)", "FineCE (1 draft)", "FineCE (1 opinion)")),
    ("FineCE with four", ("FineCE (4 drafts)", "FineCE (4 drafts)", "FineCE (4 opinions)")),
    ("P(IK)", ("P(IK)", "", "")),
    ("SuC", ("SuC", "", "SuC")),
    ("First-Prob", ("", "", "First-Prob")),
    ("LECO (mean of steps)", ("", "LECO (mean of steps)", "LECO (mean of steps)")),
    ("mean log-probability", ("", "Mean log-probability", "Mean log-probability")),
    ("DeepConf (lowest group)", ("", "DeepConf (lowest group)", "DeepConf (lowest group)")),
    ("Verb", ("", "", "Verb")),
    ("Multi-Step (product)", ("", "Multi-Step (product)", "Multi-Step (product)")),
    ("P(True)", ("", "", "P(True)")),
    ("semantic entropy", ("SE", "SE", "SE")),
    (
        "self-consistency of 30 (complete: share of this answer)",
        ("Self-consistency (k = 30)", "Self-consistency (k = 30)", "Self-consistency (this answer, k = 30)"),
    ),
    ("oracle of 64 samples, the limit", ("oracle", "oracle", "")),
)


def methods(rows: list[Row]) -> Iterator[str]:
    """AUROC of every method of the report at three places, with its interval and the tokens that it takes."""
    found = {(r["table"], r["position"], r["method"]): r for r in rows if r["kind"] == "all"}
    yield "| AUROC (95 % interval), tokens beyond the answer's own | after the question | first paragraph | complete answer |"
    yield "|---|---|---|---|"
    for name, of in METHODS:
        cells = [
            _ranked(found[table, place, method]) if method else "-" for (table, place), method in zip(PLACES, of, strict=True)
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _ranked(row: Row) -> str:
    return f"{row['auroc']:.3f} ({row['auroc_low']:.2f} to {row['auroc_high']:.2f}), {row['tokens']:,.0f}"


def bars(embedded: Row, stopped: Row, cost: Row, served: Row) -> Iterator[str]:
    """What was aimed at and what was reached."""
    at = {(r["position"], r["method"]): r for r in embedded["rows"] if r["table"] == "positions" and r["kind"] == "all"}
    places = ("question", "first", "penultimate", "complete")
    of_oracle = [at[p, "combined"]["auroc"] / at[p, "oracle"]["auroc"] for p in places]
    errors = [100 * at[p, "combined"]["ece"] for p in places]
    held = [100 * share for share in embedded["intervals"].values()]
    shipped = next(r for r in stopped["rows"] if r["questions"] == "all")
    told = shipped["with"]
    beyond = 100 * embedded["gsm8k"]["wrong_above"]
    evidence = "`make evidence`"
    n = at["question", "combined"]["n"]
    yield "| what | aim | reached | command |"
    yield "|---|---|---|---|"
    yield (
        f"| AUROC as a share of the oracle's, {n:,} unseen answers: question, first, last but one, complete | at least .95 | "
        f"{', '.join(f'{s:.3f}' for s in of_oracle)}{_missed(sum(s < 0.95 for s in of_oracle))} | {evidence} |"
    )
    yield (
        f"| ECE at the same places | at most 4 % | {', '.join(f'{e:.1f}' for e in errors)} %"
        f"{_missed(sum(e > 4 for e in errors))} | {evidence} |"
    )
    yield (
        f"| share of 80 % intervals that hold the oracle's value: question, first, last but one | 70 to 90 % | "
        f"{', '.join(f'{h:.1f}' for h in held)} %{_missed(sum(not 70 <= h <= 90 for h in held))} | {evidence} |"
    )
    yield (
        f"| GSM8K test, beyond this model: wrong with confidence above 0.8 | at most 1 % | {beyond:.2f} %"
        f"{_missed(beyond > 1)} | {evidence} |"
    )
    wrong = 100 * told["wrong"] / told["answered"]
    by = "`python -m tests.benchmarks.stopping`"
    yield (
        f"| shipped policy on {shipped['n']} unseen questions: answered; wrong among these | wrong at most 10 % | "
        f"{100 * told['answered'] / shipped['n']:.1f} %; {wrong:.1f} %{_missed(wrong > 10)} | {by} |"
    )
    saved, low, high = (100 * shipped[key] for key in ("saved", "saved_low", "saved_high"))
    yield f"| tokens that its early stopping saves there | - | {saved:.0f} % ({low:.0f} to {high:.0f}) | {by} |"
    yield (
        f"| time of solving with a score at every paragraph against plain generation, local engine | at most 1.10 | "
        f"{cost['ratio']:.2f}{_missed(cost['ratio'] > 1.1)} | `python -m tests.benchmarks.cost` |"
    )
    alone, crowd = served["alone"]["cost_of_knowing_against_plain"], served["throughput_of_plain"]
    by = "`python -m tests.benchmarks.serving`"
    yield (
        f"| the same on a vLLM server on this CPU, one question at a time | at most 1.25 | {alone:.2f}{_missed(alone > 1.25)} "
        f"| {by} |"
    )
    yield (
        f"| tokens/s of answers there, {served['concurrency']} questions at once, against plain completions | at least .8 | "
        f"{crowd:.2f}{_missed(crowd < 0.8)} | {by} |"
    )


def _missed(count: int) -> str:
    return " (missed)" if count == 1 else f" (missed at {count})" if count else ""
