"""The small engine behind the pattern tables: it parses patterns, draws values, and renders question and solution.

A pattern table is a text of blocks. A block is a header line, one or more phrasings of the question, and the
solution steps::

    = a=N b=<a ; x=small c,d=color
    {A} has {a x}. {he} gives {b} of them to {B}. How many {x} does {A} have left?
    {A} had {a x} and [gave|handed] {b} to {B}. How many {x} are left?
    > r=a-b | {A} has {eq x} left. | That leaves {eq x}.

Header, before ``;``: numbers drawn in order. A number is a named range of ``RANGES``, ``lo..hi`` (expressions allowed),
``<a`` (a part of ``a``) or ``=expression``; ``?expression`` is a condition to hold (values are drawn again until it
does). After ``;``: nouns and words, ``x=theme`` or ``c,d=theme`` for distinct ones of the same list. A line that starts
with four blanks continues the line before it.

Slots: ``{a}`` a number; ``{a x}``, ``{a more x}``, ``{a minute}`` a number with a noun in agreement; ``{$a}`` money;
``{k.times}`` 'twice', '3 times'; ``{k.part}`` 'half', 'a third'; ``{x}`` plural, ``{x.one}``, ``{x.a}``; ``{A}``,
``{A's}``, ``{B.him}`` people (a bare ``{he}``, ``{his}``, ``{him}`` is A's); ``{@place}`` a phrase of a word list;
``{eq}``, ``{eq x}`` the step's equation; ``[this|that]`` a choice. A slot that was not declared raises ``PatternError``
when the table is parsed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType

from training.tasks.arithmetic import language
from training.tasks.arithmetic.templates import (
    Names,
    PatternError,
    Render,
    Scene,
    compile_text,
)
from training.tasks.arithmetic.words import NOUNS, WORD_LISTS

CONTINUED = "\n    "
"""A line of a table that starts with four blanks goes on the line before it."""

NounDraws = tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...]
"""The declared nouns: the slots of each declaration and the pool they are drawn from."""


def _amount(rng: random.Random) -> int:
    roll = rng.random()
    if roll < 0.35:
        return 3 + int(rng.random() * 18)
    if roll < 0.86:
        return 10 + int(rng.random() * 91)
    return 100 + int(rng.random() * (900 if roll < 0.97 else 3000))


def _factor(rng: random.Random) -> int:
    roll = rng.random()
    if roll < 0.88:
        return 2 + int(rng.random() * 11)
    return 11 + int(rng.random() * (20 if roll < 0.97 else 80))


def _below(rng: random.Random, limit: int) -> int:
    if limit <= 3:
        return max(1, limit - 1)
    return 2 + int(rng.random() * (limit - 3))


RANGES: dict[str, Callable[[random.Random], int]] = {
    "N": _amount,
    "F": _factor,
    "M": lambda rng: 4 + int(rng.random() * 57),
    "S": lambda rng: 2 + int(rng.random() * 11),
    "D": lambda rng: 2 + int(rng.random() * 8),
    "L": lambda rng: 20 + int(rng.random() * 180),
    "K": lambda rng: (2, 2, 3, 3, 4, 5, 6, 10)[int(rng.random() * 8)],
    "P": lambda rng: (2, 2, 3, 4, 5)[int(rng.random() * 5)],
}

Draw = Callable[[random.Random, dict[str, int]], int | None]


def _evaluate(code: CodeType, numbers: dict[str, int]) -> int:
    return eval(code, {"__builtins__": {}}, numbers)


def _draw(spec: str) -> tuple[str, Draw]:
    """The name and the drawing function of one item of a header; a condition draws None when it fails."""
    if spec[0] == "?":
        check = compile(spec[1:], spec, "eval")
        return "", lambda rng, numbers: 1 if _evaluate(check, numbers) else None
    name, _, value = spec.partition("=")
    if value in RANGES:
        named = RANGES[value]
        return name, lambda rng, numbers: named(rng)
    if value[:1] == "<":
        limit = compile(value[1:], spec, "eval")
        return name, lambda rng, numbers: _below(rng, _evaluate(limit, numbers))
    if ".." in value:
        low, high = (compile(part, spec, "eval") for part in value.split(".."))

        def between(rng: random.Random, numbers: dict[str, int]) -> int | None:
            first, last = _evaluate(low, numbers), _evaluate(high, numbers)
            return first + int(rng.random() * (last - first + 1)) if last >= first else None

        return name, between
    if not value.startswith("="):
        raise PatternError(f"bad number {spec!r}")
    exact = compile(value[1:], spec, "eval")
    return name, lambda rng, numbers: _evaluate(exact, numbers)


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a plan: ``result = left op right`` and the sentences that may tell it."""

    result: str
    left: str | int
    op: str
    right: str | int
    sentences: tuple[Render, ...]

    def tell(self, scene: Scene) -> str | None:
        """Compute, and say it; None when the result is not a nonnegative integer."""
        numbers = scene.numbers
        left = self.left if isinstance(self.left, int) else numbers[self.left]
        right = self.right if isinstance(self.right, int) else numbers[self.right]
        if self.op == "/" and (right == 0 or left % right):
            return None
        value = _OPERATIONS[self.op](left, right)
        if value < 0:
            return None
        numbers[self.result] = scene.result = value
        scene.equation = f"{left} {self.op} {right} = {value}"
        sentence = self.sentences[int(scene.rng.random() * len(self.sentences))](scene)
        return " ".join(language.polish(sentence, second_person=scene.second_person))


