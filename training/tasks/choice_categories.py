"""Multiple-choice questions about everyday categories: which is one, which is not, and the odd one out.

``categories.tsv`` lists the members of each category (``/form`` after a member overrides the noun form of the category) and
the other categories that may share members with it (``*``: every one of another domain). Written from general knowledge.
An item is a membership such as ``category:fruit:apple``; the three forms of question share it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from training.tasks.choice_base import Choice, Request, ask, say
from training.tasks.facts import article, rank_weights, read_table

FORMS = {"category": 0.5, "not_category": 0.25, "odd": 0.25}
RELATED_SHARE = 0.5
EXTRA_SHARE = 0.4
NEGATION_SHARE = 0.5
TRIES = 1000


@dataclass(frozen=True, slots=True)
class Category:
    """A category, its members with their noun forms, and the categories that may share members with it."""

    name: str
    domain: str
    conflicts: frozenset[str]
    members: Mapping[str, str]


def noun_phrase(noun: str, form: str) -> str:
    """The noun as the subject of a general statement; an unknown form raises."""
    return {"count": article(noun), "mass": noun, "plural": noun, "the": f"the {noun}"}[form]


@cache
def categories() -> dict[str, Category]:
    """All categories by name."""
    found: dict[str, Category] = {}
    for row in read_table("categories.tsv"):
        members: dict[str, str] = {}
        for entry in row["members"].split("|"):
            noun, _, form = entry.partition("/")
            members[noun] = form or row["form"]
        conflicts = frozenset(filter(None, row["conflicts"].split("|")))
        found[row["category"]] = Category(row["category"], row["domain"], conflicts, members)
    return found


@cache
def weights() -> dict[str, float]:
    """The training weight of every membership, by its rank in its category."""
    return rank_weights(
        {
            f"category:{category.name}:{noun}": -rank
            for category in categories().values()
            for rank, noun in enumerate(category.members)
        }
    )


def _overlap(a: Category, b: Category) -> bool:
    return a is b or b.name in a.conflicts or a.name in b.conflicts


def _comparable(a: Category, b: Category) -> bool:
    return a.domain == b.domain or not ("*" in a.conflicts or "*" in b.conflicts)


@cache
def disjoint(name: str, related: bool) -> tuple[str, ...]:
    """The categories declared to share no members with this one; ``related`` keeps to its domain where that leaves some."""
    mine = categories()[name]
    apart = [c for c in categories().values() if not _overlap(mine, c) and _comparable(mine, c)]
    near = [c for c in apart if c.domain == mine.domain] if related else []
    return tuple(c.name for c in near or apart)


@cache
def homes(noun: str) -> frozenset[str]:
    """The categories that the noun is in or might be in: those that list it, and those that may share members with one."""
    listed = [c for c in categories().values() if noun in c.members]
    return frozenset(other.name for other in categories().values() if any(_overlap(c, other) for c in listed))


@cache
def outsiders(name: str, related: bool) -> tuple[tuple[str, str], ...]:
    """The (category, member) pairs whose member is surely not in the named category."""
    return tuple(
        (other, noun) for other in disjoint(name, related) for noun in categories()[other].members if name not in homes(noun)
    )


def _of_category(name: str) -> dict[str, str]:
    return {"category": name, "a_category": article(name)}


def _of_member(name: str, noun: str) -> dict[str, str]:
    form = categories()[name].members[noun]
    return {"np": noun_phrase(noun, form), "is": "are" if form == "plural" else "is"}


def _membership(rng: random.Random, name: str, noun: str) -> str:
    return say(rng, "category", "recall", **_of_member(name, noun), **_of_category(name))


def _extra(rng: random.Random, pairs: Sequence[tuple[str, str]], request: Request) -> tuple[str, ...]:
    """Sometimes a sentence about one of these memberships, if that one may be told."""
    name, noun = rng.choice(pairs)
    item = f"category:{name}:{noun}"
    told = weights()[item] > 0 and (request.allowed is None or item in request.allowed)
    return (_membership(rng, name, noun),) if told and rng.random() < EXTRA_SHARE else ()


def _which_is(rng: random.Random, request: Request) -> Choice:
    _, name, noun = request.item.split(":")
    found: dict[str, str] = {}
    while len(found) < request.wrong_count:
        other, wrong = rng.choice(outsiders(name, rng.random() < RELATED_SHARE))
        found[wrong] = other
    extra = _extra(rng, [(other, wrong) for wrong, other in found.items()], request)
    stem = ask(rng, "category", request.split, **_of_category(name))
    return Choice(stem, noun, tuple(found), (*extra, _membership(rng, name, noun)))


def is_odd(noun: str, group: Sequence[str]) -> bool:
    """Whether no category could hold the noun and all but one of the group, which would make that one odd instead."""
    return all(sum(home in homes(other) for other in group) < len(group) - 1 for home in homes(noun))


def _group(rng: random.Random, request: Request, odd: bool) -> tuple[str, tuple[str, ...]]:
    """A category that the item's noun is not in, and some of its members."""
    _, home, noun = request.item.split(":")
    for _ in range(TRIES):
        name = rng.choice(disjoint(home, rng.random() < RELATED_SHARE))
        members = tuple(categories()[name].members)
        if name in homes(noun) or len(members) < request.wrong_count:
            continue
        group = tuple(rng.sample(members, request.wrong_count))
        if not odd or is_odd(noun, group):
            return name, group
    raise ValueError(f"no group without {noun}")


def _which_differs(rng: random.Random, request: Request, form: str) -> Choice:
    _, home, noun = request.item.split(":")
    name, group = _group(rng, request, odd=form == "odd")
    own = _membership(rng, home, noun)
    if form == "odd" or rng.random() < NEGATION_SHARE:
        own = f"{own} {say(rng, 'not_category', 'recall', **_of_member(home, noun), **_of_category(name))}"
    extra = _extra(rng, [(name, other) for other in group], request)
    return Choice(ask(rng, form, request.split, **_of_category(name)), noun, group, (*extra, own))


def build(rng: random.Random, request: Request) -> Choice:
    """A question that turns on the membership."""
    form = rng.choices(tuple(FORMS), weights=tuple(FORMS.values()))[0]
    return _which_is(rng, request) if form == "category" else _which_differs(rng, request, form)
