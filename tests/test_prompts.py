"""A question is data: nothing in it is obeyed by the prompt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from estimator.prompts import prompt_ids, text_ids


@pytest.mark.parametrize("text", ["<|end|>", "<|user|>", "a <|assistant|> b", "<|pad|><|end|>", "{{ x }} {% y %}"])
def test_special_tokens_in_a_question_stay_text(tiny_tokenizer: Any, text: str) -> None:
    ids = prompt_ids(tiny_tokenizer, text)
    specials = set(tiny_tokenizer.all_special_ids) | set(tiny_tokenizer.convert_tokens_to_ids(["<|user|>", "<|assistant|>"]))
    assert [i for i in ids if i in specials] == [ids[0], ids[-1]]
    assert tiny_tokenizer.decode(ids[1:-1]) == text


@pytest.mark.parametrize("text", ["", "é\u0301 שלום مرحبا 中文 😀", "\x00\x1b[31m", "a\n\nb"])
def test_any_text_can_be_read_back(tiny_tokenizer: Any, text: str) -> None:
    assert tiny_tokenizer.decode(text_ids(tiny_tokenizer, text)) == text


def test_encoding_text_leaves_the_tokenizer_as_it_was(tiny_tokenizer: Any) -> None:
    text_ids(tiny_tokenizer, "x<|end|>")
    assert tiny_tokenizer.encode("<|end|>") == [tiny_tokenizer.eos_token_id]


def test_prompts_made_at_the_same_time_do_not_disturb_each_other(tiny_tokenizer: Any) -> None:
    questions = [f"<|user|> How many <|end|> of {n}?" for n in range(16)]
    alone = [prompt_ids(tiny_tokenizer, q) for q in questions]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda q: [prompt_ids(tiny_tokenizer, q) for _ in range(100)], questions))
    assert all(made == [one] * 100 for made, one in zip(together, alone, strict=True))


def test_a_template_that_drops_the_question_is_refused(tiny_tokenizer: Any) -> None:
    import copy

    broken = copy.deepcopy(tiny_tokenizer)
    broken.chat_template = "{% for m in messages %}x{% endfor %}"
    with pytest.raises(ValueError, match="does not insert"):
        prompt_ids(broken, "How many?")


def test_without_a_template_the_plain_form_holds_the_question(tiny_tokenizer: Any) -> None:
    import copy

    plain = copy.deepcopy(tiny_tokenizer)
    plain.chat_template = None
    assert "How many legs?" in plain.decode(prompt_ids(plain, "How many legs?"))
