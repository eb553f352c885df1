"""Answers sampled at other temperatures: where the model's own log-probabilities say more, or less, than at the plan's.

Nothing is fitted again: scores and recalibrations are those of the plan's temperature, and at 0 an answer is right or wrong
for good.
"""

from __future__ import annotations

from training.evaluation.cases import gather
from training.evaluation.evidence import Evidence
from training.evaluation.rows import Row
from training.evaluation.tables.main import table_rows

TEMPERATURES = (0.0, 0.7, 1.0)


def rows(evidence: Evidence) -> list[Row]:
    """The two main tables' rows once more, for methods that sample nothing, with their ``temperature``."""
    names = [m.name for m in evidence.single_pass]
    runs = list(zip(evidence.plan.seeds, evidence.splits.tests, strict=True))
    out, usual = [], evidence.plan.temperature
    for temperature in (t for t in TEMPERATURES if t != usual):
        cases = gather(evidence.engine, evidence.store, "test", runs, evidence.plan.sampling(temperature))
        measured = evidence.again(names, f"temperature {temperature:g}", cases)
        for made in table_rows(cases, measured, evidence.kinds, evidence.plan.draws, temperature=temperature):
            out.append(made | {"table": "temperature", "temperature": temperature})
    one = table_rows(evidence.cases, evidence.single_pass, evidence.kinds, evidence.plan.draws)
    return out + [made | {"table": "temperature", "temperature": usual} for made in one]
