"""Shared fixtures: tiny random models of real architectures, the embedded model, and the real data where it lies."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The same examples in every run, so that a run says something of the change and not of its luck; new ones are looked for
# with ``pytest --hypothesis-profile=explore``.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("steady")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models are slower on two threads, and much slower beside other work
pytest_plugins = ["tests.vllm_server"]
# Files whose tests ask the session's vLLM server; one process runs them all, so that there is one server.
ASKS_SERVER = ("test_vllm", "test_engine_contract", "test_writing_ahead")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What stays in one of the processes that share the tests out (pytest-xdist): a file, whose fixtures are made once, and all
    that asks the server."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("server" if item.path.name.startswith(ASKS_SERVER) else item.path.name))


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Where the tests run in the background, SIGINT is ignored, and the servers that they start would inherit that."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)


@pytest.fixture(scope="session")
def data() -> Path:
    """The directory of real questions and model text; tests that need it skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the real-data files are not at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    from training.tasks import draw
    from training.tokenizer import train_tokenizer

    demonstrations = [draw(random.Random(i), (1, 1, 1)) for i in range(1500)]
    return train_tokenizer((t for d in demonstrations for t in (d.question.text, d.answer_text)), 1024)


def tiny_model(architecture: str, vocabulary: int, end_id: int, seed: int = 0) -> Any:
    """A random causal LM of a named architecture, small enough for a unit test. Its distributions are far from uniform,
    so that a mistake in keys, masks or positions shows."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "eos_token_id": end_id,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **sizes)).eval()
    with torch.no_grad():
        model.lm_head.weight *= 8
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight *= 5
            layer.self_attn.k_proj.weight *= 5
    return model


@pytest.fixture(scope="session", params=["llama", "qwen2", "qwen3"])
def tiny(request: pytest.FixtureRequest, tiny_tokenizer: Any) -> Any:
    """(model, tokenizer) of each architecture."""
    return tiny_model(request.param, len(tiny_tokenizer), tiny_tokenizer.eos_token_id), tiny_tokenizer


@pytest.fixture(scope="session")
def embedded() -> Any:
    """The shipped model with its shipped estimator."""
    from estimator.loading import load

    return load()
