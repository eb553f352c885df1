"""P(True): the model is shown its own answer among others and asked whether it is true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimator.answers import final_answer
from estimator.baselines.base import BaselineError, Case, Scores, check_states, written
from estimator.baselines.pool import Draws, SamplePool
from estimator.engines.base import Engine, NextToken, capable

BLOCK = (
    "Question: {question}\nHere are some brainstormed ideas: {ideas}\nPossible Answer: {answer}\n"
    "Is the possible answer:\n (A) True\n (B) False\nThe possible answer is: ("
)
VERDICTS = {True: "A", False: "B"}
NO_ANSWER = "no answer"


class PTrue:
    """The probability of ``A`` after the question, ``ideas`` samples, the proposed answer and the two options, behind
    ``shots`` solved examples from the fitting split, right and wrong in turn, of different questions."""

    name = "P(True)"
    states = frozenset({"complete"})
    is_probability = True

    def __init__(self, engine: Engine, pool: SamplePool, ideas: int = 5, shots: int = 4, seed: int = 0) -> None:
        self.engine, self.pool, self.ideas, self.shots, self.seed = engine, pool, min(ideas, pool.k), shots, seed
        self.source = f"Kadavath 2022: {shots} examples, {self.ideas} samples shown"
        self._examples: str | None = None

    def fit(self, cases: Sequence[Case]) -> None:
        capable(self.engine, NextToken, self.name)  # before samples are drawn in vain
        complete = sorted((c for c in cases if c.answer.finished), key=lambda c: (c.answer.token_ids, c.correct))
        order = np.random.default_rng(self.seed).permutation(len(complete))
        picked: dict[str, Case] = {}
        for wanted in [i % 2 == 0 for i in range(self.shots)]:
            fitting = (complete[i] for i in order if complete[i].correct == wanted and complete[i].question.text not in picked)
            case = next(fitting, None)
            if case is None:
                raise BaselineError(f"{self.name} needs {self.shots} complete answers, right and wrong, in the fitting split")
            picked[case.question.text] = case
        shown = zip(picked.values(), self._draw(list(picked.values())), strict=True)
        self._examples = "".join(f"{self._block(c, d)}{VERDICTS[c.correct]}) {c.correct}\n\n" for c, d in shown)

    def score(self, cases: Sequence[Case]) -> Scores:
        check_states(self, cases)
        if self._examples is None:
            raise BaselineError(f"{self.name} has to be fitted first: its prompt shows examples")
        engine, draws = capable(self.engine, NextToken, self.name), self._draw(cases)
        examples = self._examples
        prompts = [self.engine.text_ids(examples + self._block(c, d)) for c, d in zip(cases, draws, strict=True)]
        values = np.exp(engine.next_logprobs(prompts, self.engine.text_ids(VERDICTS[True])[:1])[:, 0])
        drawn = np.array([d.tokens for d in draws], float)
        return Scores(values, drawn + [len(p) for p in prompts], drawn)

    def _draw(self, cases: Sequence[Case]) -> list[Draws]:
        return [d.first(self.ideas) for d in self.pool.draw([c.answer for c in cases])]

    def _block(self, case: Case, draws: Draws) -> str:
        answer = final_answer(written(self.engine, case.answer)) or NO_ANSWER
        ideas = "\n".join(a or NO_ANSWER for a in draws.answers)
        return BLOCK.format(question=case.question.text, ideas=ideas, answer=answer)
