"""The trace file: what is written is read back, a crash loses at most the last line, and edits are noticed."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphs.events import SCHEMA_VERSION, Event, InterruptedEvent, QuestionEvent, Score
from graphs.policy import Policy
from graphs.reasoning import solve
from graphs.trace import NoTraceError, TraceError, TraceWriter, fingerprint, read_trace
from tests.scenarios import BAD, GOOD, QUESTION, scene

FULL = Path("/dev/full")
WHATEVER = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """A run with a look-ahead and one with a revision have every kind of event between them; this one has revisions."""
    told: list[Event] = []
    solve(QUESTION, *scene(BAD, GOOD), Policy(), emit=told.append)
    return told


@pytest.fixture(scope="module")
def lines(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("trace") / "t.jsonl"
    with TraceWriter(path) as writer:
        for event in events:
            writer.append(event)
    return path.read_bytes().splitlines(keepends=True)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_what_is_written_is_read_back(events: list[Event], lines: list[bytes], tmp_path: Path):
    trace = read_trace(written(tmp_path / "t", b"".join(lines)))
    assert trace.complete and [trace.header, *trace.events] == events and trace.result == events[-1]


@pytest.mark.parametrize("policy", [Policy(width=2, depth=2), Policy(max_revisions=0, accept=1.0)])
def test_every_kind_of_run_is_read_back(policy: Policy, tmp_path: Path):
    told: list[Event] = []
    with TraceWriter(tmp_path / "t") as writer:
        solve(QUESTION, *scene(BAD, GOOD), policy, emit=lambda e: (told.append(e), writer(e))[0])
    trace = read_trace(tmp_path / "t")
    assert [trace.header, *trace.events] == told


@WHATEVER
@given(data=st.data())
def test_a_trace_cut_anywhere_is_read_up_to_its_last_whole_line(
    data: st.DataObject, events: list[Event], lines: list[bytes], tmp_path: Path
):
    whole = b"".join(lines)
    at = data.draw(st.integers(len(lines[0]), len(whole) - 2))
    trace = read_trace(written(tmp_path / "t", whole[:at]))
    kept = whole[:at].count(b"\n") + (whole[at : at + 1] == b"\n")  # a whole line may lack its newline
    assert [trace.header, *trace.events] == events[:kept] and not trace.complete


@WHATEVER
@given(data=st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject, lines: list[bytes], tmp_path: Path):
    whole = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(whole) - len(lines[-1]) - 1))
    new = data.draw(st.integers(0, 255).filter(lambda b: b != whole[at]))
    whole[at] = new
    with pytest.raises(TraceError, match=r"line \d+: ") as caught:
        read_trace(written(tmp_path / "t", bytes(whole)))
    assert "\n" not in str(caught.value).removeprefix(str(tmp_path)) and "pydantic" not in str(caught.value)


@WHATEVER
@given(data=st.data())
def test_a_missing_repeated_or_moved_line_is_noticed(data: st.DataObject, lines: list[bytes], tmp_path: Path):
    i, j = data.draw(st.lists(st.integers(1, len(lines) - 2), min_size=2, max_size=2, unique=True))
    swapped = list(lines)
    swapped[i], swapped[j] = swapped[j], swapped[i]
    for edited in (lines[:i] + lines[i + 1 :], lines[:i] + [lines[i]] + lines[i:], swapped):
        with pytest.raises(TraceError, match="checksum"):
            read_trace(written(tmp_path / "t", b"".join(edited)))


def edited(line: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(line), **changes}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda L: b"", "line 1: the trace holds no whole line"),
        (lambda L: L[0][:30], "line 1: the trace holds no whole line"),
        (lambda L: b"# A heading\n\ntext\n", "line 1: not JSON"),
        (lambda L: b"".join(L[1:]), "line 1: not a trace"),
        (lambda L: L[0] + L[0], "line 2: not an event"),
        (lambda L: L[0] + b"[1]\n", "line 2: not an event"),
        (lambda L: L[0] + b"{broken\n" + L[1], "line 2: not JSON"),
        (lambda L: L[0] + b"\xff\xfe\n" + L[1], "line 2: not JSON"),
        (lambda L: L[0] + b'{"event":"score","x":NaN}\n' + L[1], "NaN is no JSON number"),
        (lambda L: L[0] + b"[" * 100_000 + b"\n" + L[1], "line 2: not JSON"),
        (lambda L: edited(L[0], schema_version=SCHEMA_VERSION + 1) + L[1], "schema version 3 is newer than 2"),
        (lambda L: edited(L[0], seed=7) + L[1], "line 1: the checksum does not fit"),
        (lambda L: L[0] + re.sub(rb',"chain":"\w+"', b"", L[1]), "line 2: the checksum is missing"),
        (lambda L: b"".join(L) + L[-1], "something follows the end"),
    ],
)
def test_damage_is_named_with_its_line(damage, says: str, lines: list[bytes], tmp_path: Path):
    with pytest.raises(TraceError) as caught:
        read_trace(written(tmp_path / "t", damage(lines)))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_an_invalid_event_with_a_fitting_checksum_is_told_in_one_line(events: list[Event], tmp_path: Path):
    with TraceWriter(tmp_path / "t") as writer:
        writer.append(events[0])
        score = Score.model_construct(value=1.5, low=0.0, high=1.0, parts={})
        writer.append(QuestionEvent.model_construct(prompt_tokens=1, score=score, scored_tokens=0, seconds=0.0))
    with pytest.raises(TraceError, match=r"line 2: question\.score\.value: Input should be less than or equal to 1$"):
        read_trace(tmp_path / "t")


def test_the_writer_refuses_what_would_make_no_trace(events: list[Event], tmp_path: Path):
    with pytest.raises(TraceError, match="No such file"):
        TraceWriter(tmp_path / "no" / "t")
    with pytest.raises(TraceError, match="directory"):
        TraceWriter(tmp_path)
    writer = TraceWriter(tmp_path / "t")
    with pytest.raises(TraceError, match="header"):
        writer.append(events[1])
    writer.append(events[0])
    with pytest.raises(TraceError, match="header"):
        writer.append(events[0])
    writer.append(InterruptedEvent(reason="enough"))
    with pytest.raises(TraceError, match="has ended"):
        writer.append(events[1])
    writer.close()
    with pytest.raises(TraceError, match="has ended"):
        writer.append(events[1])
    assert read_trace(tmp_path / "t").complete


def test_a_number_that_json_does_not_have_and_a_full_disk_are_told(events: list[Event], tmp_path: Path, monkeypatch):
    writer = TraceWriter(tmp_path / "t")
    writer.append(events[0])
    score = Score(value=0.5, low=0.5, high=0.5, parts={"adapter": float("inf")})
    with pytest.raises(TraceError, match="not JSON compliant"):
        writer.append(QuestionEvent.model_construct(prompt_tokens=1, score=score, scored_tokens=0, seconds=0.0))

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer._file, "flush", full)
    with pytest.raises(TraceError, match="No space left"):
        writer.append(events[1])


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_a_full_disk_is_told_with_the_name_of_the_file_to_the_end(events: list[Event]):
    with (
        pytest.raises(TraceError, match="^cannot write the trace /dev/full: No space left on device$"),
        TraceWriter(FULL) as writer,
    ):
        writer.append(events[0])


def test_a_file_that_holds_something_else_is_told_from_one_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "t").write_text("notes")
    with pytest.raises(NoTraceError, match="something else than a trace"):
        TraceWriter(tmp_path / "t")
    assert (tmp_path / "t").read_text() == "notes"


def test_one_at_a_time_writes_a_trace(events: list[Event], tmp_path: Path):
    with TraceWriter(tmp_path / "t") as first:
        first.append(events[0])
        with pytest.raises(TraceError, match="another run is writing") as caught:
            TraceWriter(tmp_path / "t")
        assert not isinstance(caught.value, NoTraceError)
        for event in events[1:]:
            first.append(event)
    assert read_trace(tmp_path / "t").complete
    with TraceWriter(tmp_path / "t") as second:
        second.append(events[0])


def test_a_device_takes_many_traces_at_a_time():
    with TraceWriter("/dev/null"), TraceWriter("/dev/null"):
        pass


def test_where_the_question_is_given_no_trace_of_another_one_is_replaced(
    events: list[Event], lines: list[bytes], tmp_path: Path
):
    older = written(tmp_path / "t", b"".join(lines))
    for there in (older.read_bytes(), lines[0], b'{"event":"header",damaged\n' + lines[1]):
        with pytest.raises(NoTraceError, match="the trace of another question"):
            TraceWriter(written(older, there), "What else?")
        assert older.read_bytes() == there
    for there, question in ((b"".join(lines), QUESTION), (lines[0][:30], "What else?"), (b"".join(lines), None)):
        with TraceWriter(written(older, there), question) as writer:
            assert older.read_bytes() == there
            writer.append(events[0])
        assert older.read_bytes() == lines[0]


def test_each_line_is_there_when_it_has_been_told(events: list[Event], tmp_path: Path):
    with TraceWriter(tmp_path / "t") as writer:
        for number, event in enumerate(events, 1):
            writer.append(event)
            assert (tmp_path / "t").read_bytes().count(b"\n") == number


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "none")


def test_fingerprints_do_not_depend_on_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1})
