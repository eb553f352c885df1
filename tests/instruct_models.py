"""Tiny random models of the architectures that people serve, with chat templates that give the texts that theirs give.

The templates are written anew and know system, user and assistant alone. What matters of the real ones is kept: a default
system message (Qwen2.5), the empty thinking block before an answer that is not to be thought about and before a last message
of the assistant (Qwen3), the text's own first token, dates in the system message and stripped contents (Llama 3.1).
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QWEN2 = (
    "{%- if messages[0]['role'] != 'system' %}"
    "{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- for m in messages %}{{- '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
QWEN3 = (
    "{%- set unthought = '<think>\\n\\n</think>\\n\\n' %}"
    "{%- for m in messages %}{{- '<|im_start|>' + m['role'] + '\\n' }}"
    "{%- if m['role'] == 'assistant' and loop.last %}{{- unthought }}{%- endif %}"
    "{{- m['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- unthought }}{%- endif %}{%- endif %}"
)
LLAMA3 = (
    "{{- bos_token }}{%- for m in messages %}{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- if m['role'] == 'system' %}{{- 'Cutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n' }}{%- endif %}"
    "{{- m['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
LLAMA_MARKS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
QWEN_MARKS = ("<|im_start|>", "<|im_end|>")
THINKING = ("<think>", "</think>")


@dataclass(frozen=True)
class Form:
    """An architecture with its template; the end token is the last of ``marks``. ``head_dim`` is its attention heads'."""

    architecture: str
    template: str
    marks: tuple[str, ...]
    head_dim: int
    bos: str | None = None


FORMS = (
    Form("qwen2", QWEN2, QWEN_MARKS, 32),
    Form("qwen3", QWEN3, (*THINKING, *QWEN_MARKS), 64),
    Form("llama", LLAMA3, LLAMA_MARKS, 64, LLAMA_MARKS[0]),
)


def write_model(form: Form, tokenizer: Any, folder: Path) -> Any:
    """Base and tokenizer of a form in ``folder``; returns the tokenizer. Its end tokens are two, as instruct models have."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    own = copy.deepcopy(tokenizer)
    own.add_special_tokens({"additional_special_tokens": [*form.marks, "<|endoftext|>"]})
    own.eos_token, own.chat_template = form.marks[-1], form.template
    if form.bos is not None:
        own.bos_token = form.bos
    own.save_pretrained(str(folder))
    torch.manual_seed(7)
    sizes = {
        "vocab_size": len(own), "hidden_size": 4 * form.head_dim, "intermediate_size": 256, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": form.head_dim, "max_position_embeddings": 1024,
        "tie_word_embeddings": False, "eos_token_id": own.eos_token_id, "bos_token_id": own.bos_token_id, "pad_token_id": 0,
    }  # fmt: skip
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(form.architecture, **sizes)).eval()
    with torch.no_grad():
        model.lm_head.weight *= 3  # far from uniform, so that a mistake shows, and yet each token comes up now and then
    model.save_pretrained(str(folder))
    ends = [own.eos_token_id, own.convert_tokens_to_ids("<|endoftext|>")]
    # What instruct models come with: a server that took its defaults from here would sample otherwise than it is asked to.
    sampling = {"top_k": 1, "top_p": 0.5, "repetition_penalty": 1.3, "do_sample": True}
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends, "pad_token_id": 0} | sampling))
    return own


def write_estimator(base: Path, tokenizer: Any, folder: Path) -> None:
    """A random adapter with the card that says that it belongs to ``base``."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(8)
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=8, lora_alpha=32, target_modules=modules, init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(str(folder))
    write_card(base, tokenizer, folder, seed=8)


def write_card(base: Path, tokenizer: Any, folder: Path, seed: int) -> None:
    """The card of an untrained adapter in ``folder``, which belongs to ``base``."""
    from estimator.artefacts import CARD, Card, model_hash, prompt_hash
    from estimator.levels import LEVEL_VALUES, level_ids

    card = Card(
        base_hash=model_hash(base),
        prompt_hash=prompt_hash(tokenizer),
        adapter_hash=model_hash(folder),
        data_hash="",
        level_ids=level_ids(tokenizer),
        level_values=LEVEL_VALUES.tolist(),
        seed=seed,
        recipe={},
        versions={},
    )
    (folder / CARD).write_text(card.model_dump_json())
