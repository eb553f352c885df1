"""First-Prob: the probability of the first token of the final answer."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from estimator.answers import answer_begin, final_answer, normalise
from estimator.baselines.base import Case, Scores, check_states, written
from estimator.engines.base import Engine, NextToken, capable
from estimator.types import Grader, Tokens

_OPTION = re.compile(r"(?:^|[\s(])([A-Z])[.):]\s")


class FirstProb:
    """The probability with which the model wrote the first token of its final answer, as it is read while writing; where the
    answer is the letter of a choice, that of the letter, renormalised over those that the question offers. An answer that
    ends without a final answer has no such token and scores 0."""

    name = "First-Prob"
    source = "Santurkar 2023: the first token after the answer cue, not of the whole response"
    states = frozenset({"complete"})
    is_probability = True

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        return Scores(np.array([self._one(c) for c in cases]), np.zeros(len(cases)))

    def _one(self, case: Case) -> float:
        text = written(self.engine, case.answer)
        answer, begin = final_answer(text), answer_begin(text)
        if answer is None or begin is None:
            return 0.0
        token_ids = case.answer.token_ids[len(case.answer.prompt_ids) :]
        letter = normalise(answer, case.question.grader)
        if case.question.grader is Grader.CHOICE and re.fullmatch("[A-Z]", letter):
            found = re.search(rf"\b{letter}\b", text[begin:], re.IGNORECASE)  # it may stand in parentheses
            at = self._token_at(token_ids, begin + (found.start() if found else 0))
            if found and found[0] in self.engine.decode(token_ids[at : at + 1]):
                return self._among_letters((*case.answer.prompt_ids, *token_ids[:at]), token_ids[at], found[0], case)
        return float(np.exp([p for s in case.answer.segments for p in s.logprobs][self._token_at(token_ids, begin)]))

    def _token_at(self, token_ids: Tokens, place: int) -> int:
        """The number of the token that holds a character of the text."""
        return bisect_right(range(len(token_ids)), place, key=lambda i: len(self.engine.decode(token_ids[: i + 1])))

    def _among_letters(self, before: Tokens, token: int, letter: str, case: Case) -> float:
        """The share of ``letter``, as it is written, in the probability of all letters that the question offers."""
        piece = self.engine.decode((token,))
        offered = (x if letter.isupper() else x.lower() for x in _OPTION.findall(case.question.text))
        letters = sorted({letter, *offered})
        ids = [token if x == letter else self.engine.text_ids(piece.replace(letter, x))[0] for x in letters]
        logprobs = capable(self.engine, NextToken, self.name).next_logprobs([before], ids)[0]
        return float(np.exp(logprobs[letters.index(letter)] - np.logaddexp.reduce(logprobs)))
