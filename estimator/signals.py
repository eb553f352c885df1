"""The free signals: what the log-probabilities of the tokens already generated say, and what the text itself shows. They cost
nothing. Entropies add nothing to them (see LOG.md), and a server that gives the highest log-probabilities alone cannot tell
them exactly.

Which word an unlikely token belongs to matters more than how unlikely it is: a number is what an answer is made of, the word
that a paragraph begins with is a matter of style. So numbers, symbols and other words are kept apart, and the answer that the
text states counts by itself.

Features are kept apart by state, because they mean different things: nothing is written yet (``question``), an answer is
under way (``partial``), or it is complete (``complete``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from estimator.answers import final_answer
from estimator.equations import false_equations
from estimator.types import Answer
from estimator.words import Kind, Spans, Word, mentions, spans, split, words_of

STATES = ("question", "partial", "complete")
SIGNALS = (
    "mean_logprob",
    "mean_logprob_last",
    "worst_segment_logprob",
    "num_segments",
    "log_tokens",
    "log_prompt_tokens",
    *(f"{kind}s_{which}" for kind in Kind for which in ("sum", "lowest", "sum_last", "lowest_last")),
    "last_word_logprob",
    "last_word_in_prompt",
    "new_words_last",
    "answer_logprob",
    "answer_again_logprob",
    "answer_in_prompt",
    "answer_mentions",
    "prompt_numbers",
    "unused_numbers",
    "false_equations",
)
# A single token of probability e**-8 is as bad as it gets; below, the size says nothing more.
FLOOR = -8.0
_MOST_MENTIONS, _MOST_EQUATIONS = 4, 2


def state_of(answer: Answer) -> str:
    if not answer.segments:
        return "question"
    return "complete" if answer.finished else "partial"


def signals(answer: Answer, pieces: Callable[[Sequence[int]], list[str]]) -> NDArray[np.float64]:
    """The values of ``SIGNALS``; empty for a question. ``pieces`` gives the text of each token (``estimator.pieces``).

    Log-probabilities are in nats, and 0 where there is nothing of that kind; single tokens are floored at -8, words at -16,
    sums over a segment at -16 and over an answer at -32. ``_last`` is of the last segment that has a word or a number in it.

    - ``numbers_...``, ``words_...``, ``symbols_...``: the sum over all of a kind, and the least likely one. A word that its
      segment begins with is left out.
    - ``last_word_...``: the last word or number, and whether the prompt has it; ``new_words_last``: the share of the last
      segment's words and numbers that the prompt does not have.
    - ``answer_...``: of the answer that the text states (``estimator.answers.final_answer``) where it is mentioned first and
      last, the share of its words that the prompt has, and how often it is mentioned (4 at most).
    - ``prompt_numbers``: how many different numbers the prompt has; ``unused_numbers``: those of them that the answer has not.
    - ``false_equations``: see ``estimator.equations`` (2 at most).
    """
    written_segments = [s for s in answer.segments if s.token_ids]
    if not answer.segments or not written_segments:
        return np.zeros(len(SIGNALS) if answer.segments else 0)
    by_segment = [np.maximum(np.asarray(s.logprobs), FLOOR) for s in written_segments]
    logprobs = np.concatenate(by_segment)
    written = spans([pieces(s.token_ids) for s in written_segments], [s.tolist() for s in by_segment])
    words, asked = words_of(written), _words_in("".join(pieces(answer.prompt_ids)))
    last = max((w.segment for w in words if w.kind is not Kind.SYMBOL), default=len(by_segment) - 1)
    return np.array(
        [
            logprobs.mean(),
            by_segment[last].mean(),
            min(s.mean() for s in by_segment),
            len(by_segment),
            np.log(len(logprobs)),
            np.log(max(len(answer.prompt_ids), 1)),
            *_kinds(words, last),
            *_last_words([w for w in words if w.segment == last and w.kind is not Kind.SYMBOL], asked),
            *_stated(written, asked),
            *_numbers(words, asked),
            min(false_equations(written.text, answer.finished), _MOST_EQUATIONS),
        ]
    )


@lru_cache(256)  # a prompt is looked at after every paragraph of its answer
def _words_in(text: str) -> frozenset[str]:
    return frozenset(_plain(word, kind) for word, kind in split(text) if kind is not Kind.SYMBOL)


def _plain(text: str, kind: Kind) -> str:
    """A word without case, a number without the ways of writing it (1,200.50 is 1200.5)."""
    if kind is not Kind.NUMBER:
        return text.casefold()
    plain = text.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _kinds(words: Sequence[Word], last: int) -> list[float]:
    values: list[float] = []
    for kind in Kind:
        mine = [w for w in words if w.kind is kind and not w.opens]
        values += [*_sum_and_lowest(mine, 4), *_sum_and_lowest([w for w in mine if w.segment == last], 2)]
    return values


def _sum_and_lowest(words: Sequence[Word], floors: int) -> tuple[float, float]:
    return max(sum(w.logprob for w in words), floors * FLOOR), max(min((w.logprob for w in words), default=0.0), 2 * FLOOR)


def _last_words(words: Sequence[Word], asked: AbstractSet[str]) -> tuple[float, float, float]:
    known = [_plain(w.text, w.kind) in asked for w in words]
    return (max(words[-1].logprob, 2 * FLOOR), known[-1], 1 - sum(known) / len(known)) if words else (0.0, 0.0, 0.0)


def _stated(written: Spans, asked: AbstractSet[str]) -> tuple[float, float, float, float]:
    answer = final_answer(written.text)
    places = [] if answer is None else mentions(answer, written.text)
    if answer is None or not places:
        return 0.0, 0.0, 0.0, 0.0
    first, again = (max(written.logprob(at, at + len(answer)), 4 * FLOOR) for at in (places[0], places[-1]))
    said = _words_in(answer)
    return first, again, len(said & asked) / max(len(said), 1), min(len(places), _MOST_MENTIONS)


def _numbers(words: Sequence[Word], asked: AbstractSet[str]) -> tuple[int, int]:
    numbers = {w for w in asked if w[0].isdigit()}
    return len(numbers), len(numbers - {_plain(w.text, w.kind) for w in words if w.kind is not Kind.SYMBOL})
