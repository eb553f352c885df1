"""What ``doctor`` says of servers that are sound, of servers that are not, and of looks that cannot be ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from controller import server_checks
from controller.server_checks import DIGITS, are_of, check_server
from controller.settings import Settings, load_settings
from estimator import loading
from estimator.calibration import CombinerError
from estimator.engines.base import EngineError
from estimator.engines.vocabulary import Vocabulary, read_vocabulary
from estimator.loading import Check, Loaded, LoadError, embedded_dir
from estimator.served import Served, Server
from graphs.policy_file import load_policy
from graphs.trace import fingerprint
from tests.toy_server import ADAPTER, BASE, ToyServer

NOISE = {"float32": 0.0, "float16": 0.005, "bfloat16": 0.05}  # what these formats' rounding comes to in one forward pass
SETTINGS = load_settings(base_url="http://toy")
FAULTS = {
    "company": {"base beside the estimator"},
    "seed ignored": {"seed"},
    "seed fixed": {"seed"},
    "processed": {"temperature"},
    "masked": {"temperature", "base beside the estimator"},
    "no cache": {"prefix cache"},
    "not applied": {"estimator is applied"},
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return read_vocabulary(embedded_dir() / "base")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch):
    """Doctor's findings on an engine; ``served`` are changes of what the server says of its base."""

    def look(engine: Any, settings: Settings = SETTINGS, here: Path | None = None, **served: Any) -> dict[str, Check]:
        base = replace(Served(BASE, embedded_dir() / "base", 1024), **served)
        loaded: Any = Loaded(engine, None, base.name, ADAPTER, {"base": "b", "adapter": "a", "prompt": "p"})  # type: ignore[arg-type]
        doubles = {
            "client_for": engine.client,
            "connect": Server(engine.client, "0", {}),
            "find_model": base,
            "find_adapter": Served(ADAPTER, here, 0),
            "load_served": loaded,
        }
        for name, double in doubles.items():
            monkeypatch.setattr(server_checks, name, lambda *_, double=double: double)
        return {c.name: c for c in check_server(settings)}

    return look


def failed(found: dict[str, Check]) -> set[str]:
    return {name for name, check in found.items() if not check.ok}


@pytest.mark.parametrize("dtype", NOISE)
def test_a_sound_server_passes_also_where_it_does_not_repeat_every_bit(dtype: str, vocabulary: Vocabulary, looked) -> None:
    found = looked(ToyServer(vocabulary, dtype, NOISE[dtype]))
    assert len(found) == 11 and failed(found) == ({"dtype"} if dtype == "bfloat16" else set())  # the model's is float16
    assert dtype in found["dtype"].detail and "nats" in found["base beside the estimator"].detail


@pytest.mark.parametrize("dtype", NOISE)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_in_every_format(fault: str, dtype: str, vocabulary: Vocabulary, looked) -> None:
    found = looked(ToyServer(vocabulary, dtype, NOISE[dtype], fault))
    assert failed(found) - {"dtype"} == FAULTS[fault] and all(found[name].remedy for name in FAULTS[fault])


def test_in_float32_nothing_may_change(vocabulary: Vocabulary, looked) -> None:
    assert {"seed", "base beside the estimator"} <= failed(looked(ToyServer(vocabulary, "float32", NOISE["bfloat16"])))


@pytest.mark.parametrize("error", [EngineError("no: do"), LoadError("no: do"), ValueError("no"), KeyError("no"), OSError("no")])
def test_a_look_that_cannot_be_ended_is_a_finding_among_the_others(error, vocabulary, looked, monkeypatch) -> None:
    engine = ToyServer(vocabulary)
    monkeypatch.setattr(engine, "next_logprobs", lambda *_: (_ for _ in ()).throw(error))
    found = looked(engine)
    assert len(found) == 11 and {"dtype", "seed"} <= failed(found) and found["prefix cache"].ok
    assert "no" in found["dtype"].detail and found["dtype"].remedy


