"""``doctor --base-url`` against a real server, and against the same server with a trap put in between."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from estimator.loading import embedded_dir
from tests.cli_double import invoke
from tests.fault_proxy import Exchange, FaultProxy, Spoil, edited, pass_on


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that is no good is asked for again, which helps against a busy server and not against a trap."""
    monkeypatch.setenv("CONTROLLER_PATIENCE", "2")


def without(field: str) -> Callable[[bytes, int], bytes]:
    """A server that does not know a field and says nothing: what every unknown field comes to."""
    return lambda body, _: body.replace(f'"{field}"'.encode(), b'"not_known_here"')


def base_is_the_adapter_in_a_batch(body: bytes, in_flight: int) -> bytes:
    """A text that is written in company; readings (of one token) are of one model at a time."""
    written = in_flight > 1 and b'"max_tokens":1,' not in body
    return body.replace(b'"embedded"', b'"finece"') if written else body


TRAPS: dict[str, tuple[Callable[[bytes, int], bytes], str]] = {
    "too few adapter slots": (base_is_the_adapter_in_a_batch, "base beside the estimator"),
    "the adapter is not applied": (lambda body, _: body.replace(b'"finece"', b'"embedded"'), "estimator is applied"),
    "seeds ignored": (without("seed"), "seed"),
    "another prompt is read": (lambda body, _: re.sub(rb'"prompt":\[\d+', b'"prompt":[5', body), "fields"),
}


def too_short(reply: bytes) -> bytes:
    return reply.replace(b'"max_model_len":1024', b'"max_model_len":512')


def wrong_in_three_ways(exchange: Exchange) -> None:
    """Log-probabilities of the temperature that is sampled at, logits of 8 binary digits, and nothing cached."""
    asked = exchange.request

    def edit(body: bytes) -> bytes:
        reply = json.loads(body)
        for choice in reply.get("choices", []):
            told = choice["logprobs"]
            if b'"temperature":2.0' in asked:
                told["token_logprobs"] = [v / 2 for v in told["token_logprobs"]]
            if b'"logprob_token_ids"' in asked and b'"model":"embedded"' in asked:
                [top] = told["top_logprobs"]
                told["top_logprobs"] = [dict(zip(top, coarse(list(top.values())), strict=True))]
            reply["usage"]["prompt_tokens_details"] = {"cached_tokens": 0}
        return json.dumps(reply).encode()

    pass_on(exchange) if b'"stream":true' in asked else edited(edit)(exchange)


def coarse(logprobs: list[float]) -> list[float]:
    return (torch.tensor(logprobs) + 16).bfloat16().sub(16).clamp(max=0).tolist()


def spoilt(url: str, only: str, spoil: Spoil) -> FaultProxy:
    """A proxy that does it to every reply of one kind."""
    proxy = FaultProxy(url, only=only)
    proxy.faults.extend([spoil] * 10_000)
    return proxy


def findings(url: str, *options: str) -> tuple[int, dict[str, bool]]:
    result = invoke("doctor", "--base-url", url, *options, "--json")
    report = json.loads(result.stdout)
    return result.exit_code, {c["name"]: c["ok"] for c in report["checks"]}


def test_a_good_server_passes(server_url: str) -> None:
    code, found = findings(server_url)
    assert (code, [name for name, ok in found.items() if not ok]) == (0, [])
    assert {"context", "dtype", "prefix cache", "seed", "tuned policy", "the same estimator"} <= set(found)


@pytest.mark.parametrize("trap", TRAPS)
def test_each_trap_is_found(server_url: str, trap: str) -> None:
    rewrite, name = TRAPS[trap]
    proxy = FaultProxy(server_url, rewrite=rewrite)
    code, found = findings(proxy.url)
    proxy.close()
    assert code == 1 and found[name] is False


def test_replies_that_are_wrong_and_files_that_are_of_others_are_found(server_url: str, tmp_path: Path) -> None:
    replies = spoilt(server_url, "/completions", wrong_in_three_ways)
    models = spoilt(replies.url, "/v1/models", edited(too_short))
    other, policy = tmp_path / "other", tmp_path / "policy.toml"
    shutil.copytree(embedded_dir() / "adapter", other)
    weights = load_file(other / "adapter_model.safetensors")
    save_file({name: w * 0.5 for name, w in weights.items()}, other / "adapter_model.safetensors")
    policy.write_text("accept = 0.6\n")
    policy.with_suffix(".certificate.json").write_text('{"hashes": {"base": "of another model"}}')
    code, found = findings(models.url, "--policy", str(policy), "--estimator", f"finece={other}")
    models.close()
    replies.close()
    wrong = {"context", "tuned policy", "temperature", "dtype", "prefix cache", "the same estimator"}
    assert code == 1 and {name for name, ok in found.items() if not ok} == wrong


@pytest.mark.parametrize("field", ["return_token_ids", "return_tokens_as_token_ids", "logprob_token_ids", "allowed_token_ids"])
def test_a_field_that_is_ignored_is_an_error_and_no_answer(server_url: str, field: str) -> None:
    proxy = FaultProxy(server_url, rewrite=without(field))
    result = invoke("solve", "What is 3 + 4?", "--base-url", proxy.url) if field != "allowed_token_ids" else None
    if result is not None:
        assert result.exit_code == 5 and field in result.stderr and "Traceback" not in result.output
    else:
        assert invoke("score", "What is 3 + 4?", "--answer", "#### 7", "--base-url", proxy.url).exit_code == 5
    proxy.close()


def test_where_nothing_answers() -> None:
    assert invoke("doctor", "--base-url", "http://127.0.0.1:9", "--json").exit_code == 5
