"""The paper's instruction fine-tuning (section 4.2, figure 4): the model learns to write ``Conf:0.8`` when it is asked.

A label between two tenths is written as one or the other at random so that its mean is kept, because rounding would shift
it. Each point of a text is an example of its own, which is what this technique costs beside the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from estimator.scorers.ift import Statements
from estimator.types import Tokens
from training.labels import Labelled
from training.techniques.base import Net, gathered, num_prompt


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a confidence, and the success counts of the text that it asks about."""

    request: Tokens
    correct: int
    k: int


class InstructionText:
    """See ``training.techniques.base.Technique``."""

    head = None

    def __init__(self, net: Net, tokenizer: Any) -> None:
        self.net, self.statements, self.end = net, Statements(tokenizer), tokenizer.eos_token_id

    def examples(self, rows: Sequence[Labelled]) -> list[Asked]:
        """ValueError where a text does not begin with this model's prompt."""
        out = []
        for row in rows:
            prompt = row.token_ids[: num_prompt(row)]
            for n, correct, k in row.points:
                out.append(Asked(self.statements.request.ids(prompt, row.token_ids[len(prompt) : n]), correct, k))
        return out

    def length(self, example: Asked) -> int:
        return len(example.request) + len(self.statements.tokens[0]) + 1

    def draw(self, batch: Sequence[Asked], rng: np.random.Generator) -> list[int]:
        """Per example which of the eleven statements is written."""
        tenths = np.array([10 * e.correct / e.k for e in batch])
        return (np.floor(tenths) + (rng.random(len(batch)) < tenths % 1)).astype(int).tolist()

    def loss(self, batch: Sequence[Asked], drawn: Sequence[int]) -> tuple[torch.Tensor, int]:
        """Cross-entropy of the statement's tokens and the end, summed; counted by example."""
        targets = [(*self.statements.tokens[i], self.end) for i in drawn]
        rows = [(*e.request, *target[:-1]) for e, target in zip(batch, targets, strict=True)]
        places = [
            [(len(e.request) + i, token, 1) for i, token in enumerate(target)] for e, target in zip(batch, targets, strict=True)
        ]
        picked, tokens, _ = gathered(self.net.hidden(rows), places)
        return torch.nn.functional.cross_entropy(self.net.logits(picked), tokens.long(), reduction="sum"), len(batch)

    def levels(self, rows: Sequence[Labelled]) -> torch.Tensor:
        asked = self.examples(rows)
        nodes = self.statements.nodes
        hidden = self.net.hidden([(*a.request, *self.statements.longest) for a in asked])
        points = [[(len(a.request) + len(node), a.correct, a.k) for node in nodes] for a in asked]
        logits = self.net.logits(gathered(hidden, points)[0])
        return self.statements.distribution(logits.view(len(asked), len(nodes), -1))

    def save(self, out: Path) -> None:
        """The LoRA is all there is."""
