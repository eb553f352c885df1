"""Mean log-probability of the tokens written so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimator.baselines.base import Case, Scores, check_states


class MeanLogprob:
    """Nats a token, at most 0: the model's own at temperature 1, whatever it was sampled at."""

    name = "Mean log-probability"
    source = "length-normalised sequence likelihood (Malinin and Gales 2021)"
    states = frozenset({"partial", "complete"})
    is_probability = False

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        values = [np.mean([p for s in c.answer.segments for p in s.logprobs]) for c in cases]
        return Scores(np.array(values, float), np.zeros(len(cases)))
