"""What an engine knows of a model without its weights: its tokenizer, its end tokens, and what tokens do to a paragraph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator.positions import BreakTable, break_table
from estimator.prompts import prompt_ids, text_ids
from estimator.types import Tokens


@dataclass(frozen=True)
class Vocabulary:
    """``tokenizer`` is a transformers tokenizer; ``end_ids`` are all tokens that end an answer; ``size`` counts the entries
    that the model's output has."""

    tokenizer: Any
    end_ids: frozenset[int]
    table: BreakTable
    size: int

    @property
    def end_id(self) -> int:
        return self.tokenizer.eos_token_id

    def prompt_ids(self, question: str) -> Tokens:
        return prompt_ids(self.tokenizer, question)

    def text_ids(self, text: str) -> Tokens:
        return text_ids(self.tokenizer, text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.tokenizer.decode([i for i in token_ids if i not in self.end_ids], skip_special_tokens=False)


class WithVocabulary:
    """What an engine answers by its vocabulary alone (see ``estimator.engines.base.Engine``)."""

    vocabulary: Vocabulary

    @property
    def tokenizer(self) -> Any:
        return self.vocabulary.tokenizer

    @property
    def end_id(self) -> int:
        return self.vocabulary.end_id

    @property
    def table(self) -> BreakTable:
        return self.vocabulary.table

    def prompt_ids(self, question: str) -> Tokens:
        return self.vocabulary.prompt_ids(question)

    def text_ids(self, text: str) -> Tokens:
        return self.vocabulary.text_ids(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.vocabulary.decode(token_ids)


def vocabulary_of(tokenizer: Any, configured_ends: int | Sequence[int] | None, size: int | None) -> Vocabulary:
    """``configured_ends`` are the end tokens that the model's generation configuration names; ``size`` None: as many as the
    tokenizer has."""
    pieces = [tokenizer.decode([i], skip_special_tokens=False) for i in range(len(tokenizer))]
    return Vocabulary(tokenizer, _end_ids(tokenizer, configured_ends), break_table(pieces), size or len(pieces))


def read_vocabulary(directory: Path) -> Vocabulary:
    """From a model's directory. Raises what transformers raises where its tokenizer cannot be read (OSError, ValueError)."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    return vocabulary_of(tokenizer, _configured_ends(directory), _configured(directory / "config.json", "vocab_size"))


def read_end_ids(directory: Path, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer of the model in ``directory``, whose tokenizer this is."""
    return _end_ids(tokenizer, _configured_ends(directory))


def _end_ids(tokenizer: Any, configured: int | Sequence[int] | None) -> frozenset[int]:
    ends = [configured] if isinstance(configured, int) else configured or []
    return frozenset({*ends, tokenizer.eos_token_id} - {None})


def _configured_ends(directory: Path) -> Any:
    return _configured(directory / "generation_config.json", "eos_token_id")


def _configured(path: Path, key: str) -> Any:
    return json.loads(path.read_bytes()).get(key) if path.is_file() else None
