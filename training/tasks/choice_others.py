"""Multiple-choice questions about common-sense properties, facts, numbers and words.

``properties.tsv`` holds common-sense pairs written from general knowledge; ``also`` are other answers of the same relation
that would be right too and are never offered as wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from training.tasks import facts
from training.tasks.choice_base import Choice, Request, ask, say
from training.tasks.choice_categories import categories, noun_phrase
from training.tasks.facts import Fact, rank_weights, split_range, untrained

# Relations where another answer of the relation is often right as well.
UNSUITED_RELATIONS = frozenset({"study_of", "unit", "instrument_measures", "animal_group"})
WORDS_PER_CATEGORY = 4
SHORTEST_LONG_WORD = 6
NUMBER_SPAN = 60
FACTORS = range(3, 10)
CONTEXT_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Property:
    """A common-sense pair; ``also`` are answers that would be right too."""

    id: str
    relation: str
    cue: str
    answer: str
    form: str
    also: frozenset[str]
    prominence: float


@cache
def properties() -> dict[str, Property]:
    """All common-sense pairs by id."""
    found: dict[str, Property] = {}
    for row in facts.read_table("properties.tsv"):
        key = f"{row['relation']}:{row['cue']}"
        also = frozenset(filter(None, row["also"].split("|")))
        found[key] = Property(key, row["relation"], row["cue"], row["answer"], row["form"], also, float(row["prominence"]))
    return found


@cache
def property_weights() -> dict[str, float]:
    return rank_weights({key: entry.prominence for key, entry in properties().items()})


@cache
def wrong_for_property(item: str) -> tuple[str, ...]:
    """The answers of the same relation that are wrong for this item."""
    entry = properties()[item]
    taken = {entry.answer, *entry.also, *entry.cue.split()}
    others = (p.answer for p in properties().values() if p.relation == entry.relation)
    return tuple(dict.fromkeys(answer for answer in others if answer not in taken))


def build_property(rng: random.Random, request: Request) -> Choice:
    """A question about a common-sense pair."""
    entry = properties()[request.item]
    phrase = noun_phrase(entry.answer, entry.form)
    is_are = "are" if entry.form == "plural" else "is"
    recall = say(
        rng, entry.relation, "recall", cue=entry.cue, answer=entry.answer, np=phrase, a_answer=phrase, **{"is": is_are}
    )
    wrong = _sample(rng, wrong_for_property(entry.id), request.wrong_count)
    return Choice(ask(rng, entry.relation, request.split, cue=entry.cue), entry.answer, wrong, (recall,))


@cache
def fact_weights() -> dict[str, float]:
    return {fact.id: facts.exposure(fact) for fact in facts.load_facts() if fact.relation not in UNSUITED_RELATIONS}


@cache
def _answers_of(relation: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact.answer for fact in facts.load_facts() if fact.relation == relation))


def is_wrong_for_fact(fact: Fact, answer: str) -> bool:
    """Whether the answer is none of those accepted for the fact."""
    return answer.casefold() not in {accepted.casefold() for accepted in fact.answers}


def build_fact(rng: random.Random, request: Request) -> Choice:
    """A fact question with other answers of its relation as wrong options."""
    fact = facts.facts_by_id()[request.item]
    offered = _sample(rng, _answers_of(fact.relation), request.wrong_count + len(fact.answers))
    wrong = tuple(answer for answer in offered if is_wrong_for_fact(fact, answer))[: request.wrong_count]
    phrasing = rng.choice(split_range(len(facts.PHRASINGS[fact.relation]), request.split))
    told = facts.tellable_contexts(fact, request.allowed)
    context = (rng.choice(told),) if told and rng.random() < CONTEXT_SHARE else ()
    return Choice(facts.ask(fact, phrasing).text, fact.answer, wrong, (*context, rng.choice(facts.claims(fact))))


def _number_items() -> Iterable[str]:
    for number in range(10, 151):
        yield f"number:largest:{number}"
        yield f"number:smallest:{number}"
        yield f"number:{'even' if number % 2 == 0 else 'uneven'}:{number}"
    for factor in FACTORS:
        for times in range(2, 13):
            yield f"number:multiple of {factor}:{factor * times}"


def _uniform(items: Iterable[str]) -> dict[str, float]:
    return {item: 0.0 if untrained(item) else 1.0 for item in items}


@cache
def number_weights() -> dict[str, float]:
    return _uniform(_number_items())


def _near(number: int) -> list[int]:
    return [other for other in range(max(1, number - NUMBER_SPAN), number + NUMBER_SPAN) if other != number]


NUMBER_RULES: dict[str, Callable[[int, int, int], bool]] = {
    "largest": lambda gold, other, factor: other < gold,
    "smallest": lambda gold, other, factor: other > gold,
    "even": lambda gold, other, factor: other % 2 == 1,
    "uneven": lambda gold, other, factor: other % 2 == 0,
    "multiple": lambda gold, other, factor: other % factor != 0,
}


@cache
def wrong_for_number(item: str) -> tuple[str, ...]:
    """Nearby numbers that the rule of the item excludes."""
    _, rule, text = item.split(":")
    form, _, factor = rule.partition(" of ")
    gold = int(text)
    return tuple(str(other) for other in _near(gold) if NUMBER_RULES[form](gold, other, int(factor or 1)))


def build_number(rng: random.Random, request: Request) -> Choice:
    """A question about the size or divisibility of numbers."""
    _, rule, gold = request.item.split(":")
    form, _, factor = rule.partition(" of ")
    wrong = _sample(rng, wrong_for_number(request.item), request.wrong_count)
    times = int(gold) // int(factor or 1)
    others = f"{', '.join(wrong[:-1])} and {wrong[-1]}"
    recall = say(rng, form, "recall", answer=gold, others=others, digit=gold[-1], factor=factor, times=times)
    return Choice(ask(rng, form, request.split, factor=factor), gold, wrong, (recall,))


@cache
def words() -> tuple[str, ...]:
    """Plain lower-case words: the best known members of the categories."""
    nouns = (noun for c in categories().values() for noun in list(c.members)[:WORDS_PER_CATEGORY])
    return tuple(dict.fromkeys(noun for noun in nouns if noun.isalpha() and noun.islower()))


@cache
def word_weights() -> dict[str, float]:
    starts = [f"word:starts:{word}" for word in words()]
    longest = [f"word:longest:{word}" for word in words() if len(word) >= SHORTEST_LONG_WORD]
    return _uniform([*starts, *longest])


@cache
def wrong_for_word(item: str) -> tuple[str, ...]:
    """The words with another first letter, or the shorter words."""
    _, form, gold = item.split(":")
    if form == "starts":
        return tuple(word for word in words() if word[0] != gold[0])
    return tuple(word for word in words() if len(word) < len(gold))


def build_word(rng: random.Random, request: Request) -> Choice:
    """A question about the letters of words."""
    _, form, gold = request.item.split(":")
    wrong = _sample(rng, wrong_for_word(request.item), request.wrong_count)
    recall = say(rng, form, "recall", answer=gold, letter=gold[0], length=len(gold))
    return Choice(ask(rng, form, request.split, letter=gold[0]), gold, wrong, (recall,))


def _sample(rng: random.Random, pool: Sequence[str], count: int) -> tuple[str, ...]:
    """As many as wanted, or all of a smaller pool, in random order."""
    return tuple(rng.sample(pool, min(count, len(pool))))
