"""The tables of the README and of ``docs/figures.md``, made from ``docs/evidence/*.json``: ``python -m tests.benchmarks.table
--write`` puts them in place."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks import summary

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "docs" / "evidence"
BEGIN, END = "<!-- figures: python -m tests.benchmarks.table --write -->", "<!-- end of figures -->"
Row = dict[str, Any]


def load(name: str) -> dict[str, Any]:
    return json.loads((EVIDENCE / f"{name}.json").read_text())


def short() -> str:
    """The README's tables as Markdown."""
    found = summary.of_all_kinds(load("report")["rows"])
    costs, served = ([load(name), load(f"{name}_amd")] for name in ("cost", "serving"))
    bars = summary.bars(found, load("embedded"), load("stopping"), costs, served, load("gpu"))
    return "\n".join([*summary.methods(found), "", *bars])


def tables() -> str:
    """The tables of ``docs/figures.md`` as Markdown."""
    report, sampling, cost = load("embedded"), load("sampling"), load("cost")
    parts = [
        *accuracy(report["rows"]),
        "",
        *positions(report["rows"]),
        "",
        *acceptance(report["rows"]),
        "",
        *others(report, sampling, cost),
    ]
    return "\n".join(parts)


def accuracy(rows: list[Row]) -> Iterator[str]:
    yield "| questions (unseen) | n | greedy | one sample at temperature 1 |"
    yield "|---|---|---|---|"
    for r in (r for r in rows if r["table"] == "accuracy"):
        name = r["kind"] if r["position"] == "all" else f"{r['kind']}, {r['position']}"
        yield f"| {name} | {r['n']} | {100 * r['greedy']:.1f} % | {100 * r['sampled']:.1f} % |"


def positions(rows: list[Row]) -> Iterator[str]:
    """A row a kind and place; the methods stand beside each other."""
    yield (
        "| confidence after | kind | n | ECE %, combined | adapter | signals | AUROC, combined | adapter | signals | oracle | "
        "combined / oracle |"
    )
    yield "|---" * 11 + "|"
    found = {(r["kind"], r["position"], r["method"]): r for r in rows if r["table"] == "positions"}
    for kind, place in dict.fromkeys((kind, place) for kind, place, _ in found):
        of = {m: found.get((kind, place, m)) for m in ("combined", "adapter", "signals", "oracle")}
        combined, oracle = of["combined"], of["oracle"]
        assert combined is not None and oracle is not None, "the evidence has both at every place"
        ece = [_percent(of[m], "ece", interval=m == "combined") for m in ("combined", "adapter", "signals")]
        auroc = [_share(of[m], "auroc", interval=m == "combined") for m in ("combined", "adapter", "signals", "oracle")]
        reached = f"{combined['auroc'] / oracle['auroc']:.3f}"
        yield f"| {place} | {kind} | {combined['n']} | " + " | ".join([*ece, *auroc, reached]) + " |"


def _percent(row: Row | None, key: str, *, interval: bool) -> str:
    return _shown(row, key, 100, ".1f", interval)


def _share(row: Row | None, key: str, *, interval: bool) -> str:
    return _shown(row, key, 1, ".3f", interval)


def _shown(row: Row | None, key: str, scale: float, form: str, interval: bool) -> str:
    if row is None:
        return "-"  # there are no signals before anything is written
    shown = format(scale * row[key], form)
    return f"{shown} ({scale * row[f'{key}_low']:{form}} to {scale * row[f'{key}_high']:{form}})" if interval else shown


def acceptance(rows: list[Row]) -> Iterator[str]:
    """Every place for all kinds together, and the complete answer for each."""
    yield "| accepted above 0.8, read after | kind | accuracy of all | accuracy of accepted | coverage |"
    yield "|---|---|---|---|---|"
    for r in (r for r in rows if r["table"] == "filter" and (r["kind"] == "all" or r["position"] == "complete")):
        right = "-" if r["accuracy"] is None else f"{100 * r['accuracy']:.1f} %"
        yield f"| {r['position']} | {r['kind']} | {100 * r['all']:.1f} % | {right} | {100 * r['coverage']:.1f} % |"


