"""The paper's instruction fine-tuning: the adapted model is asked for its confidence and states it as text, ``Conf:0.8``.

What it would state is read as an expectation: the ways to state a confidence are eleven token sequences, and wherever they
part, the next-token probabilities are shared out among those that go on. What it does state, greedily or sampled, is there
as well, for comparison. The request is put together from the token ids of question and answer, which are never re-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from estimator.engines.base import EngineError
from estimator.engines.local import LocalEngine
from estimator.levels import LEVEL_VALUES
from estimator.prompts import ConfidenceRequest
from estimator.types import Answer, Tokens

VALUES = np.arange(11) / 10
TEXTS = tuple(f"Conf:{value:.1f}" for value in VALUES)
STATED = re.compile(r"Conf:\s*(1(?:\.0+)?|0(?:\.\d+)?)(?![\d.])")
ROWS = 64
MOST_TOKENS = 12


class Statements:
    """The eleven statements as token sequences of a vocabulary. ``nodes`` are the beginnings after which several statements
    go on differently, and ``choices[node]`` holds for each statement (statements,) the token that it goes on with there, or
    -1 where it does not begin so. ``longest`` is a beginning that all nodes begin, read in one pass."""

    def __init__(self, tokenizer: Any) -> None:
        self.request = ConfidenceRequest(tokenizer)
        self.tokens = [tuple(tokenizer.encode(text, add_special_tokens=False)) for text in TEXTS]
        beginnings = sorted({t[:n] for t in self.tokens for n in range(len(t))}, key=len)
        going = {b: [t[len(b)] if t[: len(b)] == b and len(t) > len(b) else -1 for t in self.tokens] for b in beginnings}
        self.choices = {b: ids for b, ids in going.items() if len(set(ids) - {-1}) > 1}
        self.nodes = list(self.choices)
        self.longest = self.nodes[-1]
        if any(self.longest[: len(n)] != n for n in self.nodes) or len(set(self.tokens)) < len(self.tokens):
            raise ValueError("the tokenizer spells Conf:0.0 to Conf:1.0 in ways that cannot be read in one pass")

    def distribution(self, logits: torch.Tensor) -> torch.Tensor:
        """Probabilities of the levels (rows, levels) from ``logits`` (rows, nodes, vocabulary) after each node."""
        total = torch.zeros(logits.shape[0], len(self.tokens), device=logits.device)
        for place, node in enumerate(self.nodes):
            ids = self.choices[node]
            distinct = sorted(set(ids) - {-1})
            share = logits[:, place, distinct].float().log_softmax(-1)
            for statement, token in enumerate(ids):
                if token >= 0:
                    total[:, statement] += share[:, distinct.index(token)]
        return total.softmax(-1) @ torch.tensor(TO_LEVELS, dtype=torch.float32, device=logits.device)


def _to_levels() -> np.ndarray:
    """(statements, levels): a stated value's mass on the two levels around it, so that its mean is kept."""
    out = np.zeros((len(VALUES), len(LEVEL_VALUES)))
    for row, value in zip(out, np.clip(VALUES, LEVEL_VALUES[0], LEVEL_VALUES[-1]), strict=True):
        upper = int(np.clip(np.searchsorted(LEVEL_VALUES, value), 1, len(LEVEL_VALUES) - 1))
        row[upper] = (value - LEVEL_VALUES[upper - 1]) / (LEVEL_VALUES[upper] - LEVEL_VALUES[upper - 1])
        row[upper - 1] = 1 - row[upper]
    return out


TO_LEVELS = _to_levels()


class StatedText:
    """See ``estimator.scorers.readout.Readout``; ``engine`` has an adapter that was taught to state its confidence."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.statements = engine, Statements(engine.tokenizer)

    def levels(self, answers: Sequence[Answer]) -> list[tuple[float, ...]]:
        """The expectation's distribution, in one pass over the request and the longest common beginning."""
        asked = [self._asked(a) for a in answers]
        read = self.engine.adapter_hidden([(*ids, *node) for ids in asked for node in self.statements.nodes])
        head, out = self.engine.model.get_output_embeddings(), []
        with torch.inference_mode():
            for rows in read.view(len(asked), len(self.statements.nodes), -1).split(ROWS):
                out += self.statements.distribution(head(rows)).tolist()
        if not np.isfinite(out).all():
            raise EngineError("the stated confidence is not finite: the adapter is damaged or does not fit the base model")
        return [tuple(row) for row in out]

    @torch.inference_mode()
    def state(self, answers: Sequence[Answer], *, temperature: float = 0.0, seed: int = 0) -> list[float | None]:
        """The number in the text that the adapted model writes, as the paper reads it: greedily, or sampled under ``seed``.
        None where it writes no confidence."""
        order = sorted(range(len(answers)), key=lambda i: len(answers[i].token_ids))
        out: list[float | None] = [None] * len(answers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for begin in range(0, len(order), ROWS):
                chunk = order[begin : begin + ROWS]
                for i, text in zip(chunk, self._write([self._asked(answers[i]) for i in chunk], temperature), strict=True):
                    found = STATED.search(text)
                    out[i] = float(found[1]) if found else None
        return out

    def _write(self, requests: Sequence[Tokens], temperature: float) -> list[str]:
        engine, width = self.engine, max(map(len, requests))
        ids = torch.tensor([[*[0] * (width - len(r)), *r] for r in requests], device=engine.model.device)
        seen = torch.tensor([[*[0] * (width - len(r)), *[1] * len(r)] for r in requests], device=engine.model.device)
        # Whatever the model's own generation_config.json asks for (Qwen's penalises repetition), as the paper draws it.
        drawn: dict[str, Any] = {"do_sample": False, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
        if temperature:
            drawn |= {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0, "min_p": None}
        written = engine.reader.generate(
            input_ids=ids, attention_mask=seen, max_new_tokens=MOST_TOKENS, pad_token_id=engine.end_id, **drawn
        )
        return [engine.decode(row[width:].tolist()) for row in written]

    def _asked(self, answer: Answer) -> Tokens:
        return self.statements.request.ids(answer.prompt_ids, answer.token_ids[len(answer.prompt_ids) :])
