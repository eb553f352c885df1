"""Where to read: the same answers cut at paragraphs, by entropy, and every n tokens (the paper's Table 3)."""

from __future__ import annotations

import numpy as np

from estimator.metrics import auroc
from estimator.positions import Position, PositionKind, recut
from estimator.types import Answer
from training.evaluation.cases import Cases, spread
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import ece_figure
from training.evaluation.methods import Measured
from training.evaluation.rows import Row, calibration, ranking, row
from training.labelling import Sampled

# The paper's own settings are an entropy above 1e-10, which fires at the first token, and 30 tokens.
STRATEGIES = {
    "paragraph": Position(),
    "entropy": Position(PositionKind.ENTROPY),
    "entropy:1e-10": Position(PositionKind.ENTROPY, threshold=1e-10, gap=1),
    "periodic:10": Position(PositionKind.PERIODIC, every=10),
    "periodic:30": Position(PositionKind.PERIODIC, every=30),
}


def rows(evidence: Evidence) -> list[Row]:
    names = [m.name for m in evidence.finece]
    out = []
    for name, position in STRATEGIES.items():
        known = name == "paragraph"  # as the answers were cut in the first place
        cases = evidence.cases if known else cases_at(position, evidence)
        for m in evidence.finece if known else evidence.again(names, f"cut at {name}", cases):
            for kind in evidence.kinds:
                out += _rows(name, kind, m.name, m, cases, evidence.plan.draws)
    return out


def cases_at(position: Position, evidence: Evidence) -> Cases:
    """The same answers from position to position."""
    whole = [s for s in evidence.cases.spots if s.at("complete")]
    table = evidence.engine.table
    again = [Sampled(s.case.question, recut(s.case.answer, position, table), s.case.correct) for s in whole]
    return spread(again, [s.seed for s in whole])


def _rows(strategy: str, kind: str, method: str, m: Measured, cases: Cases, draws: int) -> list[Row]:
    """``ece`` and ``auroc`` are of the first position; an answer that ends before it has none and is not in ``n``."""
    first, inside = cases.where("first", kind), cases.where("average", kind)
    if not len(first):
        return []
    correct, questions = cases.correct, cases.questions
    average = ece_figure(m.raw[inside], correct[inside], questions[inside], draws)
    own = {
        "ece_average": average.value,
        "ece_average_low": average.low,
        "ece_average_high": average.high,
        "auroc_average": auroc(m.raw[inside], correct[inside]),
        "token_ratio": float(np.mean(token_ratios(cases)[first])),
        "positions_per_answer": len(inside) / len(cases.where("complete", kind)),
        "share_with_a_position": len(first) / len(cases.where("complete", kind)),
    }
    figures = calibration(m.raw[first], correct[first], questions[first], draws)
    figures |= ranking(m.raw[first], correct[first], questions[first], draws)
    cost = {"tokens": float(m.tokens[first].mean()), "seconds": float(m.seconds[first].mean())}
    return [row("positions", kind, strategy, method, len(first), **figures, **cost, **own)]


def token_ratios(cases: Cases) -> np.ndarray:
    """Tokens written at each spot, as a share of its answer's."""
    totals = {s.answer: _written(s.case.answer) for s in cases.spots if s.at("complete")}
    return np.array([_written(s.case.answer) / totals[s.answer] for s in cases.spots])


def _written(answer: Answer) -> int:
    return len(answer.token_ids) - len(answer.prompt_ids)
