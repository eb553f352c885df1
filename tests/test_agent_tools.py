"""``controller mcp``: what an agent sees of the controller, through a real client of the protocol."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent

from controller.agent_tools import Calls, build_server
from controller.assemble import Run
from estimator.engines.base import EngineUnreachable
from graphs.policy import Policy
from graphs.trace import read_trace
from tests.cli_double import BAD, GOOD, PENS, Double, scripted

SERVE = [sys.executable, "-m", "controller", "mcp"]


def with_client(
    double: Double,
    talk: Callable[[Client], Awaitable[Any]],
    traces: Path | None = None,
    at_once: int = 1,
    policy: Policy | None = None,
) -> Any:
    """What ``talk`` gives, in a conversation with a server on the double."""
    calls = Calls(Run(double, policy or Policy(), 0), at_once)
    server = build_server(calls, traces)

    async def whole() -> Any:
        async with Client(server) as client:
            return await talk(client)

    try:
        return asyncio.run(whole())
    finally:
        calls.close()


def called(
    double: Double,
    *calls: tuple[str, dict[str, Any]],
    traces: Path | None = None,
    progress: Any = None,
    policy: Policy | None = None,
) -> list[CallToolResult]:
    async def talk(client: Client) -> list[CallToolResult]:
        return [await client.call_tool(name, given, progress_callback=progress) for name, given in calls]

    return with_client(double, talk, traces, policy=policy)


def told(result: CallToolResult) -> str:
    """The text that the agent's model reads."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def test_an_answer_comes_with_its_confidence_and_what_is_held_back_stays_in_the_trace(tmp_path: Path) -> None:
    good, bad = called(scripted(), ("solve", {"question": GOOD}), ("solve", {"question": BAD}), traces=tmp_path)
    answered, abstained = good.structured_content, bad.structured_content
    assert not good.is_error and answered and (answered["outcome"], answered["answer"]) == ("answered", "42")
    assert answered["confidence"] == pytest.approx(0.95) and len(answered["paragraphs"]) == 2
    assert not bad.is_error and abstained and (abstained["outcome"], abstained["answer"]) == ("abstained", None)
    kept = read_trace(abstained["trace"]).result
    assert kept and any("Perhaps" in p.text for p in kept.paragraphs) and "Perhaps" not in told(bad)


def test_every_decision_is_told_while_it_writes_and_nothing_that_it_wrote_is() -> None:
    heard: list[tuple[float, str]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, str(message)))

    [result] = called(scripted(), ("solve", {"question": GOOD}), progress=hear)
    assert result.structured_content and len(result.structured_content["paragraphs"]) == 2
    assert heard == [
        (1, "question: confidence 0.50, continue"),
        (2, "paragraph 1: confidence 0.90, continue"),
        (3, "paragraph 2: confidence 0.95, finish"),
    ]


def test_what_fresh_answers_made_of_an_answer_is_told_and_not_what_they_said(tmp_path: Path) -> None:
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(str(message))

    asked = Policy(opinions=1, hopeless=0.0, sure=1.0, max_revisions=0, revise=0.0, drop=0.0, abstain=0.0)
    good, bad = called(
        scripted(), ("solve", {"question": GOOD}), ("solve", {"question": BAD}), traces=tmp_path, progress=hear, policy=asked
    )
    assert "1 of 1 fresh answers agree" in heard and "paragraph 2: confidence 0.95, consult" in heard
    assert good.structured_content and good.structured_content["confidence"] > 0.95
    assert bad.structured_content and bad.structured_content["outcome"] == "abstained" and "Perhaps" not in told(bad)
    assert not any("Perhaps" in message or "#" in message for message in heard)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_given_answer_is_scored_paragraph_by_paragraph(end: str) -> None:
    [result] = called(scripted(), ("score", {"question": GOOD, "answer": f"6 x 7 = 42.{end}{end}#### 42"}))
    scored = result.structured_content
    assert scored and not scored["partial"] and [p["confidence"] for p in scored["paragraphs"]] == pytest.approx([0.9, 0.95])


def test_every_answer_is_recorded_under_a_number_that_nobody_has(tmp_path: Path) -> None:
    (tmp_path / "0002.jsonl").write_text("of somebody else")
    for _ in range(2):  # two servers, as of two windows of an agent app
        called(scripted(), ("solve", {"question": GOOD}), ("solve", {"question": BAD}), traces=tmp_path)
    kept = {path.stem: read_trace(path).result for path in tmp_path.glob("*.jsonl") if path.stem != "0002"}
    assert {number: result and result.outcome for number, result in kept.items()} == {
        "0001": "answered", "0003": "abstained", "0004": "answered", "0005": "abstained",
    }  # fmt: skip
    assert (tmp_path / "0002.jsonl").read_text() == "of somebody else"


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("solve", {"question": " "}, "the question is empty"),
        ("solve", {"question": "x" * 20_001}, "the limit is 20,000"),
        ("solve", {"question": GOOD, "seed": -1}, "seed"),
        ("score", {"question": GOOD, "answer": ""}, "the answer is empty"),
        ("score", {"question": GOOD}, "answer"),
        ("score", {"question": GOOD, "answer": "6 x 7 = 42.", "is_partial": True}, "is_partial"),
        ("solve", {"question": GOOD, "accept": 0}, "accept"),
    ],
)
def test_what_was_asked_wrongly_is_told_and_the_next_call_is_served(tool: str, given: dict[str, Any], said: str) -> None:
    wrong, right = called(scripted(), (tool, given), ("solve", {"question": GOOD}))
    assert wrong.is_error and said in told(wrong) and wrong.structured_content is None
    assert right.structured_content and right.structured_content["answer"] == "42"


