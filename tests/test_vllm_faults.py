"""Whatever goes wrong between here and a real server ends in a retry that succeeds, or in a clear error and exit code 5."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.cli import app
from estimator.engines.base import EngineError, EngineUnreachable, SampleRequest, Sampling
from estimator.engines.client import ServerClient
from estimator.engines.vllm import VllmEngine
from estimator.loading import Loaded
from estimator.positions import Position, PositionKind, cut, parse_position
from estimator.types import Segment
from graphs.policy import Policy
from graphs.reasoning import solve
from graphs.trace import read_trace
from tests import fault_proxy as faults
from tests.fault_proxy import FaultProxy, Spoil

QUESTION = "Tom has 3 pens and buys 4 more. How many pens does he have?"
SHORT = Sampling(max_tokens=8, entropies=True)


def without(field: str) -> Spoil:
    """A reply whose log-probabilities lack a field."""

    def edit(body: bytes) -> bytes:
        reply = json.loads(body)
        for choice in reply["choices"]:
            choice["logprobs"][field] = None
        return json.dumps(reply).encode()

    return faults.edited(edit)


def with_nan(body: bytes) -> bytes:
    return re.sub(rb"-\d+\.\d+", b"NaN", body, count=1)


def with_clamped(body: bytes) -> bytes:
    return re.sub(rb"-\d+\.\d+", b"-9999.0", body)


def with_change(change: Callable[[Any], object]) -> Spoil:
    """Valid JSON of another shape than the protocol's."""

    def edit(body: bytes) -> bytes:
        reply = json.loads(body)
        change(reply)
        return json.dumps(reply).encode()

    return faults.edited(edit)


def _oddly_keyed(reply: Any) -> None:
    for choice in reply["choices"]:
        choice["logprobs"]["top_logprobs"] = [{"token_id:abc": -1.0}] * len(choice["token_ids"])


