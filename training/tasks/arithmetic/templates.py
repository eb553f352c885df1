"""Template texts: the scene of a problem, and the compiler from a text to its renderer (slots: see ``engine``)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from training.tasks.arithmetic import language
from training.tasks.arithmetic.language import Person
from training.tasks.arithmetic.words import WORD_LISTS, plural

MONEY = ("dollar", "dollars")
_NOT_NOUNS = frozenset(("more", "new"))


class PatternError(ValueError):
    """A pattern that is malformed or uses a slot it does not declare."""


class Scene:
    """The values drawn for one problem: numbers, nouns, words and people, and how they are to be written."""

    def __init__(self, rng: random.Random, *, speaker: bool = False, solo: bool = False) -> None:
        self.rng = rng
        self.numbers: dict[str, int] = {}
        self.nouns: dict[str, tuple[str, str]] = {}
        self.people: dict[str, Person] = {}
        self.equation = ""
        self.result = 0
        self.in_solution = False
        self._picks: dict[str, int] = {}
        self._taken: set[str] = set()
        self._named: set[str] = set()
        self._speaker = speaker
        self._solo = solo
        roll = rng.random()
        self.word_share = 0.8 if roll < 0.1 else 0.12 if roll < 0.4 else 0.0
        self.signs = rng.random() < 0.6

    def person(self, key: str) -> Person:
        """The person of a slot letter, drawn at first use; A is the lead."""
        if (found := self.people.get(key)) is None:
            if key == "A":
                found = (
                    language.draw_lead(self.rng, self._taken, speaker=self._speaker)
                    if self._solo
                    else language.draw_name(self.rng, self._taken)
                )
            else:
                lead = self.person("A")
                related = "A" in self._named
                found = language.draw_other(self.rng, self._taken, lead if related else None)
            self.people[key] = found
        return found

    def name(self, key: str) -> str:
        """The person's name: 'a farmer' at first, 'the farmer' after."""
        found = self.person(key)
        if key in self._named:
            return found.later
        self._named.add(key)
        return found.first

    def own(self, key: str) -> str:
        """The possessive of the person's name."""
        self._named.add(key)
        return self.person(key).own

    def pick(self, choice: str, count: int) -> int:
        """Which option of a bracketed choice to take; a choice written twice in a problem takes the same option."""
        if (index := self._picks.get(choice)) is None:
            index = self._picks[choice] = int(self.rng.random() * count)
        return index

    @property
    def second_person(self) -> bool:
        """Whether the lead is 'you' or 'I', so that verbs have to agree."""
        lead = self.people.get("A")
        return lead is language.YOU or lead is language.SPEAKER

    def start_solution(self) -> None:
        """From here on plain digits are written, and 'I' is answered as 'you'."""
        self.in_solution = True
        if self.people.get("A") is language.SPEAKER:
            self.people["A"] = language.YOU
        for key, person in self.people.items():
            if person.first.startswith("my "):
                name = "your " + person.first[3:]
                self.people[key] = Person(name, name, person.he, person.his, person.him, name + "'s")

    def number(self, value: int, *, counted: bool = False) -> str:
        """The number as written in the text: digits, and in some problems words."""
        if not self.in_solution:
            if value <= 20 and self.word_share and self.rng.random() < self.word_share:
                return "a dozen" if counted and value == 12 else language.number_word(value)
            if value > 999 and self.rng.random() < 0.3:
                return f"{value:,}"
        return str(value)

    def money(self, value: int) -> str:
        """An amount of dollars."""
        if self.in_solution or self.signs:
            return f"${value}"
        return f"{self.number(value)} {MONEY[value != 1]}"


Render = Callable[[Scene], str]


@dataclass(frozen=True, slots=True)
class Names:
    """What a pattern declares; slots are checked against it."""

    numbers: frozenset[str]
    nouns: frozenset[str]


def _number_slot(key: str, tail: str, names: Names) -> Render:
    if not tail:
        return lambda s: s.number(s.numbers[key])
    middle, _, noun = tail.rpartition(" ")
    middle = f" {middle} " if middle else " "
    if noun in names.nouns:
        return lambda s: f"{s.number(n := s.numbers[key], counted=True)}{middle}{s.nouns[noun][n != 1]}"
    if noun in _NOT_NOUNS:
        return lambda s: f"{s.number(s.numbers[key])}{middle}{noun}"
    forms = (noun, plural(noun))
    return lambda s: f"{s.number(n := s.numbers[key], counted=True)}{middle}{forms[n != 1]}"


