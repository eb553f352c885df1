"""Questions without a right answer (the paper's RQ8): what the estimator says of them, which is not to be trusted there."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import numpy as np

from estimator.types import Question
from training.evaluation.evidence import Evidence
from training.evaluation.rows import Row, row
from training.evaluation.tables.accepted import DELTA
from training.labelling import sample_answers
from training.questions import UNANSWERABLE


def rows(evidence: Evidence) -> list[Row]:
    """``share_above``: how many end above the threshold at which answers are accepted. No answer to these can be right."""
    out = []
    for sort, make in UNANSWERABLE.items():
        rng = random.Random(f"open/{evidence.plan.seeds[0]}/{sort}")
        asked = [Question(make("test", rng), kind=sort) for _ in range(evidence.plan.open_ended)]
        got = evidence.store.keep(f"without an answer: {sort}", partial(_read, evidence, asked))
        for position, values in got.items():
            low, middle, high = np.percentile(values, [10, 50, 90])
            own = {"confidence": float(np.mean(values)), "tenth": low, "median": middle, "nine_tenths": high}
            above = float(np.mean(np.array(values) > DELTA))
            out.append(row("open", sort, position, "FineCE", len(values), **own, share_above=above, delta=DELTA))
    return out


def _read(evidence: Evidence, asked: list[Question]) -> dict[str, Any]:
    sampled = [
        group[0].answer for group in sample_answers(evidence.engine, asked, 1, evidence.plan.seeds[0], evidence.plan.sampling())
    ]
    places = {"question": [a.upto(0) for a in sampled], "complete": sampled}
    return {name: [c.value for c in evidence.scorer.score(answers)] for name, answers in places.items()}
