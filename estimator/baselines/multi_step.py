"""Multi-Step: the model says after every step how sure it is of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimator.baselines.base import Case, Scores, check_states
from estimator.baselines.stated import CUE, UNSTATED, Stating, stated
from estimator.types import PARAGRAPH_BREAK, Answer, Tokens


class StepStatements:
    """What the model states after each step of an answer, its own earlier statements in view; remembered by answer."""

    def __init__(self, stating: Stating) -> None:
        self.stating = stating
        self._known: dict[tuple[str, Tokens], tuple[str, int]] = {}  # the text with its statements, and its tokens

    def of(self, cases: Sequence[Case]) -> list[tuple[list[float | None], int]]:
        """Per case the confidence in each of its steps (None where none was stated), and the tokens that they cost."""
        for n in range(1, max((len(c.answer.segments) for c in cases), default=0) + 1):
            self._ask([(c.question.text, c.answer.upto(n)) for c in cases if len(c.answer.segments) >= n])
        out = []
        for case in cases:
            text, tokens = self._known[case.question.text, case.answer.token_ids]
            behind = (part.partition("\n")[0] for part in text.split(CUE)[1:])  # what follows is the next step
            out.append(([stated(line) for line in behind], tokens))
        return out

    def _ask(self, steps: Sequence[tuple[str, Answer]]) -> None:
        """One more step of each answer, all as one batch; the steps before it are known."""
        new = {(q, a.token_ids): a for q, a in steps if (q, a.token_ids) not in self._known}
        before = [self._known.get((q, a.upto(len(a.segments) - 1).token_ids), ("", 0)) for (q, _), a in new.items()]
        last = [self.stating.engine.decode(a.segments[-1].token_ids).strip() for a in new.values()]
        texts = [f"{text}{PARAGRAPH_BREAK}{step}".strip() for (text, _), step in zip(before, last, strict=True)]
        prompts = [self.stating.step_prompt.format(question=q) for q, _ in new]
        said = self.stating.ask(prompts, texts)
        for key, text, (_, spent), (number, tokens) in zip(new, texts, before, said, strict=True):
            self._known[key] = (f"{text}{CUE} {number}", spent + tokens)


class MultiStep:
    """The product of the stated confidences of the steps so far, or their mean; a step without one counts as 0.5."""

    states = frozenset({"partial", "complete"})
    is_probability = True

    def __init__(self, statements: StepStatements, mean: bool = False) -> None:
        self.statements, self.reduce = statements, np.mean if mean else np.prod
        self.name = f"Multi-Step ({'mean' if mean else 'product'})"
        self.source = f"Xiong 2023, {statements.stating.note}" + (
            ", as the paper varies it: mean over the steps" if mean else ": product over the steps"
        )

    def fit(self, cases: Sequence[Case]) -> None:
        """Nothing to learn."""

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        said = self.statements.of(cases)
        values = [self.reduce([UNSTATED if v is None else v for v in steps]) for steps, _ in said]
        return Scores(np.array(values, float), np.array([tokens for _, tokens in said], float))