def others(report: dict[str, Any], sampling: Row, cost: Row) -> Iterator[str]:
    hard, cover, drift = report["gsm8k"], report["intervals"], report["drift"]
    yield "| what | figure | command |"
    yield "|---|---|---|"
    evidence = "`make evidence`"
    yield f"| GSM8K test questions ({hard['n']}) run to the end: accuracy | {100 * hard['accuracy']:.1f} % | {evidence} |"
    yield f"| of these, wrong with confidence above 0.8 | {100 * hard['wrong_above']:.2f} % | {evidence} |"
    scores = ", ".join(f"{kind} {mean:.2f}" for kind, mean in report["unanswerable"].items())
    yield f"| mean score of questions that have no answer, before anything is written | {scores} | {evidence} |"
    for name, which in (("all", ""), ("between", " where the confidence lies between 0.2 and 0.8")):
        held = ", ".join(f"{place} {100 * c[name]:.0f} % (width {c[f'{name}_width']:.2f})" for place, c in cover.items())
        yield f"| the 80 % interval holds the oracle's value{which} | {held} | {evidence} |"
    yield (
        f"| drift: mean change of confidence, question to complete answer | {drift['mean']:+.3f} "
        f"({drift['low']:+.3f} to {drift['high']:+.3f}) | {evidence} |"
    )
    yield from stopping(load("stopping"))
    far = load("far")
    yield (
        f"| {far['n']:,} GSM8K test questions under the shipped policy: answered, wrong among these, wrong with confidence "
        f"above {far['above']} | {far['answered']}, {far['wrong']}, {far['wrong_above']} | `python -m tests.benchmarks.far` |"
    )
    yield (
        f"| tokens/s, engine against transformers' `generate` ({sampling['rows']} rows of {sampling['tokens']}) | "
        f"{sampling['engine']:.0f} against {sampling['generate']:.0f}: {sampling['ratio']:.2f}x | "
        "`python -m tests.benchmarks.sampling` |"
    )
    of_cost = "`python -m tests.benchmarks.cost`"
    large = cost["large"]
    times, times_large = (
        f"{c['ratio']:.2f}x" + (f" ({c['ratio_in_turn']:.2f}x in turn)" if c["beside"] else ", in turn") for c in (cost, large)
    )
    yield f"| solving with a score at every paragraph against plain generation | {times} | {of_cost} |"
    yield (
        f"| the same for a model of 0.5 billion parameters (Qwen2 architecture, random weights, "
        f"{large['answer_tokens']} tokens) | {times_large} | {of_cost} |"
    )
    scoring = "share of solving time spent on scores, beside which the next paragraph is written"
    yield f"| {scoring} | {100 * cost['scoring_share']:.1f} % | {of_cost} |"
    serving = load("serving")
    of_serving = "`python -m tests.benchmarks.serving`"
    asked = f"vLLM on this CPU, {serving['rounds']} times {serving['questions']} questions, {serving['concurrency']} at once"
    rates = serving["tokens_per_second"]
    computed, alone = serving["computed_per_second"], serving["alone"]
    yield (
        f"| {asked}: tokens/s of solving against plain completions | {rates['solve']:.0f} against {rates['plain']:.0f}: "
        f"{serving['throughput_of_plain']:.2f} | {of_serving} |"
    )
    yield (
        f"| the same, all that the server computes, score prompts included | {computed['solve']:.0f} against "
        f"{computed['plain']:.0f}: {serving['computed_of_plain']:.2f} | {of_serving} |"
    )
    yield (
        f"| one question at a time on that server ({alone['rounds']} times {alone['questions']}): time of solving against "
        f"plain completions | {alone['cost_of_knowing_against_plain']:.2f}x | {of_serving} |"
    )
    yield (
        f"| the same questions under the shipped policy, time against plain completions: {serving['concurrency']} at once; one "
        f"at a time | {serving['shipped_time_of_plain']:.2f}x; {alone['shipped_time_of_plain']:.2f}x | {of_serving} |"
    )
    yield from shared(load("processes"))
    yield from on_a_gpu(load("gpu"))
    labelling = load("labelling")
    yield (
        f"| rate of a labelling run ({labelling['questions']} questions, k = {labelling['k']}) against raw sampling of the "
        f"same prefixes | {labelling['ratio']:.2f} | `python -m tests.benchmarks.labelling` |"
    )
    yield f"| from start to the first paragraph on the screen | {cost['start_to_first_paragraph_seconds']:.1f} s | {of_cost} |"


