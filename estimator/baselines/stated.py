"""Confidences in words: the prompts, the cue after which a number is written, and how the number is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from estimator.engines.base import Engine, SampleRequest, Sampling
from estimator.types import Tokens

CUE = "\nConfidence (0-100):"
MAX_TOKENS = 12
# What a model that states no number is taken to have said: nothing either way.
UNSTATED = 0.5
VERB_PROMPT = (
    "Read the question, analyze step by step, provide your answer and your confidence in this answer. "
    'Use the following format to answer: "Explanation: [insert step-by-step analysis here] Answer: [ONLY the answer; not a '
    "complete sentence], Confidence (0-100): [Your confidence level, please only include the numerical number in the range of "
    '0-100]%"\nQuestion: {question}\nNow, please answer this question and provide your confidence level.'
)
STEP_PROMPT = (
    "Read the question, break down the problem into K steps, think step by step, give your confidence in each step, and then "
    "derive your final answer and your confidence in this answer. Note: The confidence indicates how likely you think your "
    "answer is true. After each step write a line: Confidence (0-100): [ONLY the confidence value that this step is correct]%\n"
    "Question: {question}\nNow, please answer this question and provide your confidence level."
)
_STATED = re.compile(r"(?<![\w.])(-?\d*\.?\d+)\s*(%|(?:/|out of)\s*\d+)?", re.ASCII)


def stated(text: str) -> float | None:
    """The confidence in [0, 1] that a text states behind the cue, or None: the first number of its first line, out of 100
    (``85``, ``85 %``), out of what it says (``9/10``), or a share where it has a decimal point and no more (``0.85``)."""
    found = _STATED.search(text.strip().split("\n")[0])
    if found is None:
        return None
    value, unit = float(found.group(1)), found.group(2)
    if unit and unit != "%":
        value /= max(float(re.sub(r"\D", "", unit)), 1e-9)
    elif unit or "." not in found.group(1) or value > 1:
        value /= 100
    return value if 0 <= value <= 1 else None


@dataclass(frozen=True, slots=True)
class Stating:
    """A model that states confidences: its engine, and the messages (with ``{question}``) that ask it for one confidence
    in an answer, and for one in each step. A model taught the format alone is asked the bare question; ``note`` says so to the
    reader of a table."""

    engine: Engine
    verb_prompt: str = VERB_PROMPT
    step_prompt: str = STEP_PROMPT
    note: str = "the paper's prompt"

    def __post_init__(self) -> None:
        if any("{question}" not in p for p in (self.verb_prompt, self.step_prompt)):
            raise ValueError("a prompt that asks for a confidence does not insert the {question}")

    def ask(self, prompts: Sequence[str], texts: Sequence[str]) -> list[tuple[str, int]]:
        """Per prompt and answer text (so far) what the model writes behind the cue, greedily, on one line; and the tokens
        that it cost, prefilled and generated."""
        asked: list[Tokens] = [
            (*self.engine.prompt_ids(p), *self.engine.text_ids(t.strip() + CUE)) for p, t in zip(prompts, texts, strict=True)
        ]
        written = self.engine.sample([SampleRequest(a) for a in asked], Sampling(0.0, MAX_TOKENS))
        return [
            (self.engine.decode(s.token_ids).strip().split("\n")[0], len(a) + len(s.token_ids))
            for a, (s,) in zip(asked, written, strict=True)
        ]
