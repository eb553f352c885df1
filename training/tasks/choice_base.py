"""What all multiple-choice questions share: their record and the wording table ``choice_wording.tsv``."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from training.tasks.facts import read_table, sentence_case, split_range


@dataclass(frozen=True, slots=True)
class Choice:
    """A stem with its right and wrong options, and the sentences to recall before choosing."""

    stem: str
    gold: str
    wrong: tuple[str, ...]
    recalls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What to make a question of: the item, how many wrong options, the split, and the ids that may be told (None: all)."""

    item: str
    wrong_count: int
    split: str
    allowed: frozenset[str] | None


def _wording() -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in read_table("choice_wording.tsv"):
        found[row["form"], row["role"]].append(row["template"])
    return {key: tuple(texts) for key, texts in found.items()}


WORDING = _wording()


def say(rng: random.Random, form: str, role: str, **slots: object) -> str:
    """A sentence of the given form and role; a slot the template needs but does not get raises."""
    return sentence_case(rng.choice(WORDING[form, role]).format(**slots))


def ask(rng: random.Random, form: str, split: str, **slots: object) -> str:
    """A stem of the form: the last two of each form are the ``heldout`` split."""
    texts = WORDING[form, "ask"]
    return sentence_case(texts[rng.choice(split_range(len(texts), split))].format(**slots))