PASSING: dict[str, Spoil] = {
    "reset": faults.reset_at_once,
    "reset in the middle": faults.reset_in_the_middle,
    "429": faults.status("429 Too Many Requests", "Retry-After: 1"),
    "500": faults.status("500 Internal Server Error"),
    "503 while loading": faults.status("503 Service Unavailable"),
    "hanging": faults.hang(20.0),
    "truncated JSON": faults.edited(lambda body: body[: len(body) // 2]),
    "no JSON": faults.edited(lambda body: b"<html>busy</html>"),
    "a list": faults.edited(lambda body: b"[]"),
    "NaN": faults.edited(with_nan),
    "minus infinity": faults.edited(with_clamped),
    "no log-probabilities": without("top_logprobs"),
    "null for a number": with_change(lambda reply: reply["usage"].update(prompt_tokens=None)),
    "texts for choices": with_change(lambda reply: reply.update(choices=["a"] * len(reply["choices"]))),
    "a text for log-probabilities": with_change(lambda reply: reply["choices"][0].update(logprobs="none")),
    "odd keys": with_change(_oddly_keyed),
}

# Those that can spoil a stream of events.
STREAMED = [
    "reset",
    "reset in the middle",
    "500",
    "503 while loading",
    "hanging",
    "truncated JSON",
    "no JSON",
    "NaN",
    "minus infinity",
]


@pytest.fixture
def proxy(server_url: str) -> Iterator[FaultProxy]:
    made = FaultProxy(server_url)
    yield made
    made.close()


def engine_behind(proxy: FaultProxy, served: Loaded, **options: Any) -> VllmEngine:
    """The session's engine, with its requests going through the proxy."""
    assert isinstance(served.engine, VllmEngine)
    twin = served.engine.forked()
    options = {"timeout": 60.0, "patience": 90.0, **options}
    twin.client = ServerClient(proxy.url, **options)
    return twin


@pytest.mark.parametrize("fault", PASSING)
def test_a_failure_that_passes_changes_nothing(proxy: FaultProxy, served: Loaded, fault: str) -> None:
    engine = engine_behind(proxy, served, timeout=5.0 if fault == "hanging" else 60.0)
    request = SampleRequest(served.engine.prompt_ids(QUESTION), n=2, seed=5)
    expected = served.engine.sample([request], SHORT), served.engine.levels([request.prefix])
    proxy.faults.extend([PASSING[fault], faults.pass_on, PASSING[fault]])
    begun = time.monotonic()
    assert (engine.sample([request], SHORT), engine.levels([request.prefix])) == expected
    assert proxy.served >= 4  # on a busy machine an honest reply may count as hanging too
    if fault == "429":
        assert time.monotonic() - begun >= 2  # both times as long as the server asked for
    assert engine.usage.generated == sum(len(s.token_ids) for s in expected[0][0])  # what was tried is not counted twice


def test_a_token_without_its_log_probability_is_asked_for_again(proxy: FaultProxy, served: Loaded) -> None:
    engine, request = engine_behind(proxy, served), SampleRequest(served.engine.prompt_ids(QUESTION), seed=5)
    expected = served.engine.sample([request], Sampling(max_tokens=8))
    proxy.faults.append(without("token_logprobs"))
    assert engine.sample([request], Sampling(max_tokens=8)) == expected
    assert proxy.served >= 2


def test_a_stream_that_breaks_off_starts_again(proxy: FaultProxy, served: Loaded) -> None:
    engine = engine_behind(proxy, served)
    request = SampleRequest(served.engine.prompt_ids(QUESTION), seed=5)
    sampling = Sampling(max_tokens=20, position=parse_position("entropy:0.4"))
    proxy.faults.append(faults.reset_in_the_middle)
    assert engine.sample([request], sampling) == served.engine.sample([request], sampling)


def segments_of(
    engine: VllmEngine, request: SampleRequest, sampling: Sampling, then: Callable[[], None] = lambda: None
) -> list[Segment]:
    """All segments of an answer that is written as a stream; ``then`` is called behind the first."""
    stream = engine.begin(request, sampling, sampling.max_tokens)
    assert stream is not None
    segments = []
    while (segment := stream.next()) is not None:
        segments.append(segment)
        if len(segments) == 1:
            then()
    return segments


def ending(how: bytes) -> Spoil:
    """A stream that says another reason for its end."""
    return faults.edited(lambda body: re.sub(rb'"finish_reason":"\w+"', b'"finish_reason":"%s"' % how, body))


def short_of(tokens: int) -> Spoil:
    """A stream that ends as if no more had been asked for."""

    def edit(body: bytes) -> bytes:
        events = [e for e in body.split(b"\n\n") if b'"token_ids":[' in e][:tokens]
        events[-1] = events[-1].replace(b'"finish_reason":null', b'"finish_reason":"length"')
        return b"\n\n".join([*events, b"data: [DONE]", b""])

    return faults.edited(edit)


# What breaks off a stream: the last as a server that is told to stop says it.
BREAKING = {name: PASSING[name] for name in ("reset", "reset in the middle", "503 while loading", "hanging")} | {
    "abort": ending(b"abort")
}


@pytest.mark.parametrize("fault", BREAKING)
def test_an_answer_whose_stream_breaks_off_comes_out_the_same(proxy: FaultProxy, served: Loaded, fault: str) -> None:
    engine = engine_behind(proxy, served, timeout=3.0 if fault == "hanging" else 60.0)
    request, sampling = SampleRequest(served.engine.prompt_ids(QUESTION), seed=5), Sampling(max_tokens=60, position=Position())
    whole = served.engine.sample([request], replace(sampling, position=None))[0][0]
    expected = cut(whole, Position(), served.engine.table)
    proxy.faults.extend([BREAKING[fault], BREAKING[fault]])
    segments = segments_of(engine, request, sampling)
    assert [s.token_ids for s in segments] == [s.token_ids for s in expected]
    assert proxy.served >= 3 and engine.usage.generated == len(whole.token_ids)


def test_what_was_handed_out_stands_when_the_server_writes_something_else(proxy: FaultProxy, served: Loaded) -> None:
    """The proxy lets the first paragraph through and breaks off; asked again, the server draws with another seed."""
    engine = engine_behind(proxy, served)
    prefix = served.engine.prompt_ids(QUESTION)
    asked = []

    def other_seed(body: bytes, _: int) -> bytes:
        asked.append(json.loads(body))
        return json.dumps(asked[-1] | {"seed": asked[-1]["seed"] + len(asked), "temperature": 1.9}).encode()

    proxy.rewrite = other_seed
    broken = threading.Event()
    proxy.faults.append(faults.reset_when(broken))
    sampling = Sampling(max_tokens=120, position=Position(PositionKind.PERIODIC, every=6))
    segments = segments_of(engine, SampleRequest(prefix, seed=5), sampling, broken.set)
    written = [i for s in segments for i in s.token_ids]
    assert len(segments) > 1 and len(written) <= 120
    assert asked[0] == asked[1]  # once more from the beginning, then behind what stands
    fixed = asked[2]["prompt"][len(prefix) :]
    assert len(fixed) >= 6 and fixed == written[: len(fixed)] and asked[2]["max_tokens"] == 120 - len(fixed)


def test_an_answer_that_comes_back_shorter_than_what_was_handed_out_goes_on(proxy: FaultProxy, served: Loaded) -> None:
    engine, broken = engine_behind(proxy, served), threading.Event()
    proxy.faults.extend([faults.reset_when(broken), short_of(3)])
    sampling = Sampling(max_tokens=60, position=Position(PositionKind.PERIODIC, every=6))
    request = SampleRequest(served.engine.prompt_ids(QUESTION), seed=5)
    segments = segments_of(engine, request, sampling, broken.set)
    assert segments[-1].finished or sum(len(s.token_ids) for s in segments) == 60
    assert proxy.served == 3


def test_a_count_that_is_none_costs_nothing_but_the_count(proxy: FaultProxy, served: Loaded) -> None:
    engine = engine_behind(proxy, served)
    proxy.faults.append(faults.edited(lambda body: re.sub(rb'"prompt_tokens":\d+', b'"prompt_tokens":null', body)))
    request = SampleRequest(served.engine.prompt_ids(QUESTION), seed=5)
    assert segments_of(engine, request, Sampling(max_tokens=60, position=Position()))[-1].finished
    assert proxy.served == 1 and engine.usage.prefilled == len(request.prefix)


def test_a_server_that_writes_less_than_it_is_asked_for_is_asked_again(proxy: FaultProxy, served: Loaded) -> None:
    def capped(body: bytes, _: int) -> bytes:
        asked = json.loads(body)
        return json.dumps(asked | {"max_tokens": min(5, asked["max_tokens"])}).encode()

    proxy.rewrite = capped
    policy = Policy(accept=0, revise=0, abstain=0, drop=0, temperature=0)
    expected = solve(QUESTION, served.twin().engine, served.scorer, policy)
    result = solve(QUESTION, engine_behind(proxy, served), served.scorer, policy)
    assert result.answer == expected.answer is not None
    assert "".join(p.text for p in result.paragraphs) == "".join(p.text for p in expected.paragraphs)


def test_patience_begins_anew_with_an_answer_that_has_grown(proxy: FaultProxy, served: Loaded) -> None:
    engine = engine_behind(proxy, served, patience=0.3)

    def late(exchange: faults.Exchange) -> None:
        time.sleep(0.5)
        faults.reset_in_the_middle(exchange)

    proxy.faults.append(late)
    request = SampleRequest(served.engine.prompt_ids(QUESTION), seed=5)
    assert segments_of(engine, request, Sampling(max_tokens=60, position=Position()))[-1].finished


@pytest.mark.parametrize("fault", STREAMED)
def test_a_stream_whose_failure_stays_is_an_error(proxy: FaultProxy, served: Loaded, fault: str) -> None:
    engine = engine_behind(proxy, served, timeout=0.5 if fault == "hanging" else 60.0, patience=0.6)
    proxy.faults.extend([PASSING[fault]] * 50)
    stream = engine.begin(SampleRequest(served.engine.prompt_ids(QUESTION)), SHORT, 8)
    assert stream is not None
    with pytest.raises(EngineUnreachable) as raised:
        stream.next()
    assert "\n" not in str(raised.value) and engine.usage.generated == 0


@pytest.mark.parametrize("fault", [f for f in PASSING if f != "429"])
def test_a_failure_that_stays_is_an_error_and_never_a_number(proxy: FaultProxy, served: Loaded, fault: str) -> None:
    engine = engine_behind(proxy, served, timeout=0.5 if fault == "hanging" else 60.0, patience=0.6)
    proxy.faults.extend([PASSING[fault]] * 50)
    for call in (lambda p: engine.levels([p]), lambda p: engine.sample([SampleRequest(p)], SHORT)):
        with pytest.raises(EngineUnreachable) as raised:
            call(served.engine.prompt_ids(QUESTION))
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 500
    assert engine.usage.scored == engine.usage.generated == 0


def test_a_server_that_is_killed_and_comes_back(proxy: FaultProxy, served: Loaded) -> None:
    engine = engine_behind(proxy, served)
    request = SampleRequest(served.engine.prompt_ids(QUESTION), seed=5)
    proxy.refuse(1.5)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))
    assert engine.sample([request], SHORT) == served.engine.sample([request], SHORT)
    with pytest.raises(EngineUnreachable, match="nothing answers"):
        proxy.refuse(30)
        engine_behind(proxy, served, patience=0.5).levels([request.prefix])


