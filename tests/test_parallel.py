"""Batches of rows of about the same length: how much they hold with their padding, and that every row is in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.parallel import length_batches

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(50, 2_000), st.integers(0, 5))
def test_a_batch_holds_no_more_than_its_tokens_with_its_padding(lengths, tokens, seed):
    for batch in length_batches(lengths, tokens, seed):
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


@given(LENGTHS, st.integers(50, 2_000), st.integers(0, 5))
def test_a_pass_has_every_row_once(lengths, tokens, seed):
    assert sorted(i for batch in length_batches(lengths, tokens, seed) for i in batch) == list(range(len(lengths)))


@pytest.mark.parametrize("wanted", [1, 7, 40])
def test_as_many_batches_as_are_asked_for_the_same_for_a_seed(wanted):
    lengths = np.random.default_rng(0).integers(20, 300, 60)
    batches = length_batches(lengths, 1_000, 3, wanted)
    assert len(batches) == wanted
    again = length_batches(lengths, 1_000, 3, wanted)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))


def test_padding_is_little():
    """A few short rows beside long ones, as the texts of a few questions are: the width of a batch is that of its rows."""
    lengths = np.array([30] * 18 + [400] * 4 + [40] * 30)
    batches = length_batches(lengths, 2_000, 0)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded <= 1.25 * lengths.sum()