def _times(scene: Scene, key: str) -> str:
    value = scene.numbers[key]
    return "twice" if value == 2 else f"{scene.number(value)} times"


def _part(scene: Scene, key: str) -> str:
    value = scene.numbers[key]
    return {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 10: "a tenth"}.get(value, f"one {value}th")


def _equation_slot(tail: str, names: Names) -> Render:
    if not tail:
        return lambda s: s.equation
    if tail in names.nouns:
        return lambda s: f"{s.equation} {s.nouns[tail][s.result != 1]}"
    forms = MONEY if tail == "$" else (tail, plural(tail))
    return lambda s: f"{s.equation} {forms[s.result != 1]}"


def _dotted_slot(key: str, form: str, names: Names) -> Render:
    if key in names.numbers and form in ("times", "part"):
        write = _times if form == "times" else _part
        return lambda s: write(s, key)
    if key in names.nouns and form == "one":
        return lambda s: s.nouns[key][0]
    if key in names.nouns and form == "a":
        return lambda s: f"{language.article(s.nouns[key][0])} {s.nouns[key][0]}"
    if len(key) == 1 and key.isupper() and form in ("he", "his", "him"):
        return lambda s: getattr(s.person(key), form)
    raise PatternError(f"unknown slot {{{key}.{form}}}")


def _word_slot(list_name: str, names: Names) -> Render:
    if list_name not in WORD_LISTS:
        raise PatternError(f"unknown word list {list_name}")
    entries = [compile_text(entry, names) for entry in WORD_LISTS[list_name]]
    return lambda s: entries[int(s.rng.random() * len(entries))](s)


def _slot(body: str, names: Names) -> Render:
    head, _, tail = body.partition(" ")
    if head == "eq":
        return _equation_slot(tail, names)
    if head[0] == "@":
        return _word_slot(head[1:], names)
    if head[0] == "$" and head[1:] in names.numbers:
        return lambda s: s.money(s.numbers[head[1:]])
    if head in ("he", "his", "him"):
        return lambda s: getattr(s.person("A"), head)
    if head.endswith("'s") and len(head) == 3 and head[0].isupper():
        return lambda s: s.own(head[0])
    if len(head) == 1 and head.isupper():
        return lambda s: s.name(head)
    if head in names.numbers:
        return _number_slot(head, tail, names)
    if "." in head and not tail:
        key, form = head.split(".", 1)
        return _dotted_slot(key, form, names)
    if head in names.nouns and not tail:
        return lambda s: s.nouns[head][1]
    raise PatternError(f"unknown slot {{{body}}}")


_TOKEN = re.compile(r"\{[^{}]+\}|[\[\]|]|[^{}\[\]|]+")


def compile_text(text: str, names: Names) -> Render:
    """A renderer for a template text; raises ``PatternError`` for an undeclared slot or a stray bracket."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise PatternError(f"stray brace in {text!r}")
    rendered, rest = _sequence(tokens, 0, names, inside=False)
    if rest != len(tokens):
        raise PatternError(f"stray bracket in {text!r}")
    return rendered


def _sequence(tokens: list[str], at: int, names: Names, *, inside: bool) -> tuple[Render, int]:
    parts: list[str | Render] = []
    while at < len(tokens) and not (inside and tokens[at] in "]|"):
        token = tokens[at]
        if token == "[":
            choice, at = _choice(tokens, at + 1, names)
            parts.append(choice)
            continue
        if token in "]|":
            raise PatternError(f"stray {token} in {''.join(tokens)!r}")
        parts.append(_slot(token[1:-1], names) if token[0] == "{" else token)
        at += 1
    if all(isinstance(part, str) for part in parts):
        fixed = "".join(part for part in parts if isinstance(part, str))
        return (lambda s: fixed), at
    return (lambda s: "".join([part if isinstance(part, str) else part(s) for part in parts])), at


def _chosen(key: str, options: list[Render]) -> Render:
    return lambda s: options[s.pick(key, len(options))](s)


def _choice(tokens: list[str], at: int, names: Names) -> tuple[Render, int]:
    options: list[Render] = []
    start = at
    while True:
        option, at = _sequence(tokens, at, names, inside=True)
        options.append(option)
        if at >= len(tokens):
            raise PatternError(f"open bracket in {''.join(tokens)!r}")
        at += 1
        if tokens[at - 1] == "]":
            return _chosen("".join(tokens[start:at]), options), at
