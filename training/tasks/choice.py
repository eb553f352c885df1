"""Multiple-choice questions with worked answers, over everyday knowledge, facts, numbers and words.

An item is what a question turns on, such as ``category:fruit:apple`` or the id of a fact; the question id is the item id,
so that items can be split into disjoint sets.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, lru_cache

from estimator.types import ANSWER_CUE, Demonstration, Grader, Question
from training.tasks import choice_categories, choice_others
from training.tasks.choice_base import Choice, Request, say
from training.tasks.facts import Draw, as_frozen, item_id, weighted

__all__ = ["all_ids", "exposures", "generate", "item_id"]

LETTERS = "ABCDE"
OPTION_COUNTS = {4: 0.8, 3: 0.1, 5: 0.1}
INLINE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Family:
    """A family of questions: its share of the draws, the weights of its items, and how to make a question of one."""

    share: float
    weights: Callable[[], dict[str, float]]
    build: Callable[[random.Random, Request], Choice]


FAMILIES = (
    Family(0.34, choice_categories.weights, choice_categories.build),
    Family(0.24, choice_others.property_weights, choice_others.build_property),
    Family(0.26, choice_others.fact_weights, choice_others.build_fact),
    Family(0.12, choice_others.number_weights, choice_others.build_number),
    Family(0.04, choice_others.word_weights, choice_others.build_word),
)


@cache
def exposures() -> dict[str, float]:
    """The training weight of every item inside its family (0: never trained on)."""
    return {item: weight for family in FAMILIES for item, weight in family.weights().items()}


def all_ids() -> tuple[str, ...]:
    """The ids of all items."""
    return tuple(exposures())


@lru_cache(maxsize=64)
def _draws(split: str, items: frozenset[str] | None) -> tuple[tuple[Family, Draw], ...]:
    """The families that have an item to draw, each with the draw over its items."""
    found: list[tuple[Family, Draw]] = []
    for family in FAMILIES:
        weights = family.weights() if split == "train" else dict.fromkeys(family.weights(), 1.0)
        if any(weight > 0 and (items is None or item in items) for item, weight in weights.items()):
            found.append((family, weighted(weights, items)))
    if not found:
        raise ValueError("no item to draw from")
    return tuple(found)


def _layout(stem: str, options: Collection[str], inline: bool) -> str:
    if inline:
        return f"{stem} {' '.join(f'({letter}) {option}' for letter, option in zip(LETTERS, options, strict=False))}"
    return "\n".join([stem, *(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))])


def _demonstration(rng: random.Random, item: str, choice: Choice, conclusion: str) -> Demonstration:
    options = [choice.gold, *choice.wrong]
    rng.shuffle(options)
    letter = LETTERS[options.index(choice.gold)]
    question = Question(
        text=_layout(choice.stem, options, inline=rng.random() < INLINE_SHARE),
        answers=(letter, choice.gold),
        grader=Grader.CHOICE,
        kind="choice",
        id=item,
    )
    slots = {"answer": choice.gold} if conclusion == "word" else {"answer": choice.gold, "letter": letter}
    final = choice.gold if conclusion == "word" else letter
    return Demonstration(question, (*choice.recalls, say(rng, "any", conclusion, **slots), f"{ANSWER_CUE} {final}"))


def generate(
    rng: random.Random, split: str = "train", items: Collection[str] | None = None, conclusion: str = "word"
) -> Demonstration:
    """A multiple-choice question with its worked answer; items are drawn by exposure (uniformly for ``heldout``).

    With ``items`` only questions that turn on these are made; pass a frozenset for speed. ``conclusion`` is the form of the
    last two paragraphs: the option's word alone (``word``), or word and letter, then the letter (``word_first``,
    ``letter_first``). Letter and word are both accepted as the answer.
    """
    allowed = as_frozen(items)
    draws = _draws(split, allowed)
    family, draw = rng.choices(draws, weights=[family.share for family, _ in draws])[0]
    count = rng.choices(tuple(OPTION_COUNTS), weights=tuple(OPTION_COUNTS.values()))[0]
    item = draw.pick(rng)
    return _demonstration(rng, item, family.build(rng, Request(item, count - 1, split, allowed)), conclusion)
