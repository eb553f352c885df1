"""Published layouts are recognised by the fields of a row, whatever the file is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from estimator.answers import is_correct
from estimator.types import Grader
from training.datasets import LETTERS, DatasetError, question_of, read_questions

STEM, OPTIONS = "Where do you put a coat?", ["sea", "closet", "moon"]
LABELLED = [{"label": a, "text": b} for a, b in zip("ABC", OPTIONS, strict=True)]


@pytest.mark.parametrize(
    ("name", "count", "kind", "grader"),
    [
        ("gsm8k_train_1500", 1500, "gsm8k", Grader.NUMBER),
        ("gsm8k_test", 1319, "gsm8k", Grader.NUMBER),
        ("gsm_hard", 1319, "word problem", Grader.NUMBER),
        ("multiarith", 600, "word problem", Grader.NUMBER),
        ("singleop", 562, "word problem", Grader.NUMBER),
        ("aime24", 30, "competition", Grader.NUMBER),
        ("mmlu_stem_1500", 1500, "mmlu", Grader.CHOICE),
        ("openbookqa", 500, "openbook", Grader.CHOICE),
        ("triviaqa_sm_1500", 1500, "trivia", Grader.ALIAS),
    ],
)
def test_real_files_are_read_whole_under_any_name(
    data: Path, tmp_path: Path, name: str, count: int, kind: str, grader: Grader
) -> None:
    renamed = tmp_path / "questions.txt"
    renamed.write_bytes((data / f"{name}.jsonl").read_bytes())
    found = read_questions(renamed)
    assert len(found) == count and {q.kind for q in found} == {kind} and {q.grader for q in found} == {grader}
    assert len({q.id for q in found}) == count
    for question in found:
        assert question.text.strip() and all(
            is_correct(question, f"#### {answer}") for answer in question.answers if "\n" not in answer
        )
        assert not is_correct(question, "#### none of these, 123454321")


BY_LETTER = ("#### {letter}", "Answer: ({letter})", "The answer is {letter} because it fits.", "The answer is **{letter}**.")
BY_LETTER += ("#### {letter}. {option}", "#### {letter}: {option}", "{options}\nThe answer is {letter}, because it fits.")
BY_TEXT = ("#### {option}", "Answer: {option}", "{options}\nThe answer is {option}.", "#### {letter} {option}")
BY_TEXT += ("#### {letter}, {option}", "The answer is {letter} - {option}.", "Answer: {option} ({letter})")


@pytest.mark.parametrize("name", ["mmlu_stem_1500", "openbookqa"])
def test_a_real_choice_accepts_the_right_option_and_no_other_however_it_is_named(data: Path, name: str) -> None:
    for line in (data / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        row = json.loads(line)
        question, gold = question_of(row), row["gold" if "gold" in row else "answer"]
        options = "\n".join(f"{letter}: {option}" for letter, option in zip(LETTERS, row["choices"], strict=False))
        for i, option in enumerate(row["choices"]):
            by_letter, by_text = (
                [is_correct(question, form.format(letter=LETTERS[i], option=option, options=options)) for form in forms]
                for forms in (BY_LETTER, BY_TEXT)
            )
            assert by_letter == [i == gold] * len(BY_LETTER), (question, option)
            if i == gold:
                assert by_text[0] or len(question.answers) == 1 or "\n" in option, question
            elif option != LETTERS[gold]:  # the text "C" of another option can only be read as the right letter C
                assert not any(by_text), (question, option)


def test_few_real_choices_accept_their_letter_alone(data: Path) -> None:
    alone = {n: sum(len(q.answers) == 1 for q in read_questions(data / f"{n}.jsonl")) for n in ("mmlu_stem_1500", "openbookqa")}
    assert alone == {"mmlu_stem_1500": 31, "openbookqa": 0}


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        (["0", "1", "-1", "12"], ("C",)),
        (["BB BB", "BB Bb", "Bb Bb", "Bb bb"], ("C",)),
        (["Error", "a", "c", "b"], ("C",)),
        (["x", "y", "C", "D"], ("C",)),
        (["1", "2", "the", "4"], ("C",)),
        (["1", "2", "3", "4"], ("C", "3")),
        (["A", "E", "I", "O"], ("C", "I")),
    ],
)
def test_a_text_that_could_mean_another_option_is_no_reference(options: list[str], answers: tuple[str, ...]) -> None:
    assert question_of({"question": "q", "choices": options, "answer": 2}).answers == answers


def test_nq_open_is_graded_by_what_its_answers_are(data: Path) -> None:
    found = read_questions(data / "nq_open_dev_1500.jsonl")
    assert len(found) == 1498 and {q.grader for q in found} == {Grader.ALIAS, Grader.NUMBER}
    assert all(is_correct(q, f"#### {answer}") for q in found for answer in q.answers)


@pytest.mark.parametrize(
    "row",
    [
        {"answerKey": "B", "id": "c", "question": {"question_concept": "coat", "stem": STEM, "choices": LABELLED}},
        {"id": "c", "question": STEM, "question_concept": "coat", "answerKey": "B"}
        | {"choices": {"label": ["A", "B", "C"], "text": OPTIONS}},
    ],
)
def test_commonsenseqa_in_both_published_forms(row: dict[str, Any]) -> None:
    question = question_of(row)
    assert question.text == "Where do you put a coat?\nA. sea\nB. closet\nC. moon"
    assert (question.answers, question.kind, question.id) == (("B", "closet"), "commonsense", "c")
    for right in (
        "B",
        "(b)",
        "closet",
        "B. closet",
        "The closet",
        "closet (B)",
        "B closet",
        "B, closet",
        "B because it is dry",
    ):
        assert is_correct(question, f"#### {right}")
    for wrong in ("A", "sea", "A. closet", "closets and more", "I do not know"):
        assert not is_correct(question, f"#### {wrong}")


@pytest.mark.parametrize(
    ("row", "text", "answers"),
    [
        ({"input": "q", "target": 14.0}, "q", ("14",)),
        ({"input": "q", "target": -9867630.0}, "q", ("-9867630",)),
        ({"problem": "p", "question": "q", "answer": "025", "solution": "s"}, "p", ("025",)),
        ({"question": "q", "answer": "1 + 1 = 2\n#### 1,002"}, "q", ("1,002",)),
        (
            {"context": "Question: q?\nAnswer:", "answer": "Nile", "aliases": ["Nile", "The Nile", "?!"]},
            "q?",
            ("Nile", "The Nile"),
        ),
        ({"query": "q", "choices": ["x", "+"], "gold": 1}, "q\nA. x\nB. +", ("B",)),
        ({"question": "q", "choices": ["x", "y"], "answer": 0, "type": "t"}, "q\nA. x\nB. y", ("A", "x")),
        ({"question": "q", "answer": ["a b", "c"]}, "q", ("a b", "c")),
        ({"question": "q", "answer": 0.5}, "q", ("0.5",)),
    ],
)
def test_rows_of_each_layout(row: dict[str, Any], text: str, answers: tuple[str, ...]) -> None:
    assert (question_of(row, "n").text, question_of(row, "n").answers, question_of(row, "n").id) == (text, answers, "n")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([], "an object"),
        ({}, "question"),
        ({"question": "q", "choices": ["x", "y"], "answer": 2}, "index from 0 to 1"),
        ({"question": "q", "choices": ["x"], "answer": 0}, "2 to"),
        ({"query": "q", "choices": ["x", 3], "gold": 0}, "texts"),
        ({"question": STEM, "answerKey": "D", "choices": LABELLED}, "none of the choices"),
        ({"question": STEM, "answerKey": "A", "choices": OPTIONS}, "label and text"),
        ({"input": "q", "target": None}, "a text or a number"),
        ({"input": 3, "target": 3}, "with a text"),
        ({"question": "q", "answer": "x #### many"}, "cannot be graded as number"),
        ({"question": "q", "answer": ["?", "--"]}, "cannot be graded as alias"),
    ],
)
def test_a_row_that_cannot_be_read_says_why(row: Any, why: str) -> None:
    with pytest.raises(DatasetError, match=why):
        question_of(row)


def test_the_place_of_a_bad_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "q", "answer": 1}) + "\n\n{}\n")
    with pytest.raises(DatasetError, match="question 2"):
        read_questions(path)


def test_a_byte_order_mark_and_a_line_separator_inside_a_text_are_read(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "a\u2028b", "answer": 1}, ensure_ascii=False) + "\n", encoding="utf-8-sig")
    assert [q.text for q in read_questions(path)] == ["a\u2028b"]


def test_a_reference_of_thousands_of_digits_breaks_nothing() -> None:
    assert question_of({"question": "q", "answer": "1" * 5000}).grader is Grader.ALIAS
    with pytest.raises(DatasetError, match="cannot be graded as number"):
        question_of({"question": "q", "answer": "#### " + "1" * 5000})
