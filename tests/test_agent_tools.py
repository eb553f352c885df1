"""``controller mcp``: what an agent sees of the controller, through a real client of the protocol."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent

from controller.agent_tools import build_server
from controller.assemble import Run
from estimator.engines.base import EngineUnreachable
from graphs.policy import Policy
from graphs.trace import read_trace
from tests.cli_double import BAD, GOOD, PENS, Double, scripted

HOSTILE = "Ring\x1b]0;bell\x07 [bold]What?"


def with_client(double: Double, talk: Callable[[Client], Awaitable[Any]], traces: Path | None = None, at_once: int = 1) -> Any:
    """What ``talk`` gives, in a conversation with a server on the double."""
    server = build_server(Run(double, Policy(), 0), at_once=at_once, traces=traces)

    async def whole() -> Any:
        async with Client(server) as client:
            return await talk(client)

    return asyncio.run(whole())


def called(
    double: Double, *calls: tuple[str, dict[str, Any]], traces: Path | None = None, progress: Any = None
) -> list[CallToolResult]:
    async def talk(client: Client) -> list[CallToolResult]:
        return [await client.call_tool(name, given, progress_callback=progress) for name, given in calls]

    return with_client(double, talk, traces)


def told(result: CallToolResult) -> str:
    """The text that the agent's model reads."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def test_an_answer_comes_with_its_confidence_and_none_comes_where_it_abstains() -> None:
    good, bad = called(scripted(), ("solve", {"question": GOOD}), ("solve", {"question": BAD}))
    answered, abstained = good.structured_content, bad.structured_content
    assert not good.is_error and answered and (answered["outcome"], answered["answer"]) == ("answered", "42")
    assert answered["confidence"] == pytest.approx(0.95)
    assert not bad.is_error and abstained and (abstained["outcome"], abstained["answer"]) == ("abstained", None)


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


def test_a_given_answer_is_scored_paragraph_by_paragraph() -> None:
    [result] = called(scripted(), ("score", {"question": GOOD, "answer": "6 x 7 = 42.\n\n#### 42"}))
    scored = result.structured_content
    assert scored and [p["confidence"] for p in scored["paragraphs"]] == pytest.approx([0.9, 0.95])


def test_every_answer_is_recorded_under_a_number_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "0041.jsonl").write_text("an older one")
    results = called(scripted(), ("solve", {"question": GOOD}), ("solve", {"question": BAD}), traces=tmp_path)
    assert [r.structured_content and r.structured_content["trace"] for r in results] == [
        str(tmp_path / "0042.jsonl"), str(tmp_path / "0043.jsonl"),
    ]  # fmt: skip
    kept = [read_trace(tmp_path / f"00{n}.jsonl").result for n in (42, 43)]
    assert [r and r.outcome for r in kept] == ["answered", "abstained"]


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("solve", {"question": " "}, "the question is empty"),
        ("solve", {"question": "x" * 20_001}, "the limit is 20,000"),
        ("solve", {"question": GOOD, "seed": -1}, "seed"),
        ("score", {"question": GOOD, "answer": ""}, "the answer is empty"),
        ("score", {"question": GOOD}, "answer"),
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


def test_what_a_model_wrote_and_what_was_asked_are_data() -> None:
    double = scripted({HOSTILE: [["\x1b[31mred\x07", "#### 1"]]})
    [result] = called(double, ("solve", {"question": HOSTILE}))
    assert result.structured_content and result.structured_content["question"] == HOSTILE
    assert "\x1b" not in told(result) and "\x07" not in told(result)


def test_calls_that_come_together_are_all_answered_a_model_in_this_process_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    double, running, most = scripted(), 0, 0
    sample = double.engine.sample

    def counted(*arguments: Any) -> Any:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        try:
            return sample(*arguments)
        finally:
            running -= 1

    monkeypatch.setattr(double.engine, "sample", counted)
    asked = [GOOD, PENS, BAD, GOOD]

    async def talk(client: Client) -> Sequence[CallToolResult]:
        return await asyncio.gather(*(client.call_tool("solve", {"question": q}) for q in asked))

    results = with_client(double, talk, at_once=4)
    assert [r.structured_content["question"] for r in results] == asked
    assert most == 1


def test_a_call_that_is_given_up_ends_its_trace_and_frees_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double, begun = scripted(), asyncio.Event()
    sample = double.engine.sample

    async def talk(client: Client) -> CallToolResult:
        loop = asyncio.get_running_loop()

        def slow(*arguments: Any) -> Any:
            loop.call_soon_threadsafe(begun.set)
            time.sleep(0.2)
            return sample(*arguments)

        monkeypatch.setattr(double.engine, "sample", slow)
        call = asyncio.create_task(client.call_tool("solve", {"question": GOOD}))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        monkeypatch.setattr(double.engine, "sample", sample)
        return await client.call_tool("solve", {"question": GOOD})

    again = with_client(double, talk, tmp_path)
    assert again.structured_content and again.structured_content["outcome"] == "answered"
    given_up = read_trace(tmp_path / "0001.jsonl")
    assert given_up.complete and given_up.result is None


def test_as_an_agent_app_starts_it_the_embedded_model_answers(tmp_path: Path) -> None:
    """Over stdin and stdout, in a process of its own."""
    question = "Tom has 3 pens and buys 4 more. How many pens does he have now?"
    program = StdioServerParameters(command=sys.executable, args=["-m", "controller", "mcp", "--trace", str(tmp_path / "t")])

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
    command = [sys.executable, "-m", "controller", "mcp", *named]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
