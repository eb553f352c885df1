"""Stated confidences are taken out of what the estimator reads, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from estimator.claims import CLAIM, without_claims
from estimator.pieces import Pieces
from estimator.types import Answer, Segment, StopReason


def decode(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


def segment(text: str, stop: StopReason = StopReason.POSITION) -> Segment:
    return Segment(tuple(map(ord, text)), tuple(-float(i) for i in range(len(text))), (0.5,) * len(text), stop)


def read(answer: Answer) -> str:
    return decode(without_claims(answer, Pieces(decode)).token_ids)


@pytest.mark.parametrize(
    "claim",
    ["Conf: 1.0", "conf:0.1", "CONFIDENCE = 95 %", "Confidence level is 0,8", "confidence score: 7", "Certainty: -1", "conf 1"]
    + ["Confidence (0-100): 95", "Confidence: **90%", "Confidence:** 100%", "Confidence:\n95%", "Confidence is about 90%"]
    + ["99% confident", "99 percent sure", "99% certainty"],
)
def test_a_statement_is_left_out(claim: str) -> None:
    assert read(Answer(tuple(map(ord, f"How many? {claim} Say.")))) == "How many?  Say."


@pytest.mark.parametrize(
    "text",
    [
        "a 95 % interval",
        "Is confidence good?",
        "12 confident men",
        "conference 12",
        "confidence\n\n5",
        "50% surely",
        "a 95% share",
    ],
)
def test_other_text_stays_and_costs_no_copy(text: str) -> None:
    answer = Answer(tuple(map(ord, text)), (segment(text),))
    assert without_claims(answer, Pieces(decode)) is answer


def test_what_the_model_writes_is_cut_with_its_numbers() -> None:
    answer = Answer((65,), (segment("2 + 2 = 4\n\n"), segment("Conf: 1.0"), segment("so Conf: 0.3 #### 4", StopReason.END)))
    heard = without_claims(answer, Pieces(decode))
    assert [decode(s.token_ids) for s in heard.segments] == ["2 + 2 = 4\n\n", "so  #### 4"]
    assert heard.finished and all(len(s.token_ids) == len(s.logprobs) == len(s.entropies) for s in heard.segments)
    assert heard.segments[1].logprobs[:4] == (0.0, -1.0, -2.0, -12.0)


def test_a_tokenizer_that_drops_the_space_of_a_lone_token_hides_no_statement() -> None:
    words = ["the", " confidence", " is", " 90", " so", " 4"]

    def drops(ids: Sequence[int]) -> str:
        return "".join(words[i] for i in ids).removeprefix(" ")

    kept = without_claims(Answer((0, 1, 2, 3, 4, 5)), Pieces(drops))
    assert kept.prompt_ids == (0, 4, 5)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["confidence" + " " * 40_000, "conf (" * 5_000, "confidence level" * 5_000, "9" * 20_000])
def test_what_only_begins_like_a_statement_costs_no_time(text: str) -> None:
    assert CLAIM.search(text + " x") is None


def test_a_statement_that_runs_over_a_cut_is_one() -> None:
    assert read(Answer((65, 32), (segment("Conf: 1"), segment(".0 yes")))) == "A  yes"
