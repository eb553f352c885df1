"""How good the confidences are on held-out questions while a model trains: what stops it, and what the screen shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from estimator.levels import LEVEL_VALUES
from estimator.metrics import auroc, count_calibration
from estimator.signals import STATES
from training.labels import COMPLETE, SAMPLED, Labelled
from training.techniques.base import Technique, num_prompt

ROWS = 64
Row = tuple[str, float, float, float, float]  # state, confidence, right of k samples, k, negative log-likelihood


@dataclass(frozen=True, slots=True)
class Figures:
    """Of ``n`` points: the mean negative log-likelihood, and over all samples drawn from them ECE (10 equal-width bins) and
    AUROC (None where all ended alike)."""

    n: int
    nll: float
    ece: float
    auroc: float | None


@dataclass(frozen=True, slots=True)
class HeldOut:
    """``score`` is the mean negative log-likelihood of all held-out points; ``figures`` are by state (question, partial,
    complete) and for ``all``, without the complete answers that were chosen half right and half wrong: how often these are
    right says nothing of how often an answer is."""

    score: float
    figures: dict[str, Figures]


@torch.inference_mode()
def look(technique: Technique, rows: Sequence[Labelled], end_ids: Collection[int], rank: int, processes: int) -> HeldOut:
    """Each process reads its share of ``rows``, and all get the same figures. ``end_ids`` are the tokens that end an answer."""
    mine = _read(technique, rows[rank::processes], end_ids)
    shares: list[list[Row]] = [[] for _ in range(processes)]
    dist.all_gather_object(shares, mine)
    everything = [row for share in shares for row in share]
    return HeldOut(float(np.mean([row[-1] for row in everything])), _figures([r for r in everything if r[0]]))


def _read(technique: Technique, rows: Sequence[Labelled], end_ids: Collection[int]) -> list[Row]:
    values, out = torch.tensor(LEVEL_VALUES), []
    for begin in range(0, len(rows), ROWS):
        batch = rows[begin : begin + ROWS]
        q = technique.levels(batch).double().cpu()
        counts = torch.tensor([(c, k) for r in batch for _, c, k in r.points], dtype=torch.float64)
        likelihood = counts[:, :1] * values.log() + (counts[:, 1:] - counts[:, :1]) * (1 - values).log()
        cost = -torch.logsumexp(q.clamp(min=1e-30).log() + likelihood, -1)
        states = [_state(r, i, end_ids) for r in batch for i in range(len(r.points))]
        out += zip(states, (q @ values).tolist(), *counts.T.tolist(), cost.tolist(), strict=True)
    return out


def _state(row: Labelled, place: int, end_ids: Collection[int]) -> str:
    """The state of a point; empty where the answer was chosen by its outcome. An answer that was cut off is not complete."""
    if row.source == COMPLETE:
        return ""
    length = row.points[place][0]
    whole = row.source == SAMPLED and length == len(row.token_ids) and row.token_ids[-1] in end_ids
    return "question" if length == num_prompt(row) else "complete" if whole else "partial"


def _figures(rows: Sequence[Row]) -> dict[str, Figures]:
    out = {}
    for state in ("all", *STATES):
        mine = [r[1:] for r in rows if state in ("all", r[0])]
        if mine:
            confidence, right, k, cost = map(np.array, zip(*mine, strict=True))
            each = np.repeat(np.tile([1.0, 0.0], len(mine)), np.stack([right, k - right], 1).ravel().astype(int))
            ranking = auroc(np.repeat(confidence, k.astype(int)), each)
            ranked = None if np.isnan(ranking) else ranking
            out[state] = Figures(len(mine), float(cost.mean()), count_calibration(confidence, right, k), ranked)
    return out
