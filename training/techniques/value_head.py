"""The paper's value head (section 4.2): a linear multi-class head over confidence bins on the last hidden state, trained with
the LoRA by cross-entropy. The bins are the cells of the confidence levels; a label belongs to the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from estimator.levels import LEVEL_VALUES
from estimator.scorers.value_head import HEAD
from training.labels import Labelled, Point
from training.techniques.base import Net, gathered


class BinHead:
    """See ``training.techniques.base.Technique``."""

    def __init__(self, net: Net) -> None:
        self.net = net
        width = net.model.get_output_embeddings().weight.shape[1]
        self.head = torch.nn.Linear(width, len(LEVEL_VALUES)).to(net.device)

    def examples(self, rows: Sequence[Labelled]) -> Sequence[Labelled]:
        return rows

    def length(self, example: Labelled) -> int:
        return len(example.token_ids)

    def draw(self, batch: Sequence[Labelled], rng: np.random.Generator) -> list[tuple[Point, ...]]:
        return [row.points for row in batch]

    def loss(self, batch: Sequence[Labelled], drawn: Sequence[Sequence[Point]]) -> tuple[torch.Tensor, int]:
        picked, correct, k = gathered(self.net.hidden([r.token_ids for r in batch]), drawn)
        bins = (correct / k * (len(LEVEL_VALUES) - 1)).round().long()
        return torch.nn.functional.cross_entropy(self.head(picked), bins, reduction="sum"), len(k)

    def levels(self, rows: Sequence[Labelled]) -> torch.Tensor:
        picked, _, _ = gathered(self.net.hidden([r.token_ids for r in rows]), [r.points for r in rows])
        return self.head(picked).softmax(-1)

    def save(self, out: Path) -> None:
        save_file({name: value.detach().cpu().contiguous() for name, value in self.head.state_dict().items()}, out / HEAD)
