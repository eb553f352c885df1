"""Token-id prompts: a question through the model's own chat template, and nothing in the question obeyed.

The template is rendered around a placeholder and the question is encoded on its own with special tokens switched off, so
that a question that spells ``<|end|>`` or a role marker stays text.
"""

from __future__ import annotations

from typing import Any

INSTRUCTION = (
    "Solve the problem step by step. Write each step as a short paragraph and separate paragraphs with a blank line. "
    "End with a last paragraph of the form: #### answer"
)
PLAIN_TEMPLATE = "Question: {question}\nAnswer: "
_PLACEHOLDER = "\N{OBJECT REPLACEMENT CHARACTER}question\N{OBJECT REPLACEMENT CHARACTER}"


def prompt_ids(tokenizer: Any, question: str) -> tuple[int, ...]:
    """Token ids of the prompt after which the model's answer begins (this is the paper's ``s = x``).

    ``tokenizer`` is a transformers tokenizer. Without a chat template the plain form ``Question: ... Answer:`` is used.
    """
    before, after = _template(tokenizer)
    return (*_encode(tokenizer, before), *text_ids(tokenizer, question), *_encode(tokenizer, after))


def text_ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Ids of ``text`` as plain text: markers of special tokens inside it are not obeyed."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return tuple(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))
    was = backend.encode_special_tokens
    backend.encode_special_tokens = True
    try:
        return tuple(backend.encode(text, add_special_tokens=False).ids)
    finally:
        backend.encode_special_tokens = was


def _template(tokenizer: Any) -> tuple[str, str]:
    if tokenizer.chat_template is None:
        before, after = PLAIN_TEMPLATE.split("{question}")
        return (tokenizer.bos_token or "") + before, after
    messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": _PLACEHOLDER}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    before, found, after = rendered.partition(_PLACEHOLDER)
    if not found:
        raise ValueError("the chat template does not insert the user's message")
    return before, after


def _encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))
