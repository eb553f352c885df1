"""Verb: the model says in words how sure it is of its answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimator.baselines.base import Case, Scores, check_states, written
from estimator.baselines.stated import UNSTATED, Stating, stated


class Verb:
    """The stated number, asked for behind the answer that is scored; 0.5 where the model states none."""

    name = "Verb"
    states = frozenset({"complete"})
    is_probability = True

    def __init__(self, stating: Stating) -> None:
        self.stating = stating
        self.source = f"Tian 2023, {stating.note}; the confidence is asked for behind the given answer (two stages)"

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        prompts = [self.stating.verb_prompt.format(question=c.question.text) for c in cases]
        said = self.stating.ask(prompts, [written(self.stating.engine, c.answer) for c in cases])
        read = [stated(text) for text, _ in said]
        values = [UNSTATED if value is None else value for value in read]
        return Scores(np.array(values), np.array([tokens for _, tokens in said], float))
