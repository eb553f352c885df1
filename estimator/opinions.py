"""Second opinions: what other answers to the same question say about a complete one.

Fresh answers cost tokens, so they are for answers in doubt. Each of them tells more than whether it agrees: it has a
confidence of its own, and it may be the better answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimator.answers import final_answer, meaning
from estimator.calibration import Logistic, to_logit
from estimator.scorers.base import Scorer
from estimator.types import Answer, Confidence

# Outside of these fresh answers change little for their tokens (see LOG.md).
HOPELESS, SURE = 0.1, 0.9


def in_doubt(confidence: float, hopeless: float = HOPELESS, sure: float = SURE) -> bool:
    """Whether fresh answers are worth their tokens."""
    return hopeless <= confidence < sure


def stated(answer: Answer, text: str) -> str | None:
    """The final answer of a complete answer, whose text is ``text``; None of one that was cut off."""
    return final_answer(text) if answer.finished else None


@dataclass(frozen=True, slots=True)
class Opinion:
    """An answer as the others see it: the ``meaning`` of its final answer (``estimator.answers.meaning``; None where it states
    none), its own confidence, in [0, 1], and whether it came to its end: what was cut off might have said anything, and is
    neither for nor against."""

    meaning: str | None
    confidence: float
    ended: bool = True

    @classmethod
    def of(cls, said: str | None, confidence: Confidence | float | None, *, ended: bool = True) -> Opinion:
        """Of a final answer and the confidence after it; None and None make one that says nothing."""
        if said is None or confidence is None:
            return cls(None, 0.0, ended)
        return cls(meaning(said) or None, confidence.value if isinstance(confidence, Confidence) else confidence, ended)

    def agrees_with(self, other: Opinion) -> bool:
        """Whether both state the same; who states nothing agrees with nobody."""
        return self.meaning is not None and self.meaning == other.meaning


def read(answers: Sequence[Answer], said: Sequence[str | None], scorer: Scorer) -> list[Confidence | None]:
    """The confidence at the end of each answer, all in one call; None where it said nothing."""
    worth = [a for a, s in zip(answers, said, strict=True) if s is not None]
    confidences = iter(scorer.score(worth) if worth else ())
    return [None if s is None else next(confidences) for s in said]


def inputs(own: Opinion, others: Sequence[Opinion]) -> NDArray[np.float64]:
    """``calibration.OPINION_INPUTS``: the logit of the own confidence; the share of the others that agree; and, as sums
    over the others divided by their number, the confidences of those that agree, of those that answer something else, and of
    the rival, the other answer that has most of it. An answer that states nothing neither agrees nor rivals."""
    held: dict[str, float] = defaultdict(float)
    for other in others:
        if other.meaning is not None:
            held[other.meaning] += other.confidence / len(others)
    agreeing = held.pop(own.meaning, 0.0) if own.meaning is not None else 0.0
    share = sum(o.agrees_with(own) for o in others) / len(others)
    start = float(to_logit(np.array(own.confidence)))
    return np.array([start, share, agreeing, sum(held.values()), max(held.values(), default=0.0)])


def weigh(answers: Sequence[Opinion], fitted: Mapping[int, Logistic]) -> list[float]:
    """The confidence of each answer, held against all the others that came to their end (its own where none did); 0 for one
    that states nothing or was cut off.

    ``fitted`` has a model for each number of others (``Combiner.opinions``); KeyError where it has none for this one."""
    heard = [a for a in answers if a.ended]
    if len(heard) < 2:
        return [a.confidence if a.ended else 0.0 for a in answers]
    rows = np.array([inputs(a, [*heard[:i], *heard[i + 1 :]]) for i, a in enumerate(heard)])
    values = iter(fitted[len(heard) - 1](rows).tolist())
    weighed = [next(values) if a.ended else 0.0 for a in answers]
    return [0.0 if a.meaning is None else w for a, w in zip(answers, weighed, strict=True)]
