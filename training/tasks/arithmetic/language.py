"""English details left to code: people and their pronouns, numbers in words, agreement with 'you' and 'I'."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from training.tasks.arithmetic.words import (
    MEN,
    ROLES,
    SURNAMES,
    VERBS,
    WOMEN,
    WORD_LISTS,
)

_SMALL = re.findall(
    r"[a-z]+",
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen""",
)
_TENS = re.findall(r"[a-z]+", "twenty thirty forty fifty sixty seventy eighty ninety")
_FEMALE_KIN = frozenset(("sister", "mother", "aunt", "grandmother", "mom", "teacher", "neighbor", "best friend"))


@dataclass(frozen=True, slots=True)
class Person:
    """How a person is named at first, later, and by pronouns."""

    first: str
    later: str
    he: str
    his: str
    him: str
    own: str


YOU = Person("you", "you", "you", "your", "you", "your")
SPEAKER = Person("I", "I", "I", "my", "me", "my")


def _gendered(first: str, later: str, female: bool) -> Person:
    own = later + "'s"
    return Person(first, later, "she", "her", "her", own) if female else Person(first, later, "he", "his", "him", own)


def draw_name(rng: random.Random, taken: set[str]) -> Person:
    """A person with a first name not yet taken."""
    while True:
        female = rng.random() < 0.5
        names = WOMEN if female else MEN
        name = names[int(rng.random() * len(names))]
        if name not in taken:
            taken.add(name)
            return _gendered(name, name, female)


def draw_lead(rng: random.Random, taken: set[str], *, speaker: bool) -> Person:
    """The main person of a story: mostly a first name; sometimes 'you', 'I', 'Mr. Lee' or 'a farmer'."""
    roll = rng.random()
    if roll < 0.84:
        return draw_name(rng, taken)
    if roll < 0.89:
        female = rng.random() < 0.5
        title = ("Mrs. ", "Ms. ")[rng.random() < 0.4] if female else "Mr. "
        name = title + SURNAMES[int(rng.random() * len(SURNAMES))]
        return _gendered(name, name, female)
    if roll < 0.94:
        role = ROLES[int(rng.random() * len(ROLES))]
        female = role in ("girl", "woman") or (rng.random() < 0.5 and role not in ("boy", "man", "waiter", "fisherman"))
        return _gendered(f"{article(role)} {role}", f"the {role}", female)
    return SPEAKER if speaker and roll > 0.97 else YOU


def draw_other(rng: random.Random, taken: set[str], lead: Person | None) -> Person:
    """Another person: a first name, or a relative of the lead ('her brother') when one is given."""
    if lead is None or "kin" in taken or rng.random() < 0.8 or lead.first.startswith(("a ", "an ")):
        return draw_name(rng, taken)
    taken.add("kin")
    kin = WORD_LISTS["kin"][int(rng.random() * len(WORD_LISTS["kin"]))]
    name = f"{lead.his} {kin}"
    return _gendered(name, name, kin in _FEMALE_KIN)


def article(word: str) -> str:
    """``a`` or ``an`` for the word."""
    return "an" if word[0] in "aeiou" and not word.startswith(("uni", "one")) else "a"


def number_word(number: int) -> str:
    """The number in words, for 0 to 99."""
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")


_BASE = {"has": "have", "goes": "go", "does": "do", "is": "are", "was": "were"}
_SUBJECT = re.compile(r"\b(you|I) ((?:already|also|then|still|only|now|first|usually) )?([a-z]+)\b")
_INVERTED = re.compile(r"\b([Dd]oes|[Hh]as|[Ii]s|[Ww]as|[Dd]id) (you|I)\b")
_LED = re.compile(r"^(?:If |When |After |Then |Today |Later )?(?:you|I)\b", re.IGNORECASE)
_JOINED = re.compile(r"\b(and|but|then) ([a-z]+s)\b")


def _base(verb: str, subject: str) -> str:
    if verb not in VERBS:
        return verb
    if subject == "I" and verb in ("is", "was"):
        return "am" if verb == "is" else "was"
    if verb in _BASE:
        return _BASE[verb]
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    if verb.endswith(("shes", "ches", "sses", "xes")):
        return verb[:-2]
    return verb[:-1]


def _second_person(sentence: str) -> str:
    sentence = _SUBJECT.sub(lambda m: f"{m[1]} {m[2] or ''}{_base(m[3], m[1])}", sentence)
    sentence = _INVERTED.sub(lambda m: f"{_cased(m[1], m[2])} {m[2]}", sentence)
    if _LED.match(sentence):
        sentence = _JOINED.sub(lambda m: f"{m[1]} {_base(m[2], 'you')}", sentence)
    return sentence


def _cased(verb: str, subject: str) -> str:
    base = _base(verb.lower(), subject)
    return base.capitalize() if verb[0].isupper() else base


_ENDS = re.compile(r"(?<=[a-z0-9%)][.?!]) (?=\S)")


def sentences(text: str) -> list[str]:
    """The sentences of a plain text ('Mr.' does not end one)."""
    found: list[str] = []
    for part in _ENDS.split(text):
        if found and found[-1].endswith(("Mr.", "Mrs.", "Ms.")):
            found[-1] += " " + part
        else:
            found.append(part)
    return found


def polish(text: str, *, second_person: bool) -> list[str]:
    """The sentences of a rendered text, capitalised and in agreement with 'you' and 'I'."""
    parts = sentences(text)
    if second_person:
        parts = [_second_person(part) for part in parts]
    return [part[0].upper() + part[1:] for part in parts]