def test_a_bad_policy_file_does_not_hide_the_server(vocabulary, looked, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("accept = 'high'")
    found = looked(ToyServer(vocabulary), load_settings(base_url="http://toy", policy=tmp_path / "bad.toml"))
    assert failed(found) == {"context"} and "bad.toml" in found["context"].detail


@pytest.mark.parametrize(
    "error", [EngineError("refuses it"), LoadError("no card: train it"), CombinerError("bad: fit it again"), OSError("no file")]
)
def test_a_server_whose_model_cannot_be_loaded_is_a_finding(error, vocabulary, looked, monkeypatch) -> None:
    looked(ToyServer(vocabulary))
    monkeypatch.setattr(server_checks, "load_served", lambda *_: (_ for _ in ()).throw(error))
    [check] = check_server(SETTINGS)
    assert check.name == "served model" and not check.ok and check.remedy


def test_readings_are_compared_beside_the_gpu_and_not_on_it(vocabulary, looked, monkeypatch) -> None:
    """The server has taken the GPU's memory."""
    asked: list[dict] = []
    monkeypatch.setattr(loading, "local_engine", lambda *_, **options: asked.append(options) or ToyServer(vocabulary))
    found = looked(ToyServer(vocabulary), here=embedded_dir() / "adapter")
    assert asked[0]["device"] == "cpu" and found["the same estimator"].ok
    monkeypatch.setattr(loading, "local_engine", lambda *_, **__: ToyServer(vocabulary, fault="not applied"))
    assert failed(looked(ToyServer(vocabulary), here=embedded_dir() / "adapter")) == {"the same estimator"}


def test_a_model_that_fills_the_memory_is_not_loaded(vocabulary, looked, monkeypatch) -> None:
    monkeypatch.setattr(server_checks.os, "sysconf", lambda _: 1024)
    found = looked(ToyServer(vocabulary), here=embedded_dir() / "adapter")
    assert found["the same estimator"].ok and "memory" in found["the same estimator"].detail


def test_a_context_without_room_for_an_answer(vocabulary, looked) -> None:
    found = looked(ToyServer(vocabulary), max_context=512)
    assert failed(found) == {"context"} and "--context 1024" in found["context"].remedy


def test_the_certificate_of_a_policy_that_is_named(vocabulary, looked, tmp_path: Path) -> None:
    policy, own = tmp_path / "policy.toml", {"base": "b", "adapter": "a", "prompt": "p"}
    policy.write_text("accept = 0.6")
    whole = {"threshold": 0.6, "policy_hash": fingerprint(load_policy(policy).model_dump())}
    for hashes, accept, told in (
        (own, None, "tuned on this estimator (a)"),
        (own, 0.5, "tuned with accept = 0.6"),
        (own | {"adapter": "x"}, None, "tuned on another one (adapter x there, a here)"),
    ):
        policy.with_suffix(".certificate.json").write_text(json.dumps(whole | {"hashes": hashes}))
        settings = load_settings(base_url="http://toy", policy=policy, accept=accept)
        check = looked(ToyServer(vocabulary), settings)["tuned policy"]
        assert check.detail == told and check.ok == ("this" in told)


def test_without_a_policy_of_its_own_another_model_is_not_at_fault(vocabulary, looked) -> None:
    """The policy in force is then the embedded model's."""
    other, embedded = looked(ToyServer(vocabulary)), looked(ToyServer(vocabulary), name="embedded")
    assert other["tuned policy"].ok and "no policy named" in other["tuned policy"].detail
    assert failed(embedded) == {"tuned policy"}  # the toy's hashes are not those of the shipped certificate


@pytest.mark.parametrize("mean", [-5.0, 0.0, 8.0])
@pytest.mark.parametrize("spread", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("dtype", DIGITS)
def test_formats_are_told_apart_by_log_probabilities(dtype: str, spread: float, mean: float) -> None:
    """Some tokens of a vocabulary, the likeliest of all not among them."""
    torch.manual_seed(0)
    logits = (mean + spread * torch.randn(4, 3000)).to(getattr(torch, dtype)).float()
    logits[:, 0] = 5 * spread
    rows = np.asarray(logits.log_softmax(-1)[:, 1::47])
    fits = [all(are_of(row, DIGITS[name]) for row in rows) for name in ("bfloat16", "float16")]
    assert fits == [dtype == "bfloat16", dtype != "float32"]
