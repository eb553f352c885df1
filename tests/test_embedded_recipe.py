"""The recipe of the shipped estimator: what it holds out says something about items that it has not seen."""

from __future__ import annotations

from training.embedded import hold_out_items
from training.labels import HELD_OUT, TRAIN, Labelled
from training.questions import item_of, questions


def test_no_item_is_on_both_sides_in_whatever_words_it_is_asked() -> None:
    asked = [q for kind in ("fact", "choice", "arithmetic") for q in questions(kind, "train", 400, 3)]
    rows = [Labelled(q.id, q.kind, "sampled", (n,), ((1, 1, 1),)) for n, q in enumerate(asked)]
    split = hold_out_items(rows, 0.2, seed=1)
    assert [r.token_ids for r in split] == [r.token_ids for r in rows]
    held, kept = ({item_of(r.question_id) for r in split if r.split == side} for side in (HELD_OUT, TRAIN))
    assert not held & kept
    assert 0.15 < len(held) / len(held | kept) < 0.25
    assert len(held) < sum(r.split == HELD_OUT for r in split)  # some items are asked more than once
