"""Groups of partial answers of like meaning, each with its medoid: a real member, never an average."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from estimator.types import Answer
from training.embeddings import Embed


def medoids(sets: Sequence[Sequence[Answer]], clusters: int, embed: Embed) -> list[list[Answer]]:
    """Per set the medoids of its ``clusters`` groups (all its different members where there are no more). What the members
    of a set wrote last is what is compared; everything that has to be embedded is embedded in one call."""
    counts = [Counter(a.token_ids for a in members) for members in sets]
    different = [list({a.token_ids: a for a in members}.values()) for members in sets]
    wanted = [i for i, d in enumerate(different) if len(d) > clusters]
    texts = [(a.upto(len(a.segments) - 1).token_ids, a.segments[-1].token_ids) for i in wanted for a in different[i]]
    vectors = embed(texts) if texts else np.zeros((0, 1))
    ends = np.cumsum([len(different[i]) for i in wanted])
    for i, rows in zip(wanted, np.split(vectors, ends[:-1]), strict=False):
        weights = np.array([counts[i][a.token_ids] for a in different[i]], float)
        different[i] = [different[i][row] for row in medoid_rows(rows, weights, clusters)]
    return different


def medoid_rows(vectors: NDArray[np.float64], weights: NDArray[np.float64], clusters: int) -> list[int]:
    """The row of each group's medoid, by cosine distance: the member whose weighted distance to all of its group is least.
    On the unit sphere that is the member nearest to the group's mean, for cosine distance is half the squared one."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if clusters == 1:
        labels = np.zeros(len(unit), int)
    else:
        labels = KMeans(clusters, random_state=0).fit_predict(unit, sample_weight=weights)
    rows = []
    for group in np.unique(labels):
        members = np.flatnonzero(labels == group)
        centre = np.average(unit[members], axis=0, weights=weights[members])
        rows.append(int(members[((unit[members] - centre) ** 2).sum(1).argmin()]))
    return rows
