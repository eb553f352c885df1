"""Reading the confidence in an answer that somebody already has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.reports import ScoreReport, confidence_report
from estimator.segments import segments_of
from estimator.types import Answer, Confidence

if TYPE_CHECKING:
    from estimator.loading import Loaded


@dataclass(frozen=True)
class ScoredAnswer:
    """A given answer, read as finished or as ``partial``, with the confidence before it and after each of its paragraphs."""

    question: str
    partial: bool
    question_confidence: Confidence
    paragraphs: tuple[tuple[str, Confidence], ...]

    def report(self, loaded: Loaded) -> ScoreReport:
        """The object of ``score --json``."""
        return {
            "question": self.question,
            "paragraphs": [{"text": text, **confidence_report(c)} for text, c in self.paragraphs],
            "question_confidence": confidence_report(self.question_confidence),
            "confidence": self.paragraphs[-1][1].value,
            "partial": self.partial,
            "model": loaded.model,
            "estimator": loaded.estimator,
            "engine": loaded.engine.name,
        }


def score_answer(loaded: Loaded, question: str, answer: str, *, finished: bool = True) -> ScoredAnswer:
    """Confidence in the question and after each paragraph of ``answer``; ``finished`` says that nothing follows it."""
    engine = loaded.engine
    prompt = engine.prompt_ids(question)
    whole = Answer(prompt, segments_of(engine, prompt, answer, finished))
    prefixes = [whole.upto(n) for n in range(len(whole.segments) + 1)]
    start, *after = loaded.scorer.score(prefixes)
    texts = [engine.decode(s.token_ids).strip() for s in whole.segments]
    return ScoredAnswer(question, not finished, start, tuple(zip(texts, after, strict=True)))
