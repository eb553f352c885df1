"""The value head: confidence as a multi-class problem over bins, on the adapted model's last hidden state (paper, section 4.2).

The bins are the cells of the confidence levels, and the head is one linear map kept in a small file beside the LoRA.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from estimator.engines.base import EngineError
from estimator.engines.local import LocalEngine
from estimator.types import Answer

HEAD = "value_head.safetensors"


class ValueHead:
    """See ``estimator.scorers.readout.Readout``. ``adapter`` is the directory with ``value_head.safetensors``: ``weight``
    (levels, hidden) and ``bias`` (levels)."""

    def __init__(self, engine: LocalEngine, adapter: Path) -> None:
        self.engine = engine
        try:
            head = load_file(adapter / HEAD)
            self.weight, self.bias = (head[name].float().to(engine.model.device) for name in ("weight", "bias"))
        except (OSError, KeyError, SafetensorError) as error:
            raise EngineError(f"{adapter / HEAD} is missing or damaged: train the estimator again") from error

    def levels(self, answers: Sequence[Answer]) -> list[tuple[float, ...]]:
        hidden = self.engine.adapter_hidden([a.token_ids for a in answers]).float()
        read = (hidden @ self.weight.T + self.bias).softmax(-1)
        if not read.isfinite().all():
            raise EngineError("the value head's readout is not finite: its weights are damaged or do not fit the base model")
        return [tuple(row) for row in read.tolist()]
