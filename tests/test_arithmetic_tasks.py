"""Properties of the generated arithmetic problems."""

from __future__ import annotations

import random
import re
import time
from functools import cache

import pytest

from estimator.types import Demonstration, Grader
from training.tasks.arithmetic import MOST_STEPS, PATTERNS, generate
from training.tasks.arithmetic.engine import parse_patterns
from training.tasks.arithmetic.language import number_word
from training.tasks.arithmetic.templates import Names, PatternError, compile_text
from training.tasks.arithmetic.words import (
    MEN,
    NOUNS,
    SURNAMES,
    WOMEN,
    WORD_LISTS,
    plural,
)

EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
NUMBER_WORDS = {number_word(number): number for number in range(100)}
CONSTANTS = {
    "dozen": 12,
    "week": 7,
    "hour": 60,
    "minute": 60,
    "cent": 100,
    "twice": 2,
    "half": 2,
    "double": 2,
    "two sides": 2,
    "two long sides": 2,
    "third": 3,
    "three games": 3,
    "three boxes": 3,
    "three days": 3,
    "average": 2,
    "quarter": 4,
    "25%": 4,
    "fifth": 5,
    "20%": 5,
    "tenth": 10,
    "10%": 10,
    "50%": 2,
}
OPERATIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}


@cache
def problems() -> tuple[Demonstration, ...]:
    rng = random.Random(5)
    return tuple(generate(rng) for _ in range(2000))


def equation(paragraph: str) -> tuple[int, str, int, int]:
    found = EQUATION.findall(paragraph)
    assert len(found) == 1, paragraph
    left, op, right, result = found[0]
    return int(left), op, int(right), int(result)


def told_numbers(text: str) -> set[int]:
    """The numbers that a question states, in digits, in words or by a known constant."""
    plain = text.lower().replace(",", "")
    numbers = {int(digits) for digits in re.findall(r"\d+", plain)}
    numbers |= {NUMBER_WORDS[word] for word in re.findall(r"[a-z]+(?:-[a-z]+)?", plain) if word in NUMBER_WORDS}
    return numbers | {value for word, value in CONSTANTS.items() if word in plain}


def test_the_same_seed_gives_the_same_problems():
    assert [generate(random.Random(7)) for _ in range(3)] == [generate(random.Random(7))] * 3
    first, second = random.Random(1), random.Random(1)
    assert [generate(first) for _ in range(50)] == [generate(second) for _ in range(50)]


def test_records_are_complete():
    for problem in problems():
        question = problem.question
        assert question.kind == "arithmetic"
        assert question.grader is Grader.NUMBER
        assert question.id == ""
        assert problem.paragraphs[-1] == f"#### {question.answers[0]}"
        assert question.steps == len(problem.paragraphs) - 1


def test_equations_are_true_and_end_in_the_answer():
    for problem in problems():
        result = None
        for paragraph in problem.paragraphs[:-1]:
            left, op, right, result = equation(paragraph)
            assert op != "/" or left % right == 0, paragraph
            assert OPERATIONS[op](left, right) == result, paragraph
            assert result >= 0
        assert problem.question.answers == (str(result),)


def test_every_operand_is_told_or_computed_before():
    for problem in problems():
        known = told_numbers(problem.question.text)
        for paragraph in problem.paragraphs[:-1]:
            left, _, right, result = equation(paragraph)
            assert {left, right} <= known, (problem, known)
            known.add(result)


def test_texts_are_clean():
    for problem in problems():
        text = problem.question.text
        for piece in (text, *problem.paragraphs):
            assert not re.search(r"[{}\[\]|<>@_]|  | [.,?]|\.\.|\bNone\b", piece), piece
        assert text[-1] in "?."
        assert "?" in text
        assert not text[0].islower(), text
        assert not re.search(r"\b([Yy]ou|I) (has|was born|is|does|gives|buys)\b|\b[Dd]oes (you|I)\b", text), text
        assert not re.search(r"\b1 (more )?[a-z]+s (are|were|left)\b", text), text
        assert all(len(piece.split()) <= 22 for piece in problem.paragraphs), problem.paragraphs


def test_names_and_pronouns_agree():
    """A problem with one first name uses only that person's pronouns."""
    men, women = set(MEN), set(WOMEN) - set(MEN)
    kin = set(WORD_LISTS["kin"]) - {"best friend"}
    for problem in problems():
        words = set(re.findall(r"[A-Za-z]+", problem.question.text))
        if words & kin or words & {"boy", "girl", "man", "woman", "Mr", "Mrs", "Ms"}:
            continue
        lower = {word.lower() for word in words}
        if words & men and not words & women:
            assert "she" not in lower, problem.question.text
        if words & women and not words & men:
            assert "he" not in lower, problem.question.text


def test_the_words_are_many():
    assert not set(MEN) & set(WOMEN)
    assert len(MEN) + len(WOMEN) >= 250
    assert len({noun for pool in NOUNS.values() for noun in pool}) >= 350
    assert (plural("baby"), plural("box"), plural("bag of chips")) == ("babies", "boxes", "bags of chips")
    assert all(one and many for pool in NOUNS.values() for one, many in pool)


def test_every_pattern_can_be_drawn():
    rng = random.Random(3)
    for pattern in PATTERNS:
        for _ in range(5):
            _, sentences, solution = pattern.tell(rng)
            assert sentences
            assert len(solution) == pattern.steps


def skeleton(text: str) -> str:
    """The question without its numbers, names and nouns."""
    forms = {form for pool in NOUNS.values() for noun in pool for form in noun if " " not in form}
    people = {*MEN, *WOMEN, *SURNAMES}
    words: list[str] = re.findall(r"[A-Za-z]+|\d+|[^\sA-Za-z\d]", text)
    kinds: dict[str, str] = {word: "P" if word in people else "X" for word in (*forms, *people)}
    masked: list[str] = []
    for word in words:
        masked.append("N" if word.isdigit() or word.lower() in NUMBER_WORDS else kinds.get(word) or word)
    return " ".join(masked)


def test_questions_vary():
    rng = random.Random(11)
    texts = {skeleton(generate(rng).question.text) for _ in range(3000)}
    assert len(texts) >= 1200
    assert sum(len(pattern.phrasings) for pattern in PATTERNS) >= 400


def test_the_number_of_steps_can_be_chosen():
    rng = random.Random(2)
    for steps in range(1, MOST_STEPS + 1):
        assert {generate(rng, steps=steps).question.steps for _ in range(40)} == {steps}
    drawn = [problem.question.steps for problem in problems()]
    assert 0.27 < drawn.count(1) / len(drawn) < 0.37
    assert 0.03 < drawn.count(6) / len(drawn) < 0.09
    with pytest.raises(ValueError, match="steps"):
        generate(rng, steps=7)


@pytest.mark.parametrize("text", ["{nobody}", "{@nowhere}", "[open", "stray]", "{a", "{b x}", "{x.many}"])
def test_a_bad_slot_raises(text: str):
    with pytest.raises(PatternError):
        compile_text(text, Names(frozenset("a"), frozenset("x")))


def test_a_bad_block_raises():
    with pytest.raises(PatternError):
        parse_patterns("= a=N\n{A} has {a} things. How many?\n> r=a+b | {eq}")
    with pytest.raises(PatternError):
        parse_patterns("= a=N b=N\n{A} has {a} things. How many?\n> r=a+b | no equation")


def test_it_is_fast():
    rng = random.Random(1)
    start = time.process_time()
    for _ in range(2000):
        generate(rng)
    assert time.process_time() - start < 1.0
