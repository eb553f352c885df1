"""The two main tables once more on many more answers, for methods that cost no token beyond the answer's own.

Of an ECE of a few hundred answers half is noise, and what these methods say costs next to nothing."""

from __future__ import annotations

from training.evaluation.cases import Cases, gather
from training.evaluation.evidence import Evidence
from training.evaluation.methods import Measured
from training.evaluation.rows import Row
from training.evaluation.tables.main import table_rows

TABLE = "more"


def rows(evidence: Evidence) -> list[Row]:
    """Nothing where there are no more questions. What is no probability is recalibrated on more answers, too."""
    more = more_answers(evidence)
    if more is None:
        return []
    return [made | {"table": TABLE} for made in table_rows(*more, evidence.kinds, evidence.plan.draws)]


def more_answers(evidence: Evidence) -> tuple[Cases, list[Measured]] | None:
    """More answers and what the methods say of them; None where there are no more questions."""
    splits, plan = evidence.splits, evidence.plan
    if not splits.more:
        return None
    seed = max(plan.seeds) + 1
    cases, held_out = (
        gather(evidence.engine, evidence.store, name, [(seed, asked)], plan.sampling())
        for name, asked in (("more", splits.more), ("more recalibration", splits.more_platt))
    )
    return cases, evidence.again([m.name for m in evidence.single_pass], "more", cases, held_out)
