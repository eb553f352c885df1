"""The training studies (the paper's RQ5 to RQ7) on the test cases of this evaluation."""

from __future__ import annotations

from functools import partial

import numpy as np

from estimator.engines.local import LocalEngine
from estimator.loading import EMBEDDED, base_dir
from training.evaluation.evidence import Evidence
from training.evaluation.rows import Row
from training.labelling import one_sample_labels, sample_answers
from training.studies import STUDIES
from training.study_runs import StudyContext

ANSWERS = 4


def rows(evidence: Evidence) -> list[Row]:
    """Each study's rows; none where the plan has no questions for them, or the weights are on a server. The other models that
    labels are transferred from are made of the embedded one, with its questions."""
    if not evidence.splits.study or not isinstance(evidence.engine, LocalEngine):
        return []
    context, studies = _context(evidence, evidence.engine), dict(STUDIES)
    if evidence.loaded.model != EMBEDDED:
        del studies["transfer"]
        evidence.left_out["labels of another model"] = "the other models are made of the embedded one"
    return [row for name, study in studies.items() for row in evidence.store.keep(f"study: {name}", partial(study, context))]


def _context(evidence: Evidence, engine: LocalEngine) -> StudyContext:
    asked, seed, sampling = evidence.splits.study, evidence.plan.seeds[0], evidence.plan.sampling()
    groups = sample_answers(engine, asked, ANSWERS, seed, sampling)
    return StudyContext(
        base=base_dir(evidence.loaded.model),
        labels=one_sample_labels([s for group in groups for s in group]),
        # Some studies take questions from one end until their tokens are spent: in the split's order these were of one kind.
        questions=[asked[i] for i in np.random.default_rng(seed).permutation(len(asked))],
        fit_cases=evidence.held_out.cases,
        test_cases=evidence.cases.cases,
        folder=evidence.store.folder / "studies",
        processes=engine.threads,
        sampling=sampling,
        say=evidence.store.say,
    )
