"""The README's figures in short: how well scores rank beside other methods, and what knowing costs. Aims are those that the
project set itself; each figure that misses its aim is marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Row = dict[str, Any]

PLACES = (("question", "question"), ("process", "first"), ("outcome", "complete"))  # table and position in the report
MISSED = "✗"
Found = dict[tuple[str, str, str], Row]  # the report's rows of all kinds, by table, position and method
SHIPPED, FOUR = "**FineCE as shipped**: adapter and free signals", "FineCE with four"
VOTE = "self-consistency of 30 (complete: share of this answer)"
# The main form of each method (all forms are in the report): its name, and the report's method at each of the places, "" where
# it says nothing.
METHODS: tuple[tuple[str, tuple[str, str, str]], ...] = (
    (SHIPPED, ("FineCE", "FineCE", "FineCE")),
    ("the adapter alone, as the paper has it", ("FineCE (adapter)", "FineCE (adapter)", "FineCE (adapter)")),
    ("the free signals alone", ("", "signals", "signals")),
    ("FineCE with one draft, or one fresh answer", ("FineCE (1 draft)", "FineCE (1 draft)", "FineCE (1 opinion)")),
    (FOUR, ("FineCE (4 drafts)", "FineCE (4 drafts)", "FineCE (4 opinions)")),
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
        VOTE,
        ("Self-consistency (k = 30)", "Self-consistency (k = 30)", "Self-consistency (this answer, k = 30)"),
    ),
    ("DeepConf's vote among 30", ("", "", "DeepConf (vote)")),
    ("oracle of 64 samples, the limit", ("oracle", "oracle", "")),
)

# What is held against self-consistency, by what the row says of it.
AGAINST_VOTE = {"question, first, complete": SHIPPED, "with four drafts or fresh answers": FOUR}


def of_all_kinds(rows: list[Row]) -> Found:
    return {(r["table"], r["position"], r["method"]): r for r in rows if r["kind"] == "all"}


def methods(found: Found) -> Iterator[str]:
    """AUROC of the methods at three places, with its interval and the tokens that it takes."""
    yield "| AUROC (95 % interval), tokens beyond the answer's own | after the question | first paragraph | complete answer |"
    yield "|---|---|---|---|"
    for name, of in METHODS:
        cells = [
            _ranked(found[table, place, method]) if method else "-" for (table, place), method in zip(PLACES, of, strict=True)
        ]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _ranked(row: Row) -> str:
    return f"{row['auroc']:.3f} ({row['auroc_low']:.2f} to {row['auroc_high']:.2f}), {row['tokens']:,.0f}"


def bars(found: Found, embedded: Row, stopped: Row, costs: Sequence[Row], served: Sequence[Row], gpu: Row) -> Iterator[str]:
    """What was aimed at and what was reached."""
    yield "| what | aim | reached | command |"
    yield "|---|---|---|---|"
    yield from _scores(found, embedded)
    yield from _policy(stopped)
    yield from _times(costs, served, gpu)


def _scores(found: Found, embedded: Row) -> Iterator[str]:
    at = {(r["position"], r["method"]): r for r in embedded["rows"] if r["table"] == "positions" and r["kind"] == "all"}
    places = ("question", "first", "penultimate", "complete")
    n, evidence, evaluate = at["question", "combined"]["n"], "`make evidence`", "`controller evaluate`"
    inside = (("question", "question"), ("process", "first"), ("process", "penultimate"))
    few_n = found["question", "question", "FineCE"]["n"]
    few = [found[*place, "FineCE"]["auroc"] / found[*place, "oracle"]["auroc"] for place in inside]
    many = [at[p, "combined"]["auroc"] / at[p, "oracle"]["auroc"] for p in places]
    aim = "at least .95"
    where = "question, first, last but one"
    yield f"| AUROC as a share of the oracle's, the {few_n:,} answers: {where} | {aim} | {_below(few)} | {evaluate} |"
    yield f"| the same, {n:,} others: {where}, complete | {aim} | {_below(many)} | {evidence} |"
    forms = dict(METHODS)
    for name, method in AGAINST_VOTE.items():
        both = zip(PLACES, forms[method], forms[VOTE], strict=True)
        pairs = [(found[*at, form], found[*at, vote]) for at, form, vote in both]
        short = [vote["auroc"] - ours["auroc"] for ours, vote in pairs]
        share = ", ".join(f"{100 * ours['tokens'] / vote['tokens']:.0f}" for ours, vote in pairs)
        what = f"AUROC below self-consistency of 30, {name} ({share} % of its tokens)"
        yield f"| {what} | at most .02 | {_above(short, 0.02, '.3f')} | {evaluate} |"
    whole = (*inside, ("outcome", "complete"))
    errors = [100 * found[*place, "FineCE"]["ece"] for place in whole]
    more = [100 * found["more", p, "FineCE"]["ece"] for p in places]
    true = [100 * at[p, "combined"]["ece"] for p in places]
    aim, more_n = "at most 4 %", found["more", "question", "FineCE"]["n"]
    yield f"| ECE against how answers ended, the {few_n:,}: the same four places | {aim} | {_above(errors, 4)} | {evaluate} |"
    yield f"| the same, {more_n:,} others | {aim} | {_above(more, 4)} | {evaluate} |"
    yield f"| ECE against an oracle of 64 samples, the {n:,} | {aim} | {_above(true, 4)} | {evidence} |"
    for name, which in (("all", where), ("between", "the same, of confidences between .2 and .8")):
        held = [100 * embedded["intervals"][p][name] for p in places[:3]]
        shown = ", ".join(_marked(f"{h:.1f}", not 70 <= h <= 90) for h in held)
        before = "80 % intervals that hold the oracle's value: " if name == "all" else ""
        yield f"| {before}{which} | 70 to 90 % | {shown} | {evidence} |"
    hard = embedded["gsm8k"]
    beyond = _marked(f"{100 * hard['wrong_above']:.2f} %", hard["wrong_above"] > 0.01)
    solved, right = 100 * hard["accuracy"], 100 * (hard["above"] - hard["wrong_above"])
    yield (
        f"| of {hard['n']:,} GSM8K test questions, {solved:.1f} % of which this model solves: wrong with confidence above 0.8 "
        f"(right: {right:.2f} %) | at most 1 % | {beyond} | {evidence} |"
    )


def _policy(stopped: Row) -> Iterator[str]:
    shipped = next(r for r in stopped["rows"] if r["questions"] == "all")
    told, by = shipped["with"], "`python -m tests.benchmarks.stopping`"
    wrong, answered = told["wrong"] / told["answered"], told["answered"] / shipped["n"]
    yield (
        f"| shipped policy on {shipped['n']} unseen questions: answered; wrong among these | wrong at most 10 % | "
        f"{100 * answered:.1f} %; {_marked(f'{100 * wrong:.1f} %', wrong > 0.1)} | {by} |"
    )
    saved, low, high = (100 * shipped[key] for key in ("saved", "saved_low", "saved_high"))
    yield f"| tokens that its early stopping saves there | - | {saved:.0f} % ({low:.0f} to {high:.0f}) | {by} |"


def _times(costs: Sequence[Row], served: Sequence[Row], gpu: Row) -> Iterator[str]:
    """``costs`` and ``served`` are of the same two processors."""
    yield (
        "| time of solving with a score at every paragraph against plain generation, local engine (two cores of Intel's, of "
        f"AMD's) | at most 1.10 | {_above([c['ratio'] for c in costs], 1.1, '.2f')} | `python -m tests.benchmarks.cost` |"
    )
    alone = [s["alone"]["cost_of_knowing_against_plain"] for s in served]
    by = "`python -m tests.benchmarks.serving`"
    yield f"| the same on a vLLM server on these, one at a time | at most 1.25 | {_above(alone, 1.25, '.3f')} | {by} |"
    crowd, many = [s["throughput_of_plain"] for s in served], served[0]["concurrency"]
    yield (
        f"| tokens/s of answers there, {many} at once, against plain completions | at least .8 | "
        f"{_below(crowd, 0.8, '.2f')} | {by} |"
    )
    rates = [gpu["serving_7b"][at]["throughput_of_plain"] for at in ("at_16", "at_64")]
    by = "`python -m tests.benchmarks.serving --model 7b`"
    yield (
        f"| the same on one {gpu['local']['device']}, a 7 B shape with random weights, 16 and 64 at once | at least .8 | "
        f"{_below(rates, 0.8, '.2f')} | {by} |"
    )


def _below(values: Sequence[float], aim: float = 0.95, form: str = ".3f") -> str:
    return ", ".join(_marked(format(v, form), v < aim) for v in values)


def _above(values: Sequence[float], aim: float, form: str = ".1f") -> str:
    return ", ".join(_marked(format(v, form), v > aim) for v in values)


def _marked(shown: str, missed: bool) -> str:
    return f"{shown} {MISSED}" if missed else shown
