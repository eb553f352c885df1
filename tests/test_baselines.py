"""Every baseline as a contract, on the embedded model; and single methods against their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimator.answers import is_correct
from estimator.baselines import baselines
from estimator.baselines.base import Baseline, BaselineError, Case, written
from estimator.baselines.deepconf import REDUCTIONS, groups
from estimator.baselines.first_prob import FirstProb
from estimator.baselines.leco import step_score
from estimator.baselines.multi_step import MultiStep, StepStatements
from estimator.baselines.pool import Draws, SamplePool
from estimator.baselines.readings import TokenReader
from estimator.baselines.self_consistency import SelfConsistency
from estimator.baselines.semantic_entropy import SemanticEntropy
from estimator.baselines.stated import UNSTATED, Stating, stated
from estimator.baselines.verb import Verb
from estimator.engines.base import EngineError, SampleRequest, Sampling
from estimator.engines.scripted import ScriptedEngine
from estimator.positions import Position, cut
from estimator.signals import STATES, state_of
from estimator.types import Answer, Grader, Question, Segment, StopReason

K = 3
PLAIN = "{question}"


def sampled_cases(engine: Any, split: str, count: int, seed: int) -> list[Case]:
    """Per question the bare prompt, the penultimate prefix and the complete answer of one sample."""
    from training.questions import KINDS, questions

    asked = [q for kind in KINDS for q in questions(kind, split, count, seed)]
    requests = [SampleRequest(engine.prompt_ids(q.text), seed=seed) for q in asked]
    out = []
    for question, (segment,) in zip(asked, engine.sample(requests, Sampling(max_tokens=200)), strict=True):
        if segment.finished:
            answer = Answer(engine.prompt_ids(question.text), cut(segment, Position(), engine.table))
            correct = is_correct(question, written(engine, answer))
            lengths = sorted({0, len(answer.segments) - 1, len(answer.segments)})
            out += [Case(question, answer.upto(n), correct) for n in lengths]
    return out


def made(engine: Any) -> list[Baseline]:
    return baselines(engine, SamplePool(engine, K, max_tokens=120), Stating(engine, PLAIN, PLAIN), consistency=(2,), clusters=4)


@pytest.fixture(scope="module")
def fitting(embedded: Any) -> list[Case]:
    return sampled_cases(embedded.engine, "fit", 6, 1)


@pytest.fixture(scope="module")
def cases(embedded: Any) -> list[Case]:
    return sampled_cases(embedded.engine, "test", 3, 2)


@pytest.fixture(scope="module")
def fitted(embedded: Any, fitting: list[Case]) -> list[Baseline]:
    methods = made(embedded.engine)
    for method in methods:
        method.fit(fitting)
    return methods


def mine(method: Baseline, cases: list[Case]) -> list[Case]:
    return [c for c in cases if state_of(c.answer) in method.states]


def test_the_methods_of_the_paper_are_all_there(fitted: list[Baseline]) -> None:
    names = [m.name for m in fitted]
    assert len(set(names)) == len(names)
    for family in ("P(IK)", "First-Prob", "SuC", "Verb", "SE", "Multi-Step", "LECO", "P(True)", "Self-consistency", "DeepConf"):
        assert any(n.startswith(family) for n in names), family
    assert all(m.source and m.states <= set(STATES) for m in fitted)


def test_a_score_is_one_finite_number_a_case_and_what_it_cost(fitted: list[Baseline], cases: list[Case]) -> None:
    for method in fitted:
        own = mine(method, cases)
        scores = method.score(own)
        assert scores.values.shape == scores.tokens.shape == (len(own),), method.name
        assert np.isfinite(scores.values).all() and (scores.tokens >= 0).all(), method.name
        assert (scores.tokens == scores.tokens.round()).all(), method.name
        if method.is_probability:
            assert scores.values.min() >= 0 and scores.values.max() <= 1, method.name


def test_a_score_depends_on_its_case_alone(
    embedded: Any, fitted: list[Baseline], fitting: list[Case], cases: list[Case]
) -> None:
    """Not on the order of cases, of fitting cases, or on what was scored before: a method made anew gives the same."""
    turned = fitting[::-1]
    for method, again in zip(fitted, made(embedded.engine), strict=True):
        again.fit(turned)
        own = mine(method, cases)
        first, second = method.score(own), again.score(own[::-1])
        np.testing.assert_allclose(first.values, second.values[::-1], atol=1e-4, err_msg=method.name)
        np.testing.assert_array_equal(first.tokens, second.tokens[::-1], err_msg=method.name)


def test_a_score_never_sees_how_its_case_ended(fitted: list[Baseline], cases: list[Case]) -> None:
    for method in fitted:
        own = mine(method, cases)
        turned = [Case(Question(c.question.text, (), c.question.grader), c.answer, not c.correct) for c in own]
        np.testing.assert_array_equal(method.score(own).values, method.score(turned).values, err_msg=method.name)


def test_a_state_that_a_method_does_not_know_is_refused(fitted: list[Baseline], cases: list[Case]) -> None:
    for method in fitted:
        if outside := [c for c in cases if state_of(c.answer) not in method.states]:
            with pytest.raises(BaselineError, match="not defined"):
                method.score(outside)


def test_what_learns_says_when_it_has_not(embedded: Any, fitting: list[Case], cases: list[Case]) -> None:
    for method in made(embedded.engine):
        if method.name in ("P(IK)", "SuC", "P(True)"):
            with pytest.raises(BaselineError, match="fitted first"):
                method.score(mine(method, cases))
            with pytest.raises(BaselineError, match="fitting"):
                method.fit([c for c in fitting if state_of(c.answer) == "partial"])


def test_tokens_of_samples_are_those_that_the_engine_counted(embedded: Any, cases: list[Case]) -> None:
    from estimator.engines.local import FEW_PREFIXES

    engine = embedded.engine
    own = [c for c in cases if state_of(c.answer) != "complete"]
    assert len(own) > FEW_PREFIXES  # up to there the engine may have a prefix computed already
    before = engine.usage
    scores = SelfConsistency(SamplePool(engine, K, seed=9, max_tokens=60)).score(own)
    spent = engine.usage.prefilled - before.prefilled + engine.usage.generated - before.generated
    assert scores.tokens.sum() == spent
    verb = Verb(Stating(engine, PLAIN, PLAIN))
    finished = [c for c in cases if state_of(c.answer) == "complete"]
    before = engine.usage
    tokens = verb.score(finished).tokens.sum()
    spent = engine.usage.prefilled - before.prefilled + engine.usage.generated - before.generated
    assert tokens == spent or len(finished) <= FEW_PREFIXES and tokens >= spent


def test_an_engine_without_a_capability_is_named() -> None:
    engine = ScriptedEngine({"Q": [["One.", "#### 1"]], "R": [["#### 2"]]}, name="plain")
    question = Question("Q", ("1",), Grader.NUMBER)
    bare = Answer(engine.prompt_ids("Q"))
    segments = [
        Answer(bare.prompt_ids, cut(s, Position(), engine.table))
        for s in engine.sample([SampleRequest(bare.prompt_ids)], Sampling())[0]
    ]
    given = [Case(question, a, True) for a in (bare, segments[0].upto(1), segments[0])]
    refused = []
    for method in baselines(engine, SamplePool(engine, 2), Stating(engine)):
        try:
            method.fit(given)
            if not method.name.startswith(("Verb", "Multi-Step")):  # the script has no line for them
                method.score(mine(method, given))
        except EngineError as error:
            refused.append(method.name)
            assert "plain does not offer" in str(error) and "\n" not in str(error)
    assert {"P(IK)", "SuC", "P(True)", "LECO", "DeepConf (mean)"} <= set(refused)
    assert not {"SE", "Mean log-probability", "First-Prob"} & set(refused)


def draws(*answers: str | None, logprobs: tuple[float, ...] | None = None) -> Draws:
    lengths = logprobs or (-1.0,) * len(answers)
    return Draws((1,), tuple(Segment((5,), (p,), (0.0,), StopReason.END) for p in lengths), answers)


class FixedPool(SamplePool):
    def __init__(self, engine: Any, given: Draws) -> None:
        super().__init__(engine, len(given.answers))
        self.given = given

    def draw(self, answers: Any) -> list[Draws]:
        return [self.given] * len(answers)


def test_semantic_entropy_is_its_definition() -> None:
    engine = ScriptedEngine({})
    given = draws("7", "7.0", "eight", "9", " 7", logprobs=(-1.0, -2.0, -0.5, -3.0, -1.5))
    discrete = SemanticEntropy(FixedPool(engine, given), discrete=True)
    # lm-polygraph 0.7.0, SemanticEntropy("frequency"), on classes {0, 1, 4}, {2}, {3}
    assert discrete.entropy(given, Grader.NUMBER) == pytest.approx(0.9502705392332345, abs=1e-6)
    p = np.exp([-1.0, -2.0, -0.5, -3.0, -1.5])
    shares = np.array([p[0] + p[1] + p[4], p[2], p[3]]) / p.sum()
    expected = -(shares * np.log(shares)).sum()
    assert SemanticEntropy(FixedPool(engine, given)).entropy(given, Grader.NUMBER) == pytest.approx(expected)
    alike, apart = draws("1", "1", "1"), draws("1", "2", "3")
    case = [Case(Question("Q", grader=Grader.NUMBER), Answer((1,)), True)]
    assert SemanticEntropy(FixedPool(engine, alike)).score(case).values == pytest.approx([1.0])
    assert SemanticEntropy(FixedPool(engine, apart)).score(case).values == pytest.approx([0.0], abs=1e-12)


def test_agreement_is_with_the_most_frequent_or_with_the_own_answer() -> None:
    engine = ScriptedEngine({})
    given = draws("7", "7", "8", None, None, None)
    text = engine.text_ids("#### 8")
    answer = Answer((1,), (Segment(text, (-0.1,) * len(text), (0.1,) * len(text), StopReason.END),))
    case = [Case(Question("Q", grader=Grader.NUMBER), answer, True)]
    pool = FixedPool(engine, given)
    assert SelfConsistency(pool).score(case).values == pytest.approx([2 / 6])
    assert SelfConsistency(pool, own=True).score(case).values == pytest.approx([1 / 6])
    assert SelfConsistency(pool, k=2).score(case).values == pytest.approx([1.0])
    assert SelfConsistency(pool, k=2).score(case).tokens[0] == 3  # the prefix and two samples of one token


def test_fresh_samples_are_not_the_scored_answers(embedded: Any, cases: list[Case]) -> None:
    engine, bare = embedded.engine, [c.answer for c in cases if not c.answer.segments]
    drawn = [d.segments for d in SamplePool(engine, 3, seed=2, max_tokens=60).draw(bare)]
    scored = engine.sample([SampleRequest(a.prompt_ids, n=3, seed=2) for a in bare], Sampling(max_tokens=60))
    assert [[s.token_ids for s in d] for d in drawn] != [[s.token_ids for s in x] for x in scored]


def test_leco_and_deepconf_are_their_definitions() -> None:
    p = np.array([0.9, 0.5, 0.7, 0.99])
    share = p / p.sum()
    divergence = (share * np.log(share / 0.25)).sum()
    assert step_score(p, 0.3) == pytest.approx(p.mean() + p[:3].mean() - np.log(divergence**0.3 + 1))
    assert step_score([0.4], 0.3) == pytest.approx(0.8)
    c = np.array([5.0, 1.0, 3.0, 9.0, 2.0])
    np.testing.assert_allclose(groups(c, 2), [3, 2, 6, 5.5])
    np.testing.assert_allclose(groups(c, 9), [4])
    found = {name: reduce(c, 2) for name, reduce in REDUCTIONS.items()}
    assert found == pytest.approx({"mean": 4.0, "lowest group": 2.0, "bottom 10 %": 2.0, "tail": 5.5})


def test_statistics_of_a_prefix_are_read_off_the_longer_answer(embedded: Any, cases: list[Case]) -> None:
    answers = [c.answer for c in cases if c.answer.segments]
    together = TokenReader(embedded.engine).read(answers)
    for answer, stats in list(zip(answers, together, strict=True))[:6]:
        alone = TokenReader(embedded.engine).read([answer])[0]
        np.testing.assert_allclose(stats.mean_top20, alone.mean_top20, atol=2e-3)
        logprobs = [p for s in answer.segments for p in s.logprobs]
        np.testing.assert_allclose(stats.logprobs, logprobs, atol=2e-3)
        assert all(top >= np.exp(p) - 1e-3 for top, p in zip(stats.top, logprobs, strict=True))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 85%", 0.85),
        ("85", 0.85),
        ("I would say 70 %, perhaps 80", 0.7),
        ("0.85", 0.85),
        (".5", 0.5),
        ("1", 0.01),
        ("1.0", 1.0),
        ("100", 1.0),
        ("9/10", 0.9),
        ("8 out of 10", 0.8),
        ("99.5", 0.995),
        ("0%", 0.0),
        ("150%", None),
        ("-20", None),
        ("very high", None),
        ("", None),
        ("\n\n90", 0.9),
        ("high\n90", None),
    ],
)
def test_a_stated_number_is_read_or_it_is_none(text: str, value: float | None) -> None:
    assert stated(text) == (None if value is None else pytest.approx(value))


class Speaker(ScriptedEngine):
    """States the next of some sentences whenever it is asked."""

    def __init__(self, *sentences: str) -> None:
        super().__init__({})
        self.sentences, self.seen = list(sentences), []

    def sample(self, requests: Any, sampling: Sampling) -> list[list[Segment]]:
        self.seen += [self.decode(r.prefix) for r in requests]
        texts = [self.text_ids(self.sentences.pop(0)) for _ in requests]
        return [[Segment(t, (0.0,) * len(t), (0.0,) * len(t), StopReason.LENGTH)] for t in texts]


def steps(engine: Any, *paragraphs: str) -> Answer:
    parts = [engine.text_ids(p) for p in paragraphs]
    stops = [StopReason.POSITION] * (len(parts) - 1) + [StopReason.END]
    made = [Segment(t, (0.0,) * len(t), (0.0,) * len(t), s) for t, s in zip(parts, stops, strict=True)]
    return Answer(engine.prompt_ids("Q"), tuple(made))


def test_multi_step_multiplies_or_averages_what_was_stated() -> None:
    speaker = Speaker(" 80%\n", " 50%", " no idea")
    answer = steps(speaker, "One.\n\n", "Two.\n\n", "#### 2")
    statements = StepStatements(Stating(speaker, PLAIN, "{question} How sure?"))
    case = [Case(Question("Q"), answer, True)]
    assert MultiStep(statements).score(case).values == pytest.approx([0.8 * 0.5 * UNSTATED])
    assert MultiStep(statements, mean=True).score(case).values == pytest.approx([(0.8 + 0.5 + UNSTATED) / 3])
    assert len(speaker.seen) == 3 and "How sure?" in speaker.seen[0]  # asked once, read twice
    assert "One.\nConfidence (0-100): 80%\n\nTwo.\nConfidence (0-100):" in speaker.seen[1]


def test_verb_reads_the_number_and_silence_is_no_confidence() -> None:
    speaker = Speaker(" 90%", " quite sure")
    case = Case(Question("Q"), steps(speaker, "#### 2"), True)
    assert Verb(Stating(speaker)).score([case, case]).values == pytest.approx([0.9, UNSTATED])
    with pytest.raises(ValueError, match="insert"):
        Stating(speaker, verb_prompt="How sure?")


def test_a_step_without_a_number_does_not_take_one_from_the_next_step() -> None:
    speaker = Speaker("", " 80%")
    answer = steps(speaker, "He has 3.\n\n", "4 more make 7.\n\n")
    statements = StepStatements(Stating(speaker, PLAIN, PLAIN))
    assert statements.of([Case(Question("Q"), answer, True)])[0][0] == [None, 0.8]


class Lettered(ScriptedEngine):
    """Its next token is a letter: B with 0.8, every other character with 0.1."""

    def next_logprobs(self, prefixes: Any, token_ids: Any) -> Any:
        return np.log([[0.8 if chr(i) in "Bb" else 0.1 for i in token_ids] for _ in prefixes])


@pytest.mark.parametrize("said", ["#### B", "#### (B)", "#### **B**", "#### (b)", "The answer is: (B) closet"])
def test_first_prob_of_a_choice_is_the_share_of_its_letter_wherever_it_stands(said: str) -> None:
    engine = Lettered({})
    question = Question("Where?\nA. sea\nB. closet\nC. moon", ("B",), Grader.CHOICE)
    case = Case(question, steps(engine, "It is dry.\n\n", said), True)
    assert FirstProb(engine).score([case]).values == pytest.approx([0.8])
    text = Case(question, steps(engine, "#### closet"), True)
    assert FirstProb(engine).score([text]).values == pytest.approx([1.0])  # as it was written