def test_a_backend_that_fails_is_an_error_and_never_an_answer(tmp_path: Path) -> None:
    double = scripted(failures={2: EngineUnreachable("nothing answers at http://127.0.0.1:9")})
    failed, again = called(double, ("solve", {"question": GOOD}), ("solve", {"question": GOOD}), traces=tmp_path)
    assert failed.is_error and "nothing answers at http://127.0.0.1:9" in told(failed)
    assert read_trace(tmp_path / "0001.jsonl").result is None
    assert again.structured_content and again.structured_content["outcome"] == "answered"


def test_a_bug_is_loud_here_and_says_nothing_there(caplog: pytest.LogCaptureFixture) -> None:
    double = scripted(failures={1: ZeroDivisionError("secret detail")})
    [failed] = called(double, ("solve", {"question": GOOD}))
    assert failed.is_error and "secret" not in told(failed)
    assert "secret detail" in caplog.text


def slowed(double: Double, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sampling that takes its time; the numbers of those at the same time."""
    sample, running, seen = double.engine.sample, [0], []

    def slow(*arguments: Any) -> Any:
        running[0] += 1
        seen.append(running[0])
        time.sleep(0.1)
        running[0] -= 1
        return sample(*arguments)

    monkeypatch.setattr(double.engine, "sample", slow)
    return seen


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (3, 3)])
def test_calls_that_come_together_are_all_answered_so_many_at_a_time(
    at_once: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    double, asked = scripted(), [GOOD, PENS, BAD, GOOD, PENS]
    seen = slowed(double, monkeypatch)

    async def talk(client: Client) -> Sequence[CallToolResult]:
        return await asyncio.gather(*(client.call_tool("solve", {"question": q}) for q in asked))

    results = with_client(double, talk, at_once=at_once)
    assert [r.structured_content["question"] for r in results] == asked
    assert max(seen) == most


def test_each_call_has_a_twin_of_a_model_on_a_server() -> None:
    double, twins = scripted(), []

    def fork() -> Double:
        twins.append(scripted())
        return twins[-1]

    called(replace(double, fork=fork), ("solve", {"question": GOOD}), ("score", {"question": GOOD, "answer": "#### 42"}))
    assert len(twins) == 2 and double.engine.calls == 0 and all(t.engine.calls for t in twins)


def test_a_call_that_is_given_up_ends_its_trace_and_keeps_its_turn_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = scripted()
    seen = slowed(double, monkeypatch)

    async def talk(client: Client) -> CallToolResult:
        call = asyncio.create_task(client.call_tool("solve", {"question": GOOD}))
        while not seen:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return await client.call_tool("solve", {"question": GOOD})

    again = with_client(double, talk, tmp_path)
    assert again.structured_content and again.structured_content["outcome"] == "answered"
    assert max(seen) == 1
    given_up = read_trace(tmp_path / "0001.jsonl")
    assert given_up.complete and given_up.result is None


def test_what_is_under_way_when_it_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double = scripted()
    seen, closed = slowed(double, monkeypatch), []
    calls = Calls(Run(replace(double, close=lambda: closed.append(True)), Policy(), 0), 1)

    async def talk() -> None:
        async with Client(build_server(calls, tmp_path)) as client:
            call = asyncio.create_task(client.call_tool("solve", {"question": GOOD}))
            while not seen:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(calls.close)
            result = await call
            assert result.is_error and "it was ended" in told(result)

    asyncio.run(talk())
    assert closed and len(seen) == 1
    assert read_trace(tmp_path / "0001.jsonl").result is None


def test_as_an_agent_app_starts_it_the_embedded_model_answers(tmp_path: Path) -> None:
    """Over stdin and stdout, in a process of its own."""
    question = "Tom has 3 pens and buys 4 more. How many pens does he have now?"
    program = StdioServerParameters(command=sys.executable, args=[*SERVE[1:], "--trace", str(tmp_path / "t")])

    async def talk() -> CallToolResult:
        async with Client(program) as client:
            assert {t.name for t in (await client.list_tools()).tools} == {"solve", "score"}
            return await client.call_tool("solve", {"question": question})

    solved = asyncio.run(talk()).structured_content
    assert solved and solved["outcome"] == "answered" and solved["answer"] == "7"
    assert read_trace(solved["trace"]).result is not None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--model", "/no/such/model"], 1, "/no/such/model"),
        (["--base-url", "http://127.0.0.1:9", "--config", "{config}"], 5, "127.0.0.1:9"),
        (["--accept", "2"], 2, "accept"),
        (["--trace", "{file}"], 1, "--trace"),
    ],
)
def test_what_cannot_be_served_ends_at_once_with_its_code_and_a_line(
    arguments: list[str], code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "config").write_text("patience = 0.1\n")
    named = [a.format(file=tmp_path / "file", config=tmp_path / "config") for a in arguments]
    done = subprocess.run([*SERVE, *named], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


def test_it_ends_with_its_input_and_reads_no_settings_of_the_folder_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "controller.toml").write_text('base_url = "http://127.0.0.1:9"\n')
    done = subprocess.run(SERVE, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_an_interruption_ends_it_at_once(tmp_path: Path) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    pipe = subprocess.PIPE
    with subprocess.Popen(SERVE, cwd=tmp_path, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as running:
        assert running.stdin and running.stdout and running.stderr
        running.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n")
        running.stdin.flush()
        assert "finece-controller" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 130
        assert running.stderr.read().endswith("controller: interrupted\n")
