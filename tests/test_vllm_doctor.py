"""``doctor --base-url`` against a real server, and against the same server with a trap put in between."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.cli_double import invoke
from tests.fault_proxy import FaultProxy


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that is no good is asked for again, which helps against a busy server and not against a trap."""
    monkeypatch.setenv("CONTROLLER_PATIENCE", "2")


def without(field: str) -> Callable[[bytes, int], bytes]:
    """A server that does not know a field and says nothing: what every unknown field comes to."""
    return lambda body, _: body.replace(f'"{field}"'.encode(), b'"not_known_here"')


def base_is_the_adapter_in_a_batch(body: bytes, in_flight: int) -> bytes:
    return body.replace(b'"embedded"', b'"finece"') if in_flight > 1 else body


TRAPS: dict[str, tuple[Callable[[bytes, int], bytes], str]] = {
    "too few adapter slots": (base_is_the_adapter_in_a_batch, "base beside the estimator"),
    "the adapter is not applied": (lambda body, _: body.replace(b'"finece"', b'"embedded"'), "estimator is applied"),
    "seeds ignored": (without("seed"), "seed"),
    "another prompt is read": (lambda body, _: re.sub(rb'"prompt":\[\d+', b'"prompt":[5', body), "fields"),
}


def findings(url: str) -> tuple[int, dict[str, bool]]:
    result = invoke("doctor", "--base-url", url, "--json")
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
