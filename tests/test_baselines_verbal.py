"""The format adapter: numbers that say nothing, a model that writes them, and a base that it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimator.baselines.stated import CUE, stated
from estimator.engines.base import SampleRequest, Sampling
from estimator.loading import LoadError, embedded_dir
from estimator.positions import Position, cut
from estimator.types import Answer
from training.questions import questions
from training.verbal import Example, FormatRecipe, examples, format_stating, train_format

BASE = embedded_dir() / "base"
BRIEF = FormatRecipe(steps=30, rows_per_step=4, lr=8e-3)


@pytest.fixture(scope="module")
def rows(embedded: Any) -> list[Example]:
    engine = embedded.engine
    prompts = [engine.prompt_ids(q.text) for q in questions("fact", "train", 24, 1)]
    written = engine.sample([SampleRequest(p, seed=1) for p in prompts], Sampling(max_tokens=80))
    answers = [Answer(p, cut(s, Position(), engine.table)) for p, (s,) in zip(prompts, written, strict=True)]
    return examples(engine, answers, 1)


def test_examples_state_numbers_of_every_size_behind_steps_and_ends(embedded: Any, rows: list[Example]) -> None:
    texts = [embedded.engine.decode(e.answer_ids) for e in rows]
    numbers = [stated(part) for t in texts for part in t.split(CUE)[1:]]
    assert all(n is not None for n in numbers) and 0.3 < np.mean([n for n in numbers if n is not None]) < 0.7
    assert all(
        e.answer_ids[-1] == embedded.engine.end_id and t.rstrip().endswith("%") for e, t in zip(rows, texts, strict=True)
    )
    for e in rows:
        assert CUE not in embedded.engine.decode([t for t, learnt in zip(e.answer_ids, e.learnt, strict=True) if learnt])
    counts = [t.count(CUE) for t in texts]
    assert max(counts[::2]) > 1 and set(counts[1::2]) == {1}


@pytest.fixture(scope="module")
def adapter(rows: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("format")
    train_format(BASE, rows, out, BRIEF)
    return out


def test_the_model_states_numbers_once_it_was_taught(embedded: Any, adapter: Path) -> None:
    stating = format_stating(BASE, adapter)
    asked = [q.text for q in questions("fact", "test", 10, 2)]
    texts = ["The answer is France.\n\n#### France"] * len(asked)
    said = [stated(text) for text, _ in stating.ask(asked, texts)]
    assert sum(n is not None for n in said) >= 9
    assert [text for text, _ in stating.ask(asked, texts)] == [
        text for text, _ in format_stating(BASE, adapter).ask(asked, texts)
    ]
    prompt = embedded.engine.prompt_ids(asked[0])
    assert stating.engine.prompt_ids(asked[0]) == prompt


def test_an_adapter_of_another_base_or_none_is_refused(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="train the format adapter again"):
        format_stating(BASE, tmp_path)
    with pytest.raises(LoadError, match="was made for base"):
        format_stating(embedded_dir() / "adapter", adapter)
    assert str(BASE) not in "".join(p.read_text(encoding="utf-8") for p in adapter.glob("*.json"))
    with pytest.raises(ValueError, match="no finished answer"):
        train_format(BASE, [], tmp_path)
