"""Looking ahead to the end, as a method of the evaluation, on the embedded model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimator.baselines.base import BaselineError, Case
from estimator.baselines.pool import SamplePool
from estimator.positions import Position, cut
from estimator.types import Answer
from training.evaluation.drafts import Drafts, drafts
from training.evaluation.ours import readings
from training.labelling import sample_answers
from training.questions import questions


@pytest.fixture(scope="module")
def cases(embedded: Any) -> list[Case]:
    sampled = [group[0] for group in sample_answers(embedded.engine, questions("arithmetic", "test", 6, 3), 1, 3)]
    return [Case(s.question, s.answer.upto(i), s.correct) for s in sampled for i in range(len(s.answer.segments))]


def test_a_value_is_the_mean_of_the_confidence_here_and_at_the_ends_of_the_drafts(embedded: Any, cases: list[Case]) -> None:
    engine, scorer, pool = embedded.engine, embedded.scorer, SamplePool(embedded.engine, 3, seed=4, max_tokens=200)
    got = Drafts(scorer, pool, 2).score(cases)
    assert got.drawn is not None and (2 * got.drawn == got.tokens).all()  # the adapter's reading takes time of its own
    for case, value, tokens in zip(cases, got.values, got.tokens, strict=True):
        [drawn] = pool.draw([case.answer])
        parts = [(*case.answer.segments, *cut(s, Position(), engine.table)) for s in drawn.segments[:2]]
        texts = [case.answer, *(Answer(case.answer.prompt_ids, p) for p in parts)]
        assert value == pytest.approx(np.mean([c.value for c in scorer.score(texts)]), abs=1e-5)
        assert tokens == 2 * (len(case.answer.token_ids) + sum(len(s.token_ids) for s in drawn.segments[:2]))


def test_drafts_say_what_they_cost_in_samples_and_are_not_for_complete_answers(embedded: Any, cases: list[Case]) -> None:
    pool = SamplePool(embedded.engine, 8, seed=4)
    assert [d.name for d in drafts(embedded.scorer, pool)] == ["FineCE (1 draft)", "FineCE (4 drafts)"]
    [[whole]] = sample_answers(embedded.engine, [cases[0].question], 1, 3)
    with pytest.raises(BaselineError, match="not defined for a complete"):
        drafts(embedded.scorer, pool)[0].score([Case(cases[0].question, whole.answer, whole.correct)])


def test_numbers_of_one_reading_are_read_once_and_each_is_charged_for_it(embedded: Any, cases: list[Case]) -> None:
    adapter, combined = readings(embedded.scorer)
    before = embedded.engine.usage.scored
    first = adapter.score(cases)
    read = embedded.engine.usage.scored - before
    second = combined.score(cases)
    assert read > 0 and embedded.engine.usage.scored - before == read
    assert first.seconds == 0 < second.seconds, "who asks first spends the time himself"
    told = embedded.scorer.score([c.answer for c in cases])
    assert second.values == pytest.approx([c.value for c in told], abs=1e-5)
    assert first.values == pytest.approx([c.parts["adapter"] for c in told], abs=1e-5)
