"""What a labelling run made, in figures: computed from the labels themselves and the chunks' counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.label_chunk import Counts, LabelSettings
from training.labels import COMPLETE, HELD_OUT, MONTE_CARLO, SAMPLED, TRAIN, Labelled, data_hash

BINS = 10
# From this share of points at one end on, there is too little in between to learn from.
USELESS_SHARE = 0.95
UNFINISHED_SHARE = 0.1


def label_report(rows: Sequence[Labelled], counts: Counts, manifest: dict[str, Any]) -> dict[str, Any]:
    """Everything about the data but how long it took: equal data, equal report."""
    settings = LabelSettings(**manifest["settings"])
    kinds = _by_kind(rows)
    bound = settings.samples_a_question * manifest["questions"]
    texts = {split: sum(r.split == split for r in rows) for split in (TRAIN, HELD_OUT)}
    return {
        **manifest,
        "data_hash": data_hash(rows),
        "texts": texts,
        "sources": {source: sum(r.source == source for r in rows) for source in sorted({r.source for r in rows})},
        "points": sum(len(r.points) for r in rows),
        "samples": {**counts.as_dict(), "bound": bound},
        "kinds": kinds,
        "warnings": [*_useless(kinds), *_unfinished(counts), *_one_split(texts, settings, manifest["questions"])],
    }


def counted(report: dict[str, Any]) -> str:
    """What the labels are called whose figures ``kinds`` holds: those of Algorithm 1 alone where there are any."""
    return f"labels of k = {report['settings']['k']}" if MONTE_CARLO in report["sources"] else "labels"


def _by_kind(rows: Sequence[Labelled]) -> dict[str, Any]:
    """Per kind the labels' histogram (ten equal bins of correct / k, the last with 1) and the shares of exact 0 and 1. Of the
    Monte Carlo labels where there are any: a single sample's label is 0 or 1 whatever the question is like."""
    counted = {MONTE_CARLO} if any(r.source == MONTE_CARLO for r in rows) else {SAMPLED, COMPLETE}
    points: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in (r for r in rows if r.source in counted):
        points[row.kind] += [(c, k) for _, c, k in row.points]
    out = {}
    for kind, found in sorted(points.items()):
        correct, k = np.array(found).T
        share = correct / k
        out[kind] = {
            "points": len(found),
            "mean": float(share.mean()),
            "zero": float((correct == 0).mean()),
            "one": float((correct == k).mean()),
            "histogram": np.histogram(share, np.linspace(0, 1, BINS + 1))[0].tolist(),
        }
    return out


def _useless(kinds: dict[str, Any]) -> list[str]:
    out = []
    for kind, figures in kinds.items():
        for end, what in (("zero", "wrong: too hard for this model"), ("one", "right: too easy for this model")):
            if figures[end] >= USELESS_SHARE:
                out.append(f"{100 * figures[end]:.0f} % of the labels of kind {kind!r} are all {what}, and teach it little")
    return out


def _unfinished(counts: Counts) -> list[str]:
    share = counts.unfinished / max(counts.drawn, 1)
    return [f"{100 * share:.0f} % of the samples ran out of tokens and count as wrong: raise --max-tokens"] * (
        share > UNFINISHED_SHARE
    )


def _one_split(texts: dict[str, int], settings: LabelSettings, questions: int) -> list[str]:
    """Each question falls into its split by itself, so that of a few all can fall into one."""
    empty = [split for split in (TRAIN, HELD_OUT) if not texts[split]]
    return [
        f"the split {split!r} is empty: each of the {questions} questions is held out with a chance of {settings.held_out:g}; "
        "label more questions, or give another --held-out"
        for split in empty
    ] * (settings.held_out > 0)
