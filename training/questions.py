"""Questions for labels, fitting and tests: seeded, split by what they turn on before anything is sampled.

Facts and choice items belong to one split by a hash of their id (a fact and its multiple-choice form share it), and are
asked in phrasings that the base model never trained on. Word problems are kept apart by their text.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from estimator.types import Question
from training.tasks import arithmetic, choice, facts

KINDS = ("arithmetic", "fact", "choice")
# Share of the items, in percent: the adapter's labels, the combination's fit, the policy's fit, the test.
SPLITS = {"train": 60, "fit": 15, "policy": 10, "test": 15}


def split_of(key: str) -> str:
    """The split that an item (or a word problem's text) belongs to."""
    point = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "little") % 100
    for split, share in SPLITS.items():
        point -= share
        if point < 0:
            return split
    raise AssertionError("the shares add up to 100")


def item_of(question_id: str) -> str:
    """What a question of ``questions`` turns on: the item that facts and choices share in whatever words they are asked, or
    else the question itself."""
    asked, _, _ = question_id.partition("@")
    return question_id if asked in (*KINDS, "unanswerable") else facts.item_id(asked)


@cache
def _items(kind: str, split: str) -> frozenset[str]:
    ids = facts.all_ids() if kind == "fact" else choice.all_ids()
    return frozenset(i for i in ids if split_of(i) == split)


def questions(kind: str, split: str, count: int, seed: int) -> list[Question]:
    """``count`` different questions of a kind that belong to a split."""
    found: dict[str, Question] = {}
    for i in range(50 * count + 1000):
        question = _draw(kind, split, random.Random(f"{kind}/{split}/{seed}/{i}"))
        if question is not None:
            found.setdefault(question.text, question)
        if len(found) == count:
            return [replace(q, id=f"{q.id or kind}@{split}{seed}-{n}") for n, q in enumerate(found.values())]
    raise ValueError(f"only {len(found)} different {kind} questions in split {split}, {count} wanted")


def _draw(kind: str, split: str, rng: random.Random) -> Question | None:
    if kind == "arithmetic":
        question = arithmetic.generate(rng).question
        return question if split_of(_skeleton(question.text)) == split else None
    module = facts if kind == "fact" else choice
    return module.generate(rng, split="heldout", items=_items(kind, split)).question


def _skeleton(text: str) -> str:
    """The text with its numbers blanked, so that two problems that differ in a number share a split."""
    return re.sub(r"\d+", "0", text)


ONSETS = "b bl d dr f g gr k kl l m n p pr qu r s st t tr v w y z"
NUCLEI = "a e i o u ai ea or an el in un"
NAME_ENDINGS = "ia or una ek stan burg ium land o ana"
# Of the splits that the shipped estimator learns from, and of the others: its labels hold nearly all that the first can make.
OPEN = (
    "How can I {verb} {topic}?",
    "Write a short poem about {topic}.",
    "What do you think about {topic}?",
    "Explain {topic} to a child.",
    "Why do people {verb} {topic}?",
    "Give me some advice on {topic}.",
    "What will happen to {topic} next year?",
)
TOPICS = (
    *("health", "friendship", "the weather", "music", "my garden", "the economy", "sleep", "a new job", "football", "love"),
    *("old books", "the sea", "space travel", "cooking", "good manners", "taxes", "my neighbour", "history", "dreams", "cats"),
)
VERBS = ("improve", "understand", "enjoy", "avoid", "remember", "talk about", "learn", "stop", "plan", "fix")
OPEN_UNSEEN = (
    "Is it worth it to {verb} {topic}?",
    "Tell me a joke about {topic}.",
    "Which of my friends would like {topic} most?",
    "Describe {topic} as if you had never heard of it.",
    "Should I {verb} {topic} before the summer?",
    "Let us talk about {topic}.",
    "What would the world be like without {topic}?",
)
TOPICS_UNSEEN = (
    *("patience", "my sister", "the news", "painting", "the mountains", "small talk", "breakfast", "an old car", "chess"),
    *("luck", "modern art", "the rain", "robots", "gardening", "politeness", "rent", "my boss", "poetry", "silence", "dogs"),
)
VERBS_UNSEEN = (
    *("give up", "pay for", "think about", "share", "postpone", "practise", "organise", "criticise", "defend", "start"),
)


def unanswerable(split: str, count: int, seed: int) -> list[Question]:
    """Questions without an answer (see ``UNANSWERABLE``): whatever the model says is wrong, so their references are empty."""
    makers = tuple(UNANSWERABLE.values())
    out = []
    for i in range(count):
        rng = random.Random(f"unanswerable/{split}/{seed}/{i}")
        out.append(Question(makers[i % len(makers)](split, rng), kind="unanswerable", id=f"unanswerable@{split}{seed}-{i}"))
    return out


def _invented(split: str, rng: random.Random) -> str:
    """A fact question about something that does not exist."""
    syllables = "".join(rng.choice(ONSETS.split()) + rng.choice(NUCLEI.split()) for _ in range(rng.randint(1, 2)))
    subject = (syllables + rng.choice(ONSETS.split()) + rng.choice(NAME_ENDINGS.split())).capitalize()
    relation = rng.choice(tuple(facts.PHRASINGS))
    return rng.choice(facts.PHRASINGS[relation]).format(subject=subject)


def _no_numbers(split: str, rng: random.Random) -> str:
    """A word problem whose numbers are gone."""
    return re.sub(r"\$?\d+", lambda m: rng.choice(("some", "a few", "many")), _text("arithmetic", split, rng))


def _shuffled(split: str, rng: random.Random) -> str:
    words = _text(rng.choice(KINDS), split, rng).split()
    rng.shuffle(words)
    return " ".join(words)


def _open(split: str, rng: random.Random) -> str:
    learnt = split in ("train", "fit")
    forms, verbs, topics = (OPEN, VERBS, TOPICS) if learnt else (OPEN_UNSEEN, VERBS_UNSEEN, TOPICS_UNSEEN)
    return rng.choice(forms).format(verb=rng.choice(verbs), topic=rng.choice(topics))


def _noise(split: str, rng: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz    0123456789?.,\u05d0\u05d1\u0627\u0431\u4e2d\u6587\u00e9\u1f600"
    return "".join(rng.choice(letters) for _ in range(rng.randint(5, 120))).strip() or "?"


UNANSWERABLE: dict[str, Callable[[str, random.Random], str]] = {
    "invented": _invented,
    "no numbers": _no_numbers,
    "shuffled": _shuffled,
    "open": _open,
    "noise": _noise,
}


def _text(kind: str, split: str, rng: random.Random) -> str:
    while True:
        question = _draw(kind, split, rng)
        if question is not None:
            return question.text
