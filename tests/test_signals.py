"""The free signals: which word an unlikely token belongs to, and what the text itself shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.pieces import Pieces
from estimator.signals import SIGNALS, signals
from estimator.types import Answer, Segment, StopReason
from estimator.words import Kind, mentions, spans, split, words_of

TOKENS = [
    "The", " cost", " is", " 3", " *", " 1", "4", " =", " 42", " dollars", ".", "\n\n", "####", " Paris", "How", " many", "?",
]  # fmt: skip


def decode(ids: Sequence[int]) -> str:
    return "".join(TOKENS[i] for i in ids)


def ids(*words: str) -> tuple[int, ...]:
    return tuple(map(TOKENS.index, words))


def segment(words: Sequence[str], unlikely: dict[str, float] | None = None, stop: StopReason = StopReason.POSITION) -> Segment:
    return Segment(ids(*words), tuple((unlikely or {}).get(w, -0.125) for w in words), (), stop)


def read(*segments: Segment, question: Sequence[str] = ("How", " many", " 3", "?")) -> dict[str, float]:
    return dict(zip(SIGNALS, signals(Answer(ids(*question), segments), Pieces(decode)).tolist(), strict=True))


STEP = ["The", " cost", " is", " 3", " *", " 1", "4", " =", " 42", " dollars", ".", "\n\n"]
END = ["####", " 42"]


@pytest.mark.parametrize(
    ("token", "moved"),
    [("4", "number"), (" 42", "number"), (" =", "symbol"), (" dollars", "word"), ("The", None)],
)
def test_an_unlikely_token_counts_for_the_kind_of_word_that_it_belongs_to(token: str, moved: str | None) -> None:
    plain, found = read(segment(STEP)), read(segment(STEP, {token: -5.0}))
    assert found["mean_logprob"] < plain["mean_logprob"]
    for kind in Kind:
        assert (found[f"{kind}s_lowest"] < plain[f"{kind}s_lowest"]) == (kind == moved)
        assert (found[f"{kind}s_sum_last"] < plain[f"{kind}s_sum_last"]) == (kind == moved)


def test_a_number_of_several_tokens_is_one_word() -> None:
    found = read(segment(STEP, {" 1": -2.0, "4": -3.0}))
    assert found["numbers_lowest"] == -5.0
    assert found["numbers_sum"] == pytest.approx(-0.125 - 5.0 - 0.125)


def test_the_last_segment_has_values_of_its_own() -> None:
    found = read(segment(STEP, {" 42": -4.0}), segment(END, stop=StopReason.END))
    assert found["numbers_lowest"] == -4.0 and found["numbers_lowest_last"] == -0.125
    assert found["words_sum_last"] == 0.0 and found["num_segments"] == 2


def test_the_stated_answer_counts_where_it_was_first_said() -> None:
    found = read(segment(STEP, {" 42": -4.0}), segment(END, stop=StopReason.END))
    assert (found["answer_logprob"], found["answer_again_logprob"], found["answer_mentions"]) == (-4.0, -0.125, 2)
    assert found["answer_in_prompt"] == 0.0
    assert read(segment(STEP))["answer_mentions"] == 0


def test_what_the_question_has_is_told_from_what_is_new() -> None:
    asked = ("How", " many", " 42", "?", " 3", " 42")
    found = read(segment(STEP), segment(END, stop=StopReason.END), question=asked)
    assert found["answer_in_prompt"] == found["last_word_in_prompt"] == 1.0 and found["new_words_last"] == 0.0
    assert (found["prompt_numbers"], found["unused_numbers"]) == (2, 0)
    found = read(segment(["The", " cost", " is", " Paris"]), question=asked)
    assert found["last_word_in_prompt"] == 0.0 and found["new_words_last"] == 1.0
    assert (found["prompt_numbers"], found["unused_numbers"]) == (2, 2)


def test_an_answer_is_mentioned_as_a_word_of_its_own() -> None:
    found = read(segment([" 1", "4", ".", "\n\n"], {"4": -5.0}), segment(["####", "4"], {"4": -1.0}, stop=StopReason.END))
    assert (found["answer_mentions"], found["answer_logprob"]) == (1, -1.0)
    assert mentions("4", "14 cats, 4 dogs, 4.5 and 44") == [9]
    assert mentions("A", "And Apples: A. (A)") == [12, 16]
    assert mentions("$5", "$5 or $50 or US$5") == [0, 15]


def test_a_last_segment_without_a_word_is_not_the_last_of_the_answer() -> None:
    plain = read(segment(STEP, {" 42": -4.0}, stop=StopReason.END))
    found = read(segment(STEP, {" 42": -4.0}), segment(["\n\n"], stop=StopReason.END))
    for name in ("numbers_sum_last", "numbers_lowest_last", "words_sum_last", "last_word_logprob", "new_words_last"):
        assert found[name] == plain[name]


def test_an_answer_behind_the_cue_is_no_matter_of_style() -> None:
    assert read(segment(["####", " Paris"], {" Paris": -3.0}, stop=StopReason.END))["words_lowest"] == -3.0


def test_shares_are_shares_and_counts_and_sums_are_bounded() -> None:
    asked = ("How", " many", " dollars", "?")
    assert read(segment(["The", " cost", " dollars"]), question=asked)["new_words_last"] == pytest.approx(2 / 3)
    found = read(segment([*[" 42", "."] * 9, "\n\n"], {" 42": -7.0}), segment(END, stop=StopReason.END))
    assert (found["answer_mentions"], found["numbers_sum"], found["numbers_lowest"]) == (4, -32.0, -7.0)
    false = [" 3", " *", "4", " =", " 42", "."]
    assert read(segment([*false, *false, *false]))["false_equations"] == 2


def test_the_worst_segment_is_the_least_likely_and_the_last_has_its_own_mean() -> None:
    found = read(segment(["The", " cost", "."], {" cost": -2.0}), segment(["The"], {"The": -0.5}))
    assert found["worst_segment_logprob"] == pytest.approx(-0.75) and found["mean_logprob_last"] == -0.5


def test_a_number_is_the_same_however_it_is_written() -> None:
    words = ["1,200.50", " and", " 1200.5", " 7"]
    pieces = Pieces(lambda i: "".join(words[t] for t in i))
    prompt_only = Answer((0, 1, 3), (Segment((2,), (-0.1,), (), StopReason.POSITION),))
    found = dict(zip(SIGNALS, signals(prompt_only, pieces), strict=True))
    assert (found["prompt_numbers"], found["unused_numbers"], found["last_word_in_prompt"]) == (2, 1, 1)


def test_an_equation_that_does_not_hold_is_seen() -> None:
    assert read(segment(STEP))["false_equations"] == 0
    assert read(segment(["The", " cost", " is", " 3", " *", "4", " =", " 42", "."]))["false_equations"] == 1


def test_sizes_are_what_their_names_say_and_impossible_tokens_are_floored() -> None:
    found = read(segment(STEP, {" 42": -99.0}))
    assert found["log_tokens"] == pytest.approx(np.log(len(STEP))) and found["log_prompt_tokens"] == pytest.approx(np.log(4))
    assert found["numbers_lowest"] == -8.0 and found["mean_logprob"] == pytest.approx((-8 - 0.125 * 11) / 12)


def test_nothing_is_written_yet() -> None:
    assert signals(Answer(ids("How")), Pieces(decode)).shape == (0,)


@given(st.lists(st.lists(st.text(max_size=6), max_size=6), min_size=1, max_size=4), st.data())
def test_any_text_in_any_tokens_gives_finite_values(pieces: list[list[str]], data: st.DataObject) -> None:
    texts = ["How many?", *(p for segment in pieces for p in segment)]
    table = iter(range(1, len(texts)))
    segments = tuple(
        Segment(tuple(next(table) for _ in mine), tuple(data.draw(st.floats(-20, 0)) for _ in mine), (), StopReason.POSITION)
        for mine in pieces
        if mine
    )
    found = signals(Answer((0,), segments), Pieces(lambda i: "".join(texts[t] for t in i)))
    assert len(found) in (0, len(SIGNALS)) and np.isfinite(found).all()


@given(st.lists(st.text(max_size=5), max_size=12))
def test_words_are_those_of_the_whole_text_however_it_is_cut(pieces: list[str]) -> None:
    written = spans([pieces], [[-1.0] * len(pieces)])
    words = words_of(written)
    assert [(w.text, w.kind) for w in words] == split("".join(pieces))
    assert all(w.logprob <= -1.0 for w in words)
    places = [written.text.find(w.text) for w in words[:1]]
    assert all(words[0].logprob == written.logprob(at, at + len(words[0].text)) for at in places)


def test_pieces_are_what_tokens_add_and_each_entry_is_decoded_once() -> None:
    asked: list[tuple[int, ...]] = []

    def counted(i: Sequence[int]) -> str:
        asked.append(tuple(i))
        return decode(i)

    pieces = Pieces(counted)
    assert pieces(ids(*STEP)) == STEP and pieces(ids(*STEP, *END)) == [*STEP, *END]
    assert len([i for i in asked if len(i) == 1]) == len({*STEP, *END})


@pytest.mark.parametrize("token_ids", [(), (0,), (0, 1, 2, 1)])
def test_pieces_of_a_tokenizer_that_drops_the_first_space(token_ids: tuple[int, ...]) -> None:
    words = ["the", " confidence", " is"]
    pieces = Pieces(lambda i: "".join(words[t] for t in i).removeprefix(" "))
    assert pieces(token_ids) == [words[t] for t in token_ids]


def with_bytes(vocabulary: Sequence[str]) -> Callable[[Sequence[int]], str]:
    """A real decoder that falls back to bytes, as those of Llama 2, Mistral and Gemma."""
    from tokenizers.decoders import ByteFallback, Fuse, Replace
    from tokenizers.decoders import Sequence as Steps

    decoder = Steps([Replace("\u2581", " "), ByteFallback(), Fuse()])
    return lambda i: decoder.decode([vocabulary[t] for t in i])


SMILE = [f"<0x{b:02X}>" for b in "\U0001f642".encode()]


@pytest.mark.parametrize(
    "tokens", [["The", *SMILE, "4", "2", "\u2581+", "\u25814"], [*SMILE], [*SMILE[:2], "4", *SMILE], ["4", *SMILE, *SMILE]]
)
def test_pieces_of_bytes_that_make_a_character_together(tokens: list[str]) -> None:
    vocabulary = list(dict.fromkeys(tokens))
    decoded = with_bytes(vocabulary)
    token_ids = tuple(map(vocabulary.index, tokens))
    pieces = Pieces(decoded)(token_ids)
    assert "".join(pieces) == decoded(token_ids) and len(pieces) == len(tokens)
    assert all(piece == token.replace("\u2581", " ") for token, piece in zip(tokens, pieces, strict=True) if "<" not in token)


def test_a_character_of_several_tokens_costs_no_decoding_of_all_that_stands_before_it() -> None:
    vocabulary = ["The", *SMILE]
    decoded, lengths = with_bytes(vocabulary), []

    def counted(i: Sequence[int]) -> str:
        lengths.append(len(i))
        return decoded(i)

    token_ids = (*[0] * 1000, 1, 2, 3, 4, *[0] * 1000)
    assert "".join(Pieces(counted)(token_ids)) == decoded(token_ids)
    assert sum(lengths) < 2 * len(token_ids)


def test_nothing_of_the_old_text_is_read_twice_where_decoding_depends_on_all_of_it() -> None:
    words = ["a", "b", "c"]
    pieces = Pieces(lambda i: "".join(words[t] for t in i).replace("bc", "B"))
    assert pieces((0, 1, 2, 1)) == ["a", "B", "", "b"]


def test_a_figure_that_is_read_as_a_word_is_used_where_the_answer_has_it() -> None:
    texts = ["What is 5\u00b2?", "5\u00b2 = 25"]
    pieces = Pieces(lambda i: "".join(texts[t] for t in i))
    found = signals(Answer((0,), (Segment((1,), (-0.1,), (), StopReason.END),)), pieces)
    assert found[SIGNALS.index("unused_numbers")] == 0
