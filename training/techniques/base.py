"""What a technique is, and the model it teaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from training.labels import Labelled, Point
from training.precision import mixed


class TrainingError(ValueError):
    """It cannot be trained like this; the message says why and what would do."""


@dataclass(frozen=True)
class Net:
    """A causal language model (``model``) with a LoRA in it (``peft``, the wrapper that saves it)."""

    model: Any
    peft: Any

    @property
    def device(self) -> torch.device:
        return self.model.device

    def hidden(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Last hidden states (rows, width, hidden) of token ids; right-padded, which no causal token sees."""
        width = max(map(len, rows))
        ids = torch.tensor([[*r, *[0] * (width - len(r))] for r in rows], device=self.device)
        with mixed(self.device):
            return self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Next-token logits (..., vocabulary) from last hidden states."""
        head = self.model.get_output_embeddings()
        return head(states.to(head.weight.dtype)).float()


class Technique(Protocol):
    """Examples are what a training batch is made of. ``draw`` does all that is random about a batch, so that a resumed run
    can draw again what was drawn before; ``loss`` is summed over the counted items."""

    @property
    def head(self) -> torch.nn.Module | None:
        """What is trained beside the LoRA, if anything."""
        ...

    def examples(self, rows: Sequence[Labelled]) -> Sequence[Any]: ...

    def length(self, example: Any) -> int:
        """Tokens that a pass over the example costs."""
        ...

    def draw(self, batch: Sequence[Any], rng: np.random.Generator) -> Any: ...

    def loss(self, batch: Sequence[Any], drawn: Any) -> tuple[torch.Tensor, int]: ...

    def levels(self, rows: Sequence[Labelled]) -> torch.Tensor:
        """Distributions over the confidence levels at all points of ``rows``, in order: (points, levels)."""
        ...

    def save(self, out: Path) -> None:
        """Write what lies beside the LoRA."""
        ...


def gathered(hidden: torch.Tensor, points: Sequence[Sequence[Point]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States (points, hidden), correct counts and k of all points of a batch: a point is read at its last token."""
    where = torch.tensor([(r, n - 1, c, k) for r, ps in enumerate(points) for n, c, k in ps], device=hidden.device)
    return hidden[where[:, 0], where[:, 1]].float(), where[:, 2].float(), where[:, 3].float()


def num_prompt(row: Labelled) -> int:
    """Tokens of the row's prompt; where they were not counted, the first point is the bare question."""
    return row.num_prompt_tokens or row.points[0][0]