def stopping(report: Row) -> Iterator[str]:
    """The shipped policy, and what its early stopping saves."""
    by = "`python -m tests.benchmarks.stopping`"
    for r in (r for r in report["rows"] if r["questions"] in ("all", "gsm8k")):
        told, plain = r["with"], r["without"]
        name = "GSM8K test" if r["questions"] == "gsm8k" else "unseen"
        yield (
            f"| {r['n']} {name} questions under the shipped policy: answered, wrong among these (without early stopping) | "
            f"{told['answered']}, {told['wrong']} ({plain['answered']}, {plain['wrong']}) | {by} |"
        )
        saved = f"{100 * r['saved']:.0f} % ({100 * r['saved_low']:.0f} to {100 * r['saved_high']:.0f})"
        sooner = f"{100 * (1 - told['seconds'] / plain['seconds']):.0f} %"
        yield f"| what early stopping saves there: tokens, time | {saved}, {sooner} | {by} |"


def shared(report: Row) -> Iterator[str]:
    """What several processes are worth."""
    by = "`python -m tests.benchmarks.processes`"
    rates = " and ".join(f"{r['questions_per_second']:.1f}" for r in report["embedded"])
    counts = " and ".join(str(r["processes"]) for r in report["embedded"])
    yield f"| `solve --file --processes`, embedded model on two cores: questions/s with {counts} | {rates} | {by} |"
    rates = " and ".join(f"{r['tokens_per_second']:,.0f}" for r in report["paced"])
    yield (
        f"| the same, {report['at_once']} at once on a server of a GPU's pace ({report['step_ms']:g} ms a token, on the same "
        f"two cores), a score every 32 tokens: tokens/s | {rates} | {by} |"
    )


def on_a_gpu(gpu: Row) -> Iterator[str]:
    """The local engine, and a vLLM server, beside one GPU; weights are random."""
    local, served, by = gpu["local"], gpu["serving_7b"], "`python -m tests.benchmarks.gpu`"
    rates = ", ".join(
        f"{r['rows']}: {r['tokens_per_second']:,.0f} ({100 * r['of_the_limit']:.1f} %)" for r in local["sampling"]
    )
    yield (
        f"| {local['device']}, local engine, Qwen2.5-0.5B's shape with a small vocabulary, bfloat16: tokens/s by rows (of what "
        f"the memory's bandwidth allows) | {rates} | {by} |"
    )
    ratio = local["overhead"]["ratio"]
    yield f"| the same, solving with a score every 24 tokens against plain generation | {ratio:.2f}x | {by} |"
    at, crowd = served["at_16"], served["at_64"]
    by = f"`python -m tests.benchmarks.serving --model 7b --position {served['position']} --budget {served['budget']}`"
    alone = at["alone"]["cost_of_knowing_against_plain"]
    yield (
        f"| vLLM on that GPU, Qwen2.5-7B's shape with a small vocabulary, a score every 32 tokens: time of solving one "
        f"question at a time against plain completions | {alone:.2f}x | {by} |"
    )
    for side in (at, crowd):
        rates = side["tokens_per_second"]
        yield (
            f"| the same, {side['concurrency']} at once: tokens/s of solving against plain completions | {rates['solve']:,.0f} "
            f"against {rates['plain']:,.0f}: {side['throughput_of_plain']:.2f} | {by} |"
        )


def pages() -> dict[Path, str]:
    """The pages that hold tables, and what stands in each."""
    return {ROOT / "README.md": short(), ROOT / "docs" / "figures.md": tables()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    write = parser.parse_args().write
    for page, text in pages().items():
        if not write:
            print(text, end="\n\n")
            continue
        there = page.read_text(encoding="utf-8")
        if there.count(BEGIN) != 1 or there.count(END) != 1:
            raise SystemExit(f"{page} does not have the two lines between which the tables go")
        before, _, rest = there.partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
