"""Continuations that share a prefix share its computation, and come out as if each had been computed alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from estimator.engines import trees
from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.local import LocalEngine
from estimator.positions import Position, PositionKind, cut


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


def pooled_and_computed(engine: LocalEngine, position: Position, afresh: LocalEngine) -> None:
    """What ``engine`` kept of first segments is what ``afresh`` computes of them, and costs nothing."""
    requests = [SampleRequest(engine.prompt_ids(f"How many are {n} and 3?"), n=8, seed=1) for n in range(9)]
    samples = engine.sample(requests, Sampling(max_tokens=60, pool=position))
    texts = []
    for request, segments in zip(requests, samples, strict=True):
        parts = [cut(s, position, engine.table) for s in segments]
        texts += [(request.prefix, p[0].token_ids) for p in parts if len(p) > 1]
    assert len(texts) > 10
    before = engine.usage.prefilled
    pooled = engine.embed(texts)
    assert engine.usage.prefilled == before
    torch.testing.assert_close(pooled, afresh.embed(texts), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "position",
    [Position(PositionKind.PERIODIC, every=5), Position(PositionKind.ENTROPY, threshold=2.0, gap=3)],
    ids=str,
)
def test_what_was_pooled_while_it_was_written_is_not_computed_again(tiny: Any, threads: int, position: Position) -> None:
    engine, afresh = (LocalEngine(*tiny, name="tiny", threads=threads, max_rows=20) for _ in range(2))
    pooled_and_computed(engine, position, afresh)


def test_paragraphs_are_pooled_too(embedded: Any) -> None:
    of = embedded.engine
    pooled_and_computed(of, Position(), LocalEngine(of.model, of.tokenizer, name="again"))
