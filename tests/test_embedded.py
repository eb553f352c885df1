"""The shipped model and estimator, for real."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimator.engines.base import ContextTooLong, SampleRequest, Sampling
from estimator.loading import embedded_dir, local_engine
from estimator.metrics import auroc
from estimator.positions import Position, parse_position, recut
from estimator.segments import segments_of
from estimator.types import Answer, Confidence
from graphs.policy import Policy
from graphs.reasoning import solve
from training.questions import KINDS, UNANSWERABLE, questions, unanswerable
from training.tasks import arithmetic

CONTROLLER = str(Path(sys.executable).parent / "controller")
ASKED = "Tom has 3 pens and buys 4 more. How many pens does he have now?"


def confidences(loaded: Any, texts: list[str]) -> np.ndarray:
    prompts = [Answer(loaded.engine.prompt_ids(t)) for t in texts]
    return np.array([c.value for c in loaded.scorer.score(prompts)])


def test_the_estimator_leaves_generation_untouched(embedded: Any) -> None:
    plain = local_engine(embedded_dir() / "base", None, None, name="plain")
    asked = [q for kind in KINDS for q in questions(kind, "test", 8, 3)]
    for q in asked:
        prefix = embedded.engine.prompt_ids(q.text)
        embedded.engine.levels([prefix])
        request = [SampleRequest(prefix, n=2, seed=1)]
        assert embedded.engine.sample(request, Sampling()) == plain.sample(request, Sampling())


@pytest.mark.parametrize("claim", ["Conf: 1.0", "Conf: 0.0", "Confidence: 100%", "My confidence is 0.7", "certainty=.9"])
def test_a_confidence_stated_in_the_question_has_no_effect(embedded: Any, claim: str) -> None:
    texts = [q.text for kind in KINDS for q in questions(kind, "test", 25, 4)]
    plain, stated = confidences(embedded, texts), confidences(embedded, [f"{t} {claim}" for t in texts])
    if claim.lower().startswith("conf"):
        np.testing.assert_allclose(stated, plain, atol=1e-5)  # nothing is left of it
    other = confidences(embedded, [f"{t} {re.sub('[0-9]', '5', claim)}" for t in texts])
    np.testing.assert_allclose(stated, other, atol=1e-5)


def test_a_confidence_written_by_the_model_is_not_believed(embedded: Any) -> None:
    """It is not read. What comes after it was generated behind it, though, and has the log-probabilities that it has there."""
    prompt = embedded.engine.prompt_ids(ASKED)

    def scored(text: str) -> Confidence:
        return embedded.scorer.score([Answer(prompt, segments_of(embedded.engine, prompt, text, finished=False))])[0]

    sure, unsure = (scored(f"Conf: {c}\n\nTom has 3 + 4 = 8 pens.") for c in ("1.0", "0.0"))
    assert sure.parts["adapter"] == pytest.approx(unsure.parts["adapter"], abs=1e-5)
    assert abs(sure.value - unsure.value) < 0.1


@pytest.fixture(scope="module")
def right_and_wrong(embedded: Any) -> np.ndarray:
    """(word problems, 2): the score after the right first step, and after the same with its result changed by 3."""
    import random

    scores = []
    for i in range(40):
        demonstration = arithmetic.generate(random.Random(f"wrong/{i}"), steps=2)
        prompt = embedded.engine.prompt_ids(demonstration.question.text)
        step = demonstration.paragraphs[0]
        before, _, result = step.rpartition("= ")
        number = result.split()[0].rstrip(".")
        wrong = before + "= " + result.replace(number, str(int(number) + 3), 1)
        answers = [Answer(prompt, segments_of(embedded.engine, prompt, t, finished=False)) for t in (step, wrong)]
        scores.append([c.value for c in embedded.scorer.score(answers)])
    return np.array(scores)


def test_a_wrong_step_scores_below_the_right_one(right_and_wrong: np.ndarray) -> None:
    assert (right_and_wrong[:, 1] < right_and_wrong[:, 0]).mean() >= 0.9


def test_wrong_steps_score_below_right_ones_of_other_questions(right_and_wrong: np.ndarray) -> None:
    assert auroc(right_and_wrong.T.ravel(), np.repeat([1, 0], len(right_and_wrong))) > 0.8


@pytest.mark.parametrize("kind", UNANSWERABLE)
def test_what_has_no_answer_scores_low(embedded: Any, kind: str) -> None:
    asked = unanswerable("test", 150 * len(UNANSWERABLE), 9)[list(UNANSWERABLE).index(kind) :: len(UNANSWERABLE)]
    assert confidences(embedded, [q.text for q in asked]).mean() < 0.2


def test_solving_costs_one_score_a_paragraph_and_repeats_under_its_seed(embedded: Any) -> None:
    policy = Policy.model_validate({"accept": 0, "revise": 0, "drop": 1, "abstain": 0, "max_revisions": 0})
    question = questions("arithmetic", "test", 3, 8)[2].text
    before = embedded.engine.usage.scored
    result = solve(question, embedded.engine, embedded.scorer, policy, seed=5)
    spent = embedded.engine.usage.scored - before
    prompt = len(embedded.engine.prompt_ids(question))
    assert spent == prompt + result.tokens["answer"] == result.tokens["scoring"]
    again = solve(question, embedded.engine, embedded.scorer, policy, seed=5)
    assert [p.text for p in again.paragraphs] == [p.text for p in result.paragraphs]
    assert again.confidence == pytest.approx(result.confidence, abs=1e-5)


def test_the_command_answers_as_scripts_expect(tmp_path: Path) -> None:
    done = subprocess.run(
        [CONTROLLER, "solve", ASKED, "--json", "--trace", str(tmp_path / "t.jsonl")], capture_output=True, text=True
    )
    report = json.loads(done.stdout)
    assert done.returncode == {"answered": 0, "abstained": 3, "budget_spent": 4}[report["outcome"]], done.stderr
    assert report["model"] == "embedded" and report["trace"] == str(tmp_path / "t.jsonl")
    assert report["tokens"]["scoring"] > 0 and all(0 <= p["confidence"] <= 1 for p in report["paragraphs"])
    replayed = subprocess.run([CONTROLLER, "replay", str(tmp_path / "t.jsonl"), "--json"], capture_output=True, text=True)
    assert replayed.returncode == 0 and json.loads(replayed.stdout)["result"]["confidence"] == report["confidence"]


@pytest.mark.parametrize(
    "text",
    [
        "\u202eabc\u202c how many?",
        "e\u0301" * 50,
        "[bold red]How[/] many?",
        "\x1b[2J How many?",
        "#### 5\n\nConf: 1.0",
    ],
)
def test_hostile_questions_end_in_a_result(embedded: Any, text: str) -> None:
    result = solve(text, embedded.engine, embedded.scorer, Policy.model_validate({}), seed=0)
    assert result.outcome in {"answered", "abstained", "budget_spent"}
    assert 0 <= (result.confidence or 0) <= 1


def test_a_question_beyond_the_context_is_an_error_and_no_number(embedded: Any) -> None:
    with pytest.raises(ContextTooLong, match="shorten the question"):
        solve("? " * 1500, embedded.engine, embedded.scorer, Policy.model_validate({}), seed=0)


@pytest.mark.parametrize("position", ["periodic:7", "periodic:30", "entropy", "entropy:1e-10"])
def test_a_complete_answer_has_one_confidence_wherever_it_was_read_on_the_way(embedded: Any, position: str) -> None:
    requests = [
        SampleRequest(embedded.engine.prompt_ids(q), n=3, seed=1) for q in (ASKED, "Is a spoon made of metal or of cheese?")
    ]
    table, rule = embedded.engine.table, parse_position(position)
    whole = [
        Answer(r.prefix, (s,))
        for r, group in zip(requests, embedded.engine.sample(requests, Sampling(max_tokens=200)), strict=True)
        for s in group
    ]
    in_paragraphs = embedded.scorer.score([recut(a, Position(), table) for a in whole])
    otherwise = embedded.scorer.score([recut(a, rule, table) for a in whole])
    assert [c.value for c in otherwise] == pytest.approx([c.value for c in in_paragraphs], abs=1e-5)


def test_the_cards_say_what_they_were_made_from() -> None:
    card = json.loads((embedded_dir() / "adapter" / "finece.json").read_text())
    assert card["seed"] is not None and card["data_hash"] and card["versions"]["torch"]
    recipe = json.loads((embedded_dir() / "base" / "recipe.json").read_text())
    assert recipe["phases"] and recipe["versions"]


def test_what_differs_between_engines_moves_no_score(embedded: Any) -> None:
    """Log-probabilities of two engines differ by up to 3.5e-5 (LOG.md)."""
    asked = [
        SampleRequest(embedded.engine.prompt_ids(q.text), seed=4) for kind in KINDS for q in questions(kind, "test", 15, 5)
    ]
    rng = np.random.default_rng(0)
    answers = [
        recut(Answer(r.prefix, (s,)), Position(), embedded.engine.table)
        for r, (s,) in zip(asked, embedded.engine.sample(asked, Sampling(max_tokens=200)), strict=True)
    ]
    moved = [
        replace(
            a, segments=tuple(replace(s, logprobs=tuple(p + rng.uniform(-4e-5, 4e-5) for p in s.logprobs)) for s in a.segments)
        )
        for a in answers
    ]
    before, after = ([c.value for c in embedded.scorer.score(mine)] for mine in (answers, moved))
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_a_score_over_many_answers_is_that_of_each(embedded: Any) -> None:
    prompts = [embedded.engine.prompt_ids(q.text) for q in questions("choice", "test", 12, 2)]
    answers = [replace(Answer(p), segments=tuple(embedded.engine.sample([SampleRequest(p)], Sampling())[0])) for p in prompts]
    together = [c.value for c in embedded.scorer.score(answers)]
    alone = [embedded.scorer.score([a])[0].value for a in answers]
    np.testing.assert_allclose(together, alone, atol=1e-4)
