"""Second opinions in the evaluation, on the embedded model: as a method, and as a way to choose an answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from estimator.answers import final_answer
from estimator.baselines.base import BaselineError, Case
from estimator.baselines.pool import SamplePool
from estimator.opinions import Opinion, weigh
from estimator.positions import Position, cut
from estimator.types import Answer
from training.evaluation.opinions import Opinions, opinions
from training.evaluation.tables.accuracy import _surest
from training.labelling import Sampled, sample_answers
from training.questions import questions


@pytest.fixture(scope="module")
def sampled(embedded: Any) -> list[list[Sampled]]:
    return sample_answers(embedded.engine, questions("arithmetic", "test", 8, 3), 3, 3)


def test_a_value_is_the_answers_confidence_held_against_fresh_ones(embedded: Any, sampled: list[list[Sampled]]) -> None:
    engine, scorer, pool = embedded.engine, embedded.scorer, SamplePool(embedded.engine, 3, seed=4, max_tokens=200)
    cases = [Case(g[0].question, g[0].answer, g[0].correct) for g in sampled]
    got = Opinions(scorer, pool, 2).score(cases)
    assert got.drawn is not None
    for case, value, tokens, drawn in zip(cases, got.values, got.tokens, got.drawn, strict=True):
        [draws] = pool.draw([case.answer])
        fresh = [Answer(case.answer.prompt_ids, tuple(cut(s, Position(), engine.table))) for s in draws.segments[:2]]
        texts = [engine.decode(a.token_ids[len(a.prompt_ids) :]) for a in (case.answer, *fresh)]
        heard = [Opinion.of(final_answer(t), c) for t, c in zip(texts, scorer.score([case.answer, *fresh]), strict=True)]
        assert value == pytest.approx(weigh(heard, scorer.opinions)[0], abs=1e-5)
        assert drawn == len(case.answer.prompt_ids) + sum(len(s.token_ids) for s in draws.segments[:2])
        assert tokens == 2 * drawn + len(case.answer.token_ids)


def test_fresh_answers_that_were_cut_off_count_for_nothing(embedded: Any, sampled: list[list[Sampled]]) -> None:
    """As where the machine asks for them."""
    cases = [Case(g[0].question, g[0].answer, g[0].correct) for g in sampled]
    got = Opinions(embedded.scorer, SamplePool(embedded.engine, 3, seed=4, max_tokens=2), 2).score(cases)
    assert got.values.tolist() == [c.value for c in embedded.scorer.score([c.answer for c in cases])]


def test_they_are_of_the_counts_that_the_estimator_can_weigh_and_for_complete_answers(
    embedded: Any, sampled: list[list[Sampled]]
) -> None:
    made = opinions(embedded.scorer, SamplePool(embedded.engine, 3, seed=4))
    assert [m.name for m in made] == ["FineCE (1 opinion)", "FineCE (2 opinions)"], "the pool has three samples"
    case = Case(sampled[0][0].question, sampled[0][0].answer.upto(1), sampled[0][0].correct)
    with pytest.raises(BaselineError, match="not defined for a partial"):
        made[0].score([case])


def test_others_are_needed_only_where_the_first_is_in_doubt(embedded: Any, sampled: list[list[Sampled]]) -> None:
    evidence: Any = SimpleNamespace(scorer=embedded.scorer)
    group = sampled[0]
    for sure in (0.05, 0.95):
        assert _surest(evidence, group, [sure, 0.5, 0.5]) == (group[0], sure, group[:1])
    kept, value, among = _surest(evidence, group, [0.5, 0.99, 0.2])
    said = [final_answer(s.text) for s in group]
    weighed = weigh([Opinion.of(s, c) for s, c in zip(said, (0.5, 0.99, 0.2), strict=True)], embedded.scorer.opinions)
    assert among == group and value == max(weighed) and kept is group[weighed.index(max(weighed))]
