"""Continuations that share a prefix share its computation, and come out as if each had been computed alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from estimator.engines import trees
from estimator.engines.local import LocalEngine


@pytest.mark.parametrize("threads", [1, 2])
def test_packed_texts_have_the_states_of_texts_alone(tiny: Any, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_CONTINUED", 20)
    model, tokenizer = tiny
    engine = LocalEngine(model, tokenizer, name="tiny", threads=threads)
    prompts = [engine.prompt_ids(f"How many are {n} and 3?") for n in (2, 30)]
    said = [engine.text_ids(t) for t in ("2 + 3 = 5.", "Five.", "We add 2 and 3, which makes 5 of them.", "It is 6.", "x")]
    texts = [(prompts[i % 2], said[i % len(said)]) for i in range(9)] + [((), said[2])]
    before = engine.usage.prefilled
    packed = engine.embed(texts)
    assert engine.usage.prefilled - before < sum(len(p) + len(c) for p, c in texts)
    for (prefix, continuation), vector in zip(texts, packed, strict=True):
        with torch.inference_mode():
            states = model.base_model(input_ids=torch.tensor([[*prefix, *continuation]])).last_hidden_state
        torch.testing.assert_close(vector, states[0, len(prefix) :].float().mean(0), rtol=1e-3, atol=1e-4)
