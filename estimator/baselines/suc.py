"""SuC: questions that are alike share one confidence, the accuracy on the fitting questions of their cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from estimator.baselines.base import BaselineError, Case, Scores, check_states, first_cases
from estimator.engines.base import Engine, HiddenStates, capable
from estimator.types import Tokens


class SuC:
    """K-means over mean-pooled hidden states of the questions (unit length). The states come with writing, so a score
    costs no token."""

    name = "SuC"
    source = "Lin 2022, as the paper varies it: clusters of questions in place of sub-tasks"
    states = frozenset({"question", "complete"})
    is_probability = True

    def __init__(self, engine: Engine, clusters: int = 20, seed: int = 0) -> None:
        self.engine, self.clusters, self.seed = engine, clusters, seed
        self._fitted: KMeans | None = None
        self._accuracy = np.zeros(0)

    def fit(self, cases: Sequence[Case]) -> None:
        mine = first_cases(self, cases)
        distinct = list(dict.fromkeys(c.answer.prompt_ids for c in mine))
        clusters = KMeans(min(self.clusters, len(distinct)), random_state=self.seed)
        cluster_of = dict(zip(distinct, clusters.fit_predict(self._embedded(distinct)).tolist(), strict=True))
        self._fitted = clusters
        index = np.array([cluster_of[c.answer.prompt_ids] for c in mine])
        self._accuracy = np.bincount(index, [c.correct for c in mine]) / np.bincount(index)

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        if self._fitted is None:
            raise BaselineError(f"{self.name} has to be fitted first")
        nearest = self._fitted.predict(self._embedded([c.answer.prompt_ids for c in cases]))
        return Scores(self._accuracy[nearest], np.zeros(len(cases)))

    def _embedded(self, prompts: Sequence[Tokens]) -> NDArray[np.float64]:
        engine = capable(self.engine, HiddenStates, self.name)
        vectors = np.asarray(engine.embed([((), p) for p in prompts]), float)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