@pytest.mark.parametrize(
    ("status", "match"), [("401 Unauthorized", "key"), ("404 Not Found", "--model"), ("418 Teapot", "418")]
)
def test_what_repeating_cannot_mend_is_not_repeated(proxy: FaultProxy, served: Loaded, status: str, match: str) -> None:
    engine = engine_behind(proxy, served)
    proxy.faults.extend([faults.status(status)] * 9)
    with pytest.raises(EngineUnreachable, match=match):
        engine.levels([served.engine.prompt_ids(QUESTION)])
    assert proxy.served == 1


def test_a_refused_request_is_an_error_of_its_own(served: Loaded) -> None:
    assert isinstance(served.engine, VllmEngine)
    twin = served.engine.forked()
    twin.max_context = 10**6
    with pytest.raises(EngineError) as raised:
        twin.sample([SampleRequest((5,) * 2000)], SHORT)
    assert not isinstance(raised.value, EngineUnreachable)


def test_an_adapter_that_the_server_does_not_have(served: Loaded) -> None:
    assert isinstance(served.engine, VllmEngine)
    twin = served.engine.forked()
    twin.adapter = "gone"
    with pytest.raises(EngineUnreachable, match="gone.*--estimator"):
        twin.levels([served.engine.prompt_ids(QUESTION)])


