"""What the local engine offers to baselines, against plain passes of the model, one text at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from estimator.engines.base import EngineError, HiddenStates, NextToken, TokenStatistics, capable
from estimator.engines.local import LocalEngine
from estimator.engines.scripted import ScriptedEngine

TEXTS = [((5, 6, 7), (8, 9)), ((5, 6, 7), (8, 9, 10, 11, 12)), (tuple(range(4, 60)), (3,)), ((9,), (200, 300, 4, 5))]


@pytest.fixture(scope="module")
def engine(tiny: Any) -> LocalEngine:
    return LocalEngine(*tiny, name="tiny")


def logp(model: Any, ids: tuple[int, ...]) -> Any:
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0].float().log_softmax(-1)


def test_token_statistics_are_those_of_a_plain_pass(tiny: Any, engine: LocalEngine) -> None:
    for (prefix, continuation), stats in zip(TEXTS, engine.token_statistics(TEXTS), strict=True):
        plain = logp(tiny[0], (*prefix, *continuation))[len(prefix) - 1 : -1]
        chosen = [float(row[i]) for row, i in zip(plain, continuation, strict=True)]
        np.testing.assert_allclose(stats.logprobs, chosen, atol=2e-4)
        np.testing.assert_allclose(stats.entropies, -(plain.exp() * plain).sum(-1), atol=2e-4)
        np.testing.assert_allclose(stats.top, plain.max(-1).values.exp(), atol=2e-4)
        np.testing.assert_allclose(stats.mean_top20, plain.sort(-1).values[:, -20:].mean(-1), atol=2e-4)


def test_next_logprobs_and_states_are_those_of_a_plain_pass(tiny: Any, engine: LocalEngine) -> None:
    prefixes = [(*p, *c) for p, c in TEXTS] + [p for p, _ in TEXTS]  # some begin others
    got, states = engine.next_logprobs(prefixes, (7, 3)), engine.hidden_states(prefixes)
    for prefix, row, state in zip(prefixes, got, states, strict=True):
        np.testing.assert_allclose(row, logp(tiny[0], prefix)[-1, [7, 3]], atol=2e-4)
        with torch.inference_mode():
            hidden = tiny[0].base_model(torch.tensor([prefix])).last_hidden_state[0, -1]
        np.testing.assert_allclose(state, hidden, atol=2e-4)


def test_what_an_engine_offers_is_seen(engine: LocalEngine) -> None:
    for capability in (TokenStatistics, NextToken, HiddenStates):
        assert capable(engine, capability, "it") is engine
        with pytest.raises(EngineError, match=f"{capability.__name__}, which LECO needs"):
            capable(ScriptedEngine({}), capability, "LECO")
