"""Many traces at once: what a folder's runs came to, and what another policy would have made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import replays
from graphs.events import DecisionEvent, InterruptedEvent, ResultEvent
from graphs.trace import TraceWriter, read_trace
from tests import scenarios
from tests.cli_double import BAD, GOOD, PENS, invoke, use
from tests.scenarios import World, as_trace, policies, worlds

REFERENCES = {PENS: "5", GOOD: "43", BAD: "9"}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    use(monkeypatch)
    Path("q.jsonl").write_text("\n".join(json.dumps({"question": q}) for q in REFERENCES))
    Path("a.jsonl").write_text("\n".join(json.dumps({"question": q, "answer": a}) for q, a in REFERENCES.items()))
    invoke("solve", "--file", "q.jsonl", "--out", "rows.jsonl", "--trace", "traces")
    assert len(list(Path("traces").glob("*.jsonl"))) == len(REFERENCES)
    return tmp_path / "traces"


def report(*more: str | Path) -> dict[str, Any]:
    done = invoke("replay", "traces", *more, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.usefixtures("folder")
def test_a_folder_tells_how_its_runs_ended():
    told = report("--answers", "a.jsonl")
    assert [(r["trace"], r["outcome"], r["right"]) for r in told["runs"]] == [
        ("0001.jsonl", "answered", True),
        ("0002.jsonl", "answered", False),
        ("0003.jsonl", "abstained", None),
    ]
    counted = told["recorded"]
    assert (counted["answered"], counted["abstained"], counted["graded"], counted["wrong"]) == (2, 1, 2, 1)
    assert counted["error"] == 0.5 < counted["error_at_most"] < 1
    assert told["what_if"] is told["what_if_policy"] is told["compared"] is None


@pytest.mark.usefixtures("folder")
def test_another_policy_over_a_folder():
    Path("end.toml").write_text("accept = 0.94\nrevise = 0\ndrop = 0\nabstain = 0\nmax_revisions = 0\n")
    Path("early.toml").write_text("accept = 0.96\nrevise = 0\ndrop = 0\nabstain = 0.1\nmax_revisions = 0\n")
    Path("easy.toml").write_text("accept = 0.05\nrevise = 0\ndrop = 0\nabstain = 0\nmax_revisions = 0\n")
    invoke("solve", "--file", "q.jsonl", "--policy", "end.toml", "--trace", "traces")
    early = report("--policy", "early.toml", "--answers", "a.jsonl")
    pens, good, bad = (r["what_if"] for r in early["runs"])
    assert bad["outcome"] == "abstained" and bad["tokens"] == 15 < early["runs"][2]["tokens"]
    assert pens["tokens"] == early["runs"][0]["tokens"] and (good["outcome"], good["right"]) == ("abstained", None)
    compared = early["compared"]
    assert compared["runs"] == 3 and compared["recorded_tokens"] == sum(r["tokens"] for r in early["runs"])
    assert 0 < compared["saved"] == pytest.approx(1 - compared["what_if_tokens"] / compared["recorded_tokens"])
    easy = report("--policy", "easy.toml", "--answers", "a.jsonl")
    assert [r["what_if"]["right"] for r in easy["runs"]] == [False, False, None]  # "6" for 5, as recorded, still not given out
    assert (easy["recorded"]["wrong"], easy["what_if"]["wrong"], easy["compared"]["saved"]) == (1, 2, 0)
    text = invoke("replay", "traces", "--policy", "early.toml", "--answers", "a.jsonl").stdout
    assert "3 runs" in text and "under early.toml" in text and "0002.jsonl" in text and "0003.jsonl" not in text


@settings(max_examples=60)
@given(worlds(), st.data())
def test_what_is_said_of_an_end_is_what_happens(world: World, data: st.DataObject):
    """Outcome, tokens and answer of the other policy, where they are said to be known, are those of a run under it."""
    same = {k: getattr(world.policy, k) for k in ("width", "depth", "temperature", "position", "budget", "alpha", "opinions")}
    other = data.draw(policies()).model_copy(update=same)
    trace, really = (as_trace(scenarios.run(world.parts(), policy)[1]) for policy in (world.policy, other))
    [row] = replays.replay_all({"t": trace}, other, [])
    assert row.other is not None and row.recorded.outcome == _result(trace).outcome
    if row.other.outcome is not None:
        assert (row.other.outcome, row.other.tokens) == (_result(really).outcome, replays.tokens_generated(really.events))
        if row.other.outcome == "answered":
            number = sum(isinstance(e, DecisionEvent) for e in really.events) - 1
            assert replays.answer_at(trace.events, number) == _result(really).answer


def _result(trace: Any) -> ResultEvent:
    return trace.result


@pytest.mark.usefixtures("folder")
def test_what_is_no_trace_is_named_and_left_out():
    (Path("traces") / "notes.jsonl").write_text('{"a": 1}\n')
    whole = (Path("traces") / "0001.jsonl").read_bytes().splitlines(keepends=True)
    (Path("traces") / "0001.jsonl").write_bytes(b"".join(whole[:4]))
    done = invoke("replay", "traces", "--json")
    assert done.exit_code == 0 and "left out: traces/notes.jsonl: line 1: not a trace" in done.stderr
    told = json.loads(done.stdout)
    assert [r["outcome"] for r in told["runs"]] == [None, "answered", "abstained"] and told["recorded"]["unknown"] == 1


@pytest.mark.usefixtures("folder")
def test_ends_that_no_record_tells_are_counted_apart_and_say_why():
    traces = [read_trace(p) for p in sorted(Path("traces").glob("*.jsonl"))]
    with TraceWriter("traces/0001.jsonl") as writer:
        for event in (traces[0].header, *traces[0].events[:3], InterruptedEvent(reason="SIGTERM")):
            writer.append(event)
    with TraceWriter("traces/0002.jsonl") as writer:
        for event in (traces[1].header.model_copy(update={"policy": {"accept": 7}}), *traces[1].events):
            writer.append(event)
    Path("late.toml").write_text("accept = 0.96\n")
    told = report("--policy", "late.toml")
    assert told["runs"][0]["text"] == told["runs"][0]["what_if"]["text"] == "interrupted: SIGTERM"
    assert told["runs"][1]["outcome"] == "answered" and "policy" in told["runs"][1]["what_if"]["text"]
    assert (told["recorded"]["unknown"], told["what_if"]["unknown"], told["what_if"]["abstained"]) == (1, 2, 1)
    assert told["compared"]["runs"] == 1 and told["compared"]["recorded_tokens"] == told["runs"][2]["tokens"]
    assert (
        "Of 2 runs the record does not tell the end; the figures" in invoke("replay", "traces", "--policy", "late.toml").stdout
    )
    Path("warm.toml").write_text("temperature = 0.5\n")
    text = invoke("replay", "traces", "--policy", "warm.toml").stdout
    assert "Of 3 runs the record does not tell the end; there are no others." in " ".join(text.split()) and "fewer" not in text


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("traces", "--svg", "a.svg"), "--svg shows a single run"),
        (("traces", "--step"), "--step shows a single run"),
        (("empty",), "empty holds no trace"),
        (("traces/0001.jsonl", "--answers", "a.jsonl"), "--answers counts over a folder"),
        (("traces", "--answers", "q.jsonl"), "q.jsonl:1"),
        (("traces", "--policy", "no.toml"), "no.toml"),
    ],
)
def test_wrong_uses(arguments: tuple[str, ...], said: str):
    Path("empty").mkdir()
    done = invoke("replay", *arguments)
    assert done.exit_code == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.usefixtures("folder")
def test_traces_of_another_run_that_stay_in_the_folder_are_told_when_it_is_written_and_when_it_is_read():
    assert "counted together" not in invoke("replay", "traces").stderr
    Path("one.jsonl").write_text(Path("q.jsonl").read_text().splitlines()[0])
    again = invoke("solve", "--file", "one.jsonl", "--out", "one.rows", "--trace", "traces", "--seed", "5")
    assert "traces holds 0002.jsonl and 1 more of another run" in again.stderr
    assert "0002.jsonl was recorded with another seed than 0001.jsonl" in invoke("replay", "traces").stderr