def test_closing_gives_up_what_is_under_way(proxy: FaultProxy, served: Loaded) -> None:
    engine = engine_behind(proxy, served, timeout=60)
    proxy.faults.append(faults.hang(30))
    threading.Timer(0.5, engine.client.close).start()
    begun = time.monotonic()
    with pytest.raises(EngineUnreachable, match="closed"):
        engine.levels([served.engine.prompt_ids(QUESTION)])
    assert time.monotonic() - begun < 10


def run(proxy: FaultProxy, *arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in ("solve", *arguments, "--engine", "vllm", "--base-url", proxy.url)])


def test_exit_code_and_trace_when_the_server_goes(
    proxy: FaultProxy, served: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONTROLLER_PATIENCE", "1")
    proxy.faults.extend([faults.pass_on] * 4 + [faults.status("503 Service Unavailable")] * 99)
    result = run(proxy, QUESTION, "--trace", "t.jsonl")
    assert (result.exit_code, result.stderr.count("\n")) == (5, 1)
    assert read_trace("t.jsonl").events[-1].event == "interrupted"


def test_a_file_of_questions_survives_faults_in_order(
    proxy: FaultProxy, served: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = [f"Ann has {k} pens and buys {k + 1} more. How many pens does she have?" for k in range(3, 11)]
    Path("q.txt").write_text("\n".join(asked))
    kinds = [faults.reset_at_once, faults.status("500 Oops"), faults.reset_in_the_middle, faults.edited(with_nan)]
    proxy.faults.extend(fault for kind in kinds for fault in (*[faults.pass_on] * 5, kind))
    for out, more in (("many.jsonl", ("--concurrency", 6)), ("one.jsonl", ("--concurrency", 1))):
        assert run(proxy, "--file", "q.txt", "--out", out, *more).exit_code == 0
    rows = [[json.loads(line) for line in Path(f).read_text().splitlines()] for f in ("many.jsonl", "one.jsonl")]
    assert [r["question"] for r in rows[0]] == asked
    kept = [[(r["answer"], r["tokens"]["answer"], round(r["confidence"], 3)) for r in side] for side in rows]
    assert kept[0] == kept[1]
