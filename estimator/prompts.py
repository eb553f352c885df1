"""Token-id prompts: a question through the model's own chat template, and nothing in the question obeyed.

The template is rendered around a placeholder and the question is encoded on its own with special tokens switched off, so
that a question that spells ``<|end|>`` or a role marker stays text.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

INSTRUCTION = (
    "Solve the problem step by step. Write each step as a short paragraph and separate paragraphs with a blank line. "
    "End with a last paragraph of the form: #### answer"
)
PLAIN_TEMPLATE = "Question: {question}\nAnswer: "
_PLACEHOLDER = "\N{OBJECT REPLACEMENT CHARACTER}question\N{OBJECT REPLACEMENT CHARACTER}"
_STEPS = "\N{OBJECT REPLACEMENT CHARACTER}steps\N{OBJECT REPLACEMENT CHARACTER}"
# The paper's instruction for its fine-tuning (appendix, prompt for FineCE).
CONFIDENCE_REQUEST = "Below is a question and some steps: Question: {question} {steps} Please give your confidence."


def prompt_ids(tokenizer: Any, question: str) -> tuple[int, ...]:
    """Token ids of the prompt after which the model's answer begins (this is the paper's ``s = x``).

    ``tokenizer`` is a transformers tokenizer. Without a chat template the plain form ``Question: ... Answer:`` is used.
    """
    frame = prompt_frame(tokenizer)
    return (*frame.before, *text_ids(tokenizer, question), *frame.after)


def text_ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Ids of ``text`` as plain text: markers of special tokens inside it are not obeyed."""
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        return tuple(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))
    return tuple(_literal(tokenizer).encode(text, add_special_tokens=False).ids)


@lru_cache(maxsize=8)
def _literal(tokenizer: Any) -> Any:
    """A copy that spells special tokens out. It is a copy because the switch belongs to the whole tokenizer: turned on and off
    again in one thread, it would reach what another thread encodes in between."""
    backend = copy.deepcopy(tokenizer.backend_tokenizer)
    backend.encode_special_tokens = True
    return backend


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands before and after the question in a model's prompt, as token ids."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def question_of(self, prompt: tuple[int, ...]) -> tuple[int, ...]:
        """The question's ids in a prompt of ``prompt_ids``; ValueError where it is of another model or another form."""
        end = len(prompt) - len(self.after)
        if len(self.before) > end or prompt[: len(self.before)] != self.before or prompt[end:] != self.after:
            raise ValueError("the text does not begin with this model's prompt")
        return prompt[len(self.before) : end]


def prompt_frame(tokenizer: Any) -> Frame:
    """What ``prompt_ids`` puts around every question."""
    before, after = _template(tokenizer)
    return Frame(_encode(tokenizer, before), _encode(tokenizer, after))


class ConfidenceRequest:
    """The paper's request for a stated confidence in a tokenizer's form, filled with the token ids of question and steps."""

    def __init__(self, tokenizer: Any) -> None:
        self.frame = prompt_frame(tokenizer)
        text = CONFIDENCE_REQUEST.format(question=_PLACEHOLDER, steps=_STEPS)
        if tokenizer.chat_template is None:
            rendered = (tokenizer.bos_token or "") + text + "\nOutput: "
        else:
            messages = [{"role": "user", "content": text}]
            rendered = _rendered(tokenizer, messages)
        before, _, rest = rendered.partition(_PLACEHOLDER)
        between, found, after = rest.partition(_STEPS)
        if not found:
            raise ValueError("the chat template does not insert the user's message")
        self.before, self.between, self.after = (_encode(tokenizer, part) for part in (before, between, after))

    def ids(self, prompt: tuple[int, ...], answer: tuple[int, ...]) -> tuple[int, ...]:
        """The request about an answer (so far) to the question in ``prompt``."""
        return (*self.before, *self.frame.question_of(prompt), *self.between, *answer, *self.after)


def _template(tokenizer: Any) -> tuple[str, str]:
    if tokenizer.chat_template is None:
        before, after = PLAIN_TEMPLATE.split("{question}")
        return (tokenizer.bos_token or "") + before, after
    messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": _PLACEHOLDER}]
    before, found, after = _rendered(tokenizer, messages).partition(_PLACEHOLDER)
    if not found:
        raise ValueError("the chat template does not insert the user's message")
    return before, after


def _rendered(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The chat as text, up to where the model's answer begins. Models that can think out of sight (Qwen3) are asked not to,
    for what is scored is the answer, step by step; other templates do not know the switch."""
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=False)


def _encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))