_STEP = re.compile(r"^(\w+)=(\w+)([-+*/])(\w+)$")


def parse_step(line: str, names: Names) -> Step:
    """A step from ``r=a-b | sentence | sentence``."""
    head, *texts = re.split(r"\s+\|\s+", line)
    if not (match := _STEP.match(head.strip())) or not texts:
        raise PatternError(f"bad step {line!r}")
    operands = [int(part) if part.isdigit() else part for part in (match[2], match[4])]
    for part in operands:
        if isinstance(part, str) and part not in names.numbers:
            raise PatternError(f"unknown number {part} in {line!r}")
    if not all("{eq" in text for text in texts):
        raise PatternError(f"a sentence without its equation: {line!r}")
    return Step(match[1], operands[0], match[3], operands[1], tuple(compile_text(text, names) for text in texts))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed block: what to draw, the phrasings of the question and the plan."""

    draws: tuple[tuple[str, Draw], ...]
    nouns: NounDraws
    phrasings: tuple[tuple[Render, bool], ...]
    plan: tuple[Step, ...]

    @property
    def steps(self) -> int:
        return len(self.plan)

    def tell(self, rng: random.Random) -> tuple[Scene, list[str], list[str]]:
        """The scene, the sentences of the question, and the solution steps of one drawn problem."""
        phrasing, solo = self.phrasings[int(rng.random() * len(self.phrasings))]
        for _ in range(200):
            scene = Scene(rng, speaker=solo, solo=solo)
            if not self._draw(scene):
                continue
            draw_nouns(scene, self.nouns)
            question = language.polish(phrasing(scene), second_person=scene.second_person)
            scene.start_solution()
            told = [step.tell(scene) for step in self.plan]
            solution = [line for line in told if line is not None]
            if len(solution) == len(told):
                return scene, question, solution
        raise PatternError("no values fit the pattern")

    def _draw(self, scene: Scene) -> bool:
        for name, draw in self.draws:
            if (value := draw(scene.rng, scene.numbers)) is None:
                return False
            if name:
                scene.numbers[name] = value
        return True


def draw_nouns(scene: Scene, declared: NounDraws) -> None:
    """Draw the declared nouns; those of one declaration are distinct."""
    for keys, pool in declared:
        taken: list[tuple[str, str]] = []
        for key in keys:
            while (noun := pool[int(scene.rng.random() * len(pool))]) in taken:
                pass
            taken.append(noun)
            scene.nouns[key] = noun


def parse_nouns(text: str) -> NounDraws:
    """Noun declarations from ``x=fruit c,d=color``; a word list serves as nouns without a plural."""
    declared = []
    for item in text.split():
        keys, _, theme = item.partition("=")
        pool: list[tuple[str, str]] = []
        for part in theme.split("+"):
            if part not in NOUNS and part not in WORD_LISTS:
                raise PatternError(f"unknown theme {part!r}")
            pool += NOUNS[part] if part in NOUNS else [(word, word) for word in WORD_LISTS[part]]
        declared.append((tuple(keys.split(",")), tuple(dict.fromkeys(pool))))
    return tuple(declared)


_REPEATED = re.compile(r"\{B|\{C|\{D|\{A\} and|and \{A\}|to \{A\}|\{him\}self")


def _is_solo(text: str) -> bool:
    """Whether the lead may be 'you', 'I' or 'a farmer' in this phrasing: it names the lead as a subject only."""
    return not _REPEATED.search(text)


def parse_patterns(table: str) -> tuple[Pattern, ...]:
    """All the blocks of a pattern table."""
    blocks = re.split(r"^= ?", table.strip(), flags=re.MULTILINE)[1:]
    return tuple(_parse_block(block) for block in blocks)


def _parse_block(block: str) -> Pattern:
    header, *lines = [line.strip() for line in block.strip().replace(CONTINUED, " ").splitlines()]
    before, _, after = header.partition(";")
    draws = tuple(_draw(item) for item in before.split())
    nouns = parse_nouns(after)
    step_lines = [line[1:].strip() for line in lines if line.startswith(">")]
    texts = [line for line in lines if not line.startswith(">")]
    results = [line.split("=")[0] for line in step_lines]
    numbers = frozenset([name for name, _ in draws if name] + results)
    names = Names(numbers, frozenset(key for keys, _ in nouns for key in keys))
    if not texts or not step_lines:
        raise PatternError(f"a block without question or steps: {header!r}")
    phrasings = tuple((compile_text(text, names), _is_solo(text)) for text in texts)
    return Pattern(draws, nouns, phrasings, tuple(parse_step(line, names) for line in step_lines))
