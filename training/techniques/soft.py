"""The one-token soft readout: the next token's distribution over ten level tokens, trained on counts (the default).

Every calibration position of a text is read in the same pass: after the prompt, after each paragraph, after the end. The
readout is a distribution q over the success levels p_l, and a point (correct, k) costs

    -log sum_l q_l p_l^correct (1 - p_l)^(k - correct).

Its gradient draws q towards the posterior of the success probability given the counts with q itself as the prior, so the
soft target is the label's Beta posterior without a flat prior's pull towards one half (which at k = 1 would halve every
confidence). It is strictly proper for the mean at any k, and k > 1 teaches the spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from estimator.levels import LEVEL_VALUES, level_ids
from training.labels import SAMPLED, Labelled, Point
from training.techniques.base import Net, gathered


def level_loss(logits: torch.Tensor, correct: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Per point the negative log-likelihood above; ``logits`` are (points, levels)."""
    values = torch.tensor(LEVEL_VALUES, dtype=torch.float32, device=logits.device)
    likelihood = correct[:, None] * values.log() + (k - correct)[:, None] * (1 - values).log()
    return -torch.logsumexp(logits.log_softmax(-1) + likelihood, -1)


class OneTokenReadout:
    """See ``training.techniques.base.Technique``. Of a sampled answer ``extra_points`` more prefixes are read at random
    places, which teaches the periodic and entropy positions."""

    head = None

    def __init__(self, net: Net, tokenizer: Any, extra_points: int) -> None:
        self.net, self.extra_points = net, extra_points
        self.ids = torch.tensor(level_ids(tokenizer), device=net.device)

    def examples(self, rows: Sequence[Labelled]) -> Sequence[Labelled]:
        return rows

    def length(self, example: Labelled) -> int:
        return len(example.token_ids)

    def draw(self, batch: Sequence[Labelled], rng: np.random.Generator) -> list[list[Point]]:
        return [self._points(row, rng) for row in batch]

    def _points(self, row: Labelled, rng: np.random.Generator) -> list[Point]:
        """The row's points, and for a sampled answer a few more prefixes, which its outcome labels as well."""
        if row.source != SAMPLED:
            return list(row.points)
        begin, outcome = row.points[0][0], row.points[0][1]
        more = rng.integers(begin, len(row.token_ids) + 1, self.extra_points)
        return [*row.points, *((int(n), outcome, 1) for n in more)]

    def loss(self, batch: Sequence[Labelled], drawn: Sequence[Sequence[Point]]) -> tuple[torch.Tensor, int]:
        logits, correct, k = self._read(batch, drawn)
        return level_loss(logits, correct, k).sum(), len(k)

    def levels(self, rows: Sequence[Labelled]) -> torch.Tensor:
        return self._read(rows, [r.points for r in rows])[0].softmax(-1)

    def _read(
        self, batch: Sequence[Labelled], points: Sequence[Sequence[Point]]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Level logits, correct counts and k; only the levels' rows of the vocabulary are computed."""
        picked, correct, k = gathered(self.net.hidden([r.token_ids for r in batch]), points)
        return picked @ self.net.model.get_output_embeddings().weight[self.ids].float().T, correct, k

    def save(self, out: Path) -> None:
        """The LoRA is all there is."""
