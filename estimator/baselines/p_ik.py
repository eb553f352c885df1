"""P(IK): whether the model knows the answer, read off the question's last hidden state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimator.baselines.base import BaselineError, Case, Scores, check_states, first_cases
from estimator.engines.base import Engine, HiddenStates, capable

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
FOLDS = 5


class PIK:
    """``sigmoid(v . h + b)`` on the last hidden state of the prompt, fitted by cross-entropy to sampled correctness; the
    weight decay is chosen by cross-validation over questions. The state comes with writing, so a score costs no token."""

    name = "P(IK)"
    source = "Kadavath 2022: a linear head on the frozen model, decay cross-validated"
    states = frozenset({"question"})
    is_probability = True

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._head: Any = None

    def fit(self, cases: Sequence[Case]) -> None:
        mine = first_cases(self, cases)
        states = self._states(mine)
        correct = np.array([c.correct for c in mine])
        index = {q: i for i, q in enumerate(dict.fromkeys(c.answer.prompt_ids for c in mine))}
        groups = [index[c.answer.prompt_ids] for c in mine]
        if len(set(correct.tolist())) < 2 or len(index) < FOLDS:
            raise BaselineError(f"{self.name} needs right and wrong answers to at least {FOLDS} fitting questions")
        head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        grid = {"logisticregression__C": STRENGTHS}
        search = GridSearchCV(head, grid, cv=GroupKFold(FOLDS), scoring="neg_brier_score")
        self._head = search.fit(states, correct, groups=groups).best_estimator_

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        if self._head is None:
            raise BaselineError(f"{self.name} has to be fitted first")
        return Scores(self._head.predict_proba(self._states(cases))[:, 1], np.zeros(len(cases)))

    def _states(self, cases: Sequence[Case]) -> NDArray[np.float64]:
        engine = capable(self.engine, HiddenStates, self.name)
        return engine.hidden_states([c.answer.prompt_ids for c in cases])
