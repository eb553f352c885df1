"""The command line from outside: exit codes, JSON shapes, hostile input, interruption."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import controller
from controller import assemble, diagnosis, screen
from controller.cli import app, main
from estimator.engines.base import EngineError, EngineUnreachable, SampleRequest, Sampling
from estimator.loading import Check
from estimator.positions import Position
from estimator.segments import segments_of
from estimator.types import Answer
from graphs.trace import read_trace
from tests.cli_double import BAD, GOOD, LONG, PENS, invoke, scripted, use

ROOT = Path(__file__).parents[1]
SOLVE_KEYS = [
    "question", "outcome", "answer", "confidence", "reason", "paragraphs", "tokens", "seconds",
    "model", "estimator", "engine", "policy", "seed", "trace",
]  # fmt: skip


@pytest.fixture(autouse=True)
def double(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return use(monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((GOOD,), 0),
        ((PENS,), 0),
        ((BAD,), 3),
        ((LONG, "--budget", "20"), 4),
        ((), 2),
        ((" ",), 2),
        (("x" * 20_001,), 2),
        ((GOOD, "--nonsense"), 2),
        ((GOOD, "--accept", "2"), 2),
        ((GOOD, "--accept", "0.01"), 2),  # below the policy's revise threshold
        ((GOOD, "--lookahead", "4"), 2),
        ((GOOD, "--lookahead", "4,0"), 2),
        ((GOOD, "--position", "sometimes"), 2),
        ((GOOD, "--seed", "-1"), 2),
        ((GOOD, "--seed", str(2**63)), 2),
        ((GOOD, "--seed", str(2**63 - 1)), 0),
        ((GOOD, "--temperature", "1e-300"), 2),
        ((GOOD, "--temperature", "0"), 0),
        ((GOOD, "--base-url", "notaurl"), 2),
        ((GOOD, "--policy", "missing.toml"), 2),
        ((GOOD, "--out", "x.jsonl"), 2),
        ((GOOD, "--file", "x.jsonl"), 2),
        (("a question nobody scripted",), 1),
        ((GOOD, "--trace", "no/such/folder/t.jsonl"), 1),
    ],
)
def test_exit_codes_of_solve(arguments, code):
    result = invoke("solve", *arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    if code in (1, 2):
        assert result.stderr


def test_json_of_solve():
    result = invoke("solve", PENS, "--json", "--seed", "5", "--trace", "t.jsonl")
    report = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert list(report) == SOLVE_KEYS
    assert (report["outcome"], report["answer"], report["confidence"]) == ("answered", "5", 0.9)
    assert list(report["paragraphs"][0]) == ["text", "confidence", "adjusted", "decision", "tokens"]
    assert list(report["tokens"]) == ["answer", "revised", "lookahead", "scoring"]
    assert list(report["seconds"]) == ["generate", "score", "total"]
    assert (report["seed"], report["trace"], report["policy"]["position"]) == (5, "t.jsonl", "paragraph")
    assert [p["decision"] for p in report["paragraphs"]] == ["continue", "continue", "finish"]


def test_json_where_nothing_is_answered():
    report = json.loads(invoke("solve", BAD, "--json").stdout)
    assert (report["outcome"], report["answer"], report["trace"]) == ("abstained", None, None)


def test_overrides_reach_the_policy():
    Path("p.toml").write_text("max_revisions = 0\naccept = 0.6\n")
    options = ("--policy", "p.toml", "--lookahead", "2,1", "--temperature", "0.5", "--budget", "500")
    policy = json.loads(invoke("solve", GOOD, "--json", *options).stdout)["policy"]
    wanted = {"max_revisions": 0, "accept": 0.6, "width": 2, "depth": 1, "temperature": 0.5, "budget": 500}
    assert {k: policy[k] for k in wanted} == wanted


def test_fresh_answers_are_asked_for_and_shown():
    Path("p.toml").write_text("sure = 1.0\n")
    shown = invoke("solve", GOOD, "--opinions", "2", "--policy", "p.toml")
    assert shown.exit_code == 0 and "leaves doubt" in shown.stdout and "2 of 2 fresh answers agree" in shown.stdout
    told = json.loads(invoke("solve", GOOD, "--opinions", "2", "--policy", "p.toml", "--json").stdout)
    assert told["policy"]["opinions"] == 2 and told["tokens"]["lookahead"] == 2 * told["tokens"]["answer"]
    last = told["paragraphs"][-1]
    assert last["confidence"] == 0.95 < last["adjusted"] == told["confidence"] and last["decision"] == "finish"


def test_more_opinions_than_the_estimator_can_weigh_are_refused_where_asked_for_and_left_out_where_not(monkeypatch, tmp_path):
    refused = invoke("solve", GOOD, "--opinions", "9")
    assert refused.exit_code == 2 and "opinions = 9, and the estimator can weigh 1, 2, 3" in refused.stderr
    shipped = tmp_path / "shipped.toml"
    shipped.write_text("opinions = 9\n")
    monkeypatch.setattr(assemble, "shipped_policy_path", lambda: shipped)
    left_out = invoke("solve", GOOD, "--json")
    assert (
        json.loads(left_out.stdout)["policy"]["opinions"] == 3
        and "opinions = 9 and this estimator can weigh 3" in left_out.stderr
    )
    greedy = json.loads(invoke("solve", GOOD, "--temperature", "0", "--json").stdout)
    assert greedy["policy"]["opinions"] == 0
    monkeypatch.setenv("CONTROLLER_OPINIONS", "9")
    assert invoke("score", GOOD, "--answer", "#### 42").exit_code == 0, "nothing is decided there"
    assert invoke("solve", GOOD).exit_code == 2


@pytest.mark.parametrize("text", ["accpt = 0.5", "accept = ", "accept = 3", "accept = 0.1\nrevise = 0.5"])
def test_bad_policy_file_is_refused_before_the_trace_is_touched(text):
    Path("p.toml").write_text(text)
    Path("t.jsonl").write_text("an older trace")
    result = invoke("solve", GOOD, "--policy", "p.toml", "--trace", "t.jsonl")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert Path("t.jsonl").read_text() == "an older trace"


def test_another_temperature_than_the_estimators_is_told(tmp_path):
    policy = tmp_path / "warm.toml"
    policy.write_text("temperature = 0.7\n")
    assert "trained on answers sampled at temperature 1: at 0.7" in " ".join(
        invoke("solve", GOOD, "--policy", policy).stderr.split()
    )
    assert "temperature" not in invoke("solve", GOOD).stderr


def test_unwritable_trace_costs_nothing(monkeypatch, double):
    def load(*_):
        raise AssertionError("loaded although the trace cannot be written")

    monkeypatch.setattr(assemble, "load_for", load)
    assert invoke("solve", GOOD, "--trace", "no/such/t.jsonl").exit_code == 1
    Path("questions.txt").write_text(GOOD)
    Path("occupied").write_text("a file")
    assert invoke("solve", "--file", "questions.txt", "--trace", "occupied").exit_code == 1
    assert invoke("solve", "--file", "questions.txt", "--out", "no/such/out.jsonl").exit_code == 1


@pytest.mark.parametrize(("error", "code"), [(EngineUnreachable("no answer from http://x"), 5), (EngineError("broken"), 1)])
def test_failing_engine(monkeypatch, error, code):
    use(monkeypatch, scripted(failures={1: error}))
    result = invoke("solve", GOOD, "--json", "--trace", "t.jsonl")
    assert (result.exit_code, result.stdout) == (code, "")
    assert str(error) in result.stderr and result.stderr.count("\n") == 1
    assert read_trace("t.jsonl").events[-1].event == "interrupted"


def test_interrupt_keeps_the_trace(monkeypatch):
    use(monkeypatch, scripted(failures={2: KeyboardInterrupt()}))
    result = invoke("solve", PENS, "--trace", "t.jsonl")
    assert result.exit_code == 130
    trace = read_trace("t.jsonl")
    assert [e.event for e in trace.events][-1] == "interrupted"
    assert "segment" in [e.event for e in trace.events]
    assert "interrupted" in invoke("replay", "t.jsonl").stdout


def test_real_signal_keeps_the_trace(tmp_path):
    script = (
        "import signal, time\nfrom tests import cli_double as d\nfrom controller import assemble\n"
        "from controller.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # what a shell starts in the background ignores it
        "loaded = d.scripted()\n"
        "def slow(*a):\n    print('asked', flush=True); time.sleep(20)\n"
        "loaded.engine.sample = slow\nassemble.load_for = lambda *_: loaded\n"
        "assemble.shipped_policy_path = lambda: None\n"
        "main()"
    )
    command = [sys.executable, "-c", script, "solve", GOOD, "--json", "--trace", str(tmp_path / "t.jsonl")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert read_trace(tmp_path / "t.jsonl").events[-1].event == "interrupted"


def test_file_in_order_with_traces():
    Path("q.jsonl").write_text("\n".join(json.dumps({"question": q}) for q in (PENS, BAD, GOOD)) + "\n")
    result = invoke("solve", "--file", "q.jsonl", "--trace", "traces", "--out", "out.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [r["question"] for r in rows] == [PENS, BAD, GOOD]
    assert [r["outcome"] for r in rows] == ["answered", "abstained", "answered"]
    assert [r["trace"] for r in rows] == [f"traces/000{i}.jsonl" for i in (1, 2, 3)]
    assert read_trace("traces/0002.jsonl").header.question == BAD


def test_bad_line_stops_before_anything_runs(double):
    Path("q.jsonl").write_text(json.dumps({"question": GOOD}) + '\n{"qestion": "x"}\n')
    result = invoke("solve", "--file", "q.jsonl")
    assert (result.exit_code, result.stdout, double.engine.calls) == (2, "", 0)
    assert "q.jsonl:2" in result.stderr


def test_file_row_that_fails_keeps_its_place():
    Path("q.txt").write_text(f"{GOOD}\nnobody scripted this\n{BAD}\n")
    result = invoke("solve", "--file", "q.txt")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [r["question"] for r in rows] == [GOOD, "nobody scripted this", BAD]
    assert "no answer" in rows[1]["error"]


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (EngineUnreachable("gone"), 5)])
def test_finished_rows_are_kept(monkeypatch, error, code):
    use(
        monkeypatch, scripted(failures=dict.fromkeys(range(4, 20), error))
    )  # the third may begin before the second is seen to fail
    Path("q.txt").write_text(f"{GOOD}\n{GOOD}\n{GOOD}\n")
    result = invoke("solve", "--file", "q.txt", "--out", "out.jsonl")
    assert result.exit_code == code
    assert len(Path("out.jsonl").read_text().splitlines()) == 1


def test_a_batch_is_counted_and_its_rows_carry_the_ids_of_their_lines():
    lines = [{"id": "a", "question": GOOD}, {"question": BAD}, {"id": 3, "question": "nobody scripted this"}]
    Path("q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = invoke("solve", "--file", "q.jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r.get("id", "none") for r in rows] == ["a", "none", 3]
    assert "3 questions: 1 abstained, 1 answered, 1 could not be run" in result.stderr


def test_a_batch_that_was_cut_off_is_gone_on_with(monkeypatch):
    lines = [GOOD, BAD, PENS, GOOD]
    Path("q.txt").write_text("\n".join(lines))
    whole = invoke("solve", "--file", "q.txt", "--out", "whole.jsonl")
    use(monkeypatch, scripted(failures={6: KeyboardInterrupt()}))
    cut = invoke("solve", "--file", "q.txt", "--out", "out.jsonl")
    kept = Path("out.jsonl").read_text()
    count = len(kept.splitlines())
    assert (cut.exit_code, f"{count} of 4 questions: " in cut.stderr) == (130, True) and 0 < count < 4
    assert "--resume goes on" in cut.stderr and "--resume" not in whole.stderr
    Path("out.jsonl").write_text(kept + '{"question": "torn')
    use(monkeypatch, scripted())
    on = invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume")
    assert on.exit_code == whole.exit_code == 0 and f"the rows of {count} of 4 questions" in on.stderr
    rows = Path("out.jsonl").read_text().splitlines()
    assert [row for row in rows if row in kept.splitlines()] == kept.splitlines()  # the last may have got ahead of a gap
    assert "4 questions: " in on.stderr
    assert answers("out.jsonl") == answers("whole.jsonl")
    before = Path("out.jsonl").read_text()
    again = invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume")
    assert (again.exit_code, Path("out.jsonl").read_text()) == (0, before)


def answers(path: str) -> list:
    return [(r["question"], r.get("answer")) for r in map(json.loads, Path(path).read_text().splitlines())]


def test_rows_behind_a_gap_are_kept_and_failed_ones_asked_again():
    Path("q.txt").write_text("\n".join([GOOD, BAD, PENS]))
    assert invoke("solve", "--file", "q.txt", "--out", "whole.jsonl").exit_code == 0
    rows = Path("whole.jsonl").read_text().splitlines(keepends=True)
    failed = json.dumps({"question": GOOD, "error": "the server was tired", "trace": None}) + "\n"
    for there in ([rows[0], rows[2]], [failed, *rows[1:]], [rows[0][:30]]):
        Path("out.jsonl").write_text("".join(there))
        result = invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume")
        assert result.exit_code == 0 and answers("out.jsonl") == answers("whole.jsonl")
        whole = [row for row in there if row in rows]
        assert [row for row in Path("out.jsonl").read_text().splitlines(keepends=True) if row in whole] == whole


def test_rows_behind_a_gap_survive_another_interruption(monkeypatch):
    Path("q.txt").write_text("\n".join([GOOD, BAD, PENS]))
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl").exit_code == 0
    rows = Path("out.jsonl").read_text().splitlines(keepends=True)
    Path("out.jsonl").write_text(rows[0] + rows[2])
    double = use(monkeypatch, scripted(failures={1: KeyboardInterrupt()}))
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume").exit_code == 130
    assert Path("out.jsonl").read_text() == rows[0] + rows[2]
    double.engine.failures.clear()
    monkeypatch.setattr(screen, "print_json", lambda *_: raises(KeyboardInterrupt))  # where nothing can be written any more
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume").exit_code == 130
    assert Path("out.jsonl").read_text() == rows[0] + rows[2] and not list(Path().glob("*.partial"))


def raises(error):
    raise error


def test_only_results_are_replaced_and_by_one_run_at_a_time():
    Path("q.txt").write_text(f"{GOOD}\n{BAD}\n")
    Path("notes.md").write_text("notes")
    Path("other.jsonl").write_text(json.dumps({"question": GOOD, "answer": "42"}))
    Path("locked.jsonl").touch()
    with Path("locked.jsonl").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for out, code, why in (
            ("notes.md", 2, "something else than results"),
            ("other.jsonl", 2, "something else than results"),
            ("traces/0002.jsonl", 2, "where a trace goes"),
            ("locked.jsonl", 1, "another run is writing"),
        ):
            result = invoke("solve", "--file", "q.txt", "--out", out, "--trace", "traces")
            assert (result.exit_code, why in result.stderr) == (code, True)
    assert Path("notes.md").read_text() == "notes"


def test_stdout_by_another_name_is_stdout():
    Path("q.txt").write_text(GOOD)
    script = (
        "from tests import cli_double as d\nfrom controller import assemble\nfrom controller.cli import main\n"
        "assemble.load_for = lambda *_: d.scripted()\nassemble.shipped_policy_path = lambda: None\nmain()"
    )
    with Path("all.jsonl").open("a") as file:
        file.write("before\n")
        file.flush()
        command = [sys.executable, "-c", script, "solve", "--file", str(Path("q.txt").resolve()), "--out", "/dev/stdout"]
        for more, code in (([], 0), (["--resume"], 2)):
            assert subprocess.run([*command, *more], cwd=ROOT, stdout=file, stderr=subprocess.DEVNULL).returncode == code
    lines = Path("all.jsonl").read_text().splitlines()
    assert lines[0] == "before" and json.loads(lines[1])["answer"] == "42" and len(lines) == 2


def test_only_the_same_run_is_gone_on_with():
    Path("q.txt").write_text(f"{GOOD}\n{BAD}\n")
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl").exit_code == 0
    before = Path("out.jsonl").read_text()
    for options, what in ((("--seed", "3"), "another seed"), (("--accept", "0.9"), "another policy")):
        result = invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume", *options)
        assert (result.exit_code, what in result.stderr) == (2, True)
    Path("out.jsonl").write_text(before.replace("\n", "\nrubbish\n", 1))
    result = invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume")
    assert (result.exit_code, "a line that is no row" in result.stderr) == (2, True)
    Path("out.jsonl").write_text(before)
    for changed in (PENS, GOOD, json.dumps({"id": 1, "question": GOOD}) + f"\n{BAD}"):
        Path("q.txt").write_text(changed)
        result = invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume")
        assert (result.exit_code, "other questions" in result.stderr) == (2, True)
    assert Path("out.jsonl").read_text() == before
    assert invoke("solve", "--file", "q.txt", "--resume").exit_code == 2
    for option in ("--processes", "--concurrency"):
        assert f"{option} belongs to --file" in invoke("solve", GOOD, option, "2").stderr
    Path("q.txt").write_text(f"{GOOD}\n{PENS}\n{BAD}\n")  # a question more keeps what is there
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume").exit_code == 0
    assert [line for line in Path("out.jsonl").read_text().splitlines() if line in before.splitlines()] == before.splitlines()
    assert [q for q, _ in answers("out.jsonl")] == [GOOD, PENS, BAD]
    assert invoke("solve", "--file", "q.txt", "--out", "new.jsonl", "--resume").exit_code == 0


def test_a_backend_that_is_away_leaves_what_is_there(monkeypatch):
    def load(*_):
        raise EngineUnreachable("nothing answers")

    assert invoke("solve", GOOD, "--trace", "t.jsonl").exit_code == 0
    before = Path("t.jsonl").read_text()
    monkeypatch.setattr(assemble, "load_for", load)
    Path("q.txt").write_text(GOOD)
    Path("out.jsonl").write_text('{"question": "earlier", "outcome": "answered"}\n')
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl").exit_code == 5
    assert invoke("solve", GOOD, "--trace", "t.jsonl").exit_code == 5
    assert (Path("out.jsonl").read_text(), Path("t.jsonl").read_text()) == (
        '{"question": "earlier", "outcome": "answered"}\n',
        before,
    )


def test_a_second_run_replaces_results_and_trace():
    for questions in (f"{GOOD}\n{BAD}\n", f"{GOOD}\n{BAD}\n{PENS}\n"):
        Path("q.txt").write_text(questions)
        result = invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--trace", "traces")
        assert result.exit_code == 0
    assert "the 2 rows in out.jsonl are replaced; --resume would have kept them" in result.stderr
    assert [q for q, _ in answers("out.jsonl")] == [GOOD, BAD, PENS]
    assert read_trace("traces/0001.jsonl").complete


@pytest.mark.parametrize("resume", [(), ("--out", "out.jsonl", "--resume")])
def test_traces_of_other_questions_are_not_replaced(double, resume):
    Path("q.txt").write_text(f"{GOOD}\n{BAD}\n")
    for _ in range(2):  # the same questions again
        assert invoke("solve", "--file", "q.txt", "--trace", "traces", *resume).exit_code == 0
    before, calls = Path("traces/0002.jsonl").read_text(), double.engine.calls
    Path("other.txt").write_text(f"{GOOD}\n{PENS}\n")
    Path("more.txt").write_text(f"{GOOD}\n{BAD}\n{PENS}\n{LONG}\n")
    Path("traces/0004.jsonl").write_text("notes")
    for file, said in (("other.txt", "0002.jsonl holds the trace of another question"), ("more.txt", "0004.jsonl holds")):
        result = invoke("solve", "--file", file, "--trace", "traces", *resume)
        assert (result.exit_code, result.stderr.count("\n"), double.engine.calls) == (2, 1, calls)
        assert said in result.stderr and "name another folder for --trace" in result.stderr
    assert (Path("traces/0002.jsonl").read_text(), Path("traces/0004.jsonl").read_text()) == (before, "notes")
    assert not Path("traces/0003.jsonl").exists()
    assert invoke("solve", PENS, "--trace", "traces/0002.jsonl").exit_code == 0, "a single file was named itself"
    assert read_trace("traces/0002.jsonl").header.question == PENS


def test_a_trace_is_written_by_one_run_at_a_time(double):
    assert invoke("solve", GOOD, "--trace", "t.jsonl").exit_code == 0
    before, calls = Path("t.jsonl").read_text(), double.engine.calls
    with Path("t.jsonl").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = invoke("solve", GOOD, "--trace", "t.jsonl")
    assert (result.exit_code, Path("t.jsonl").read_text(), double.engine.calls) == (1, before, calls)
    assert "another run is writing t.jsonl" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_rows_of_other_questions_are_not_replaced(double, resume):
    Path("q.txt").write_text(f"{GOOD}\n{BAD}\n")
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl").exit_code == 0
    before, calls = Path("out.jsonl").read_text(), double.engine.calls
    Path("other.txt").write_text(f"{PENS}\n{LONG}\n")
    for file, options, what in (
        ("other.txt", (), "other questions"),
        ("q.txt", ("--accept", "0.9"), "another policy"),
        ("q.txt", ("--seed", "3"), "another seed"),
    ):
        result = invoke("solve", "--file", file, "--out", "out.jsonl", *options, *resume)
        assert what in result.stderr
        if resume or file == "other.txt":
            assert (result.exit_code, Path("out.jsonl").read_text(), double.engine.calls) == (2, before, calls)
            assert "name another file" in result.stderr and "replaced" not in result.stderr
        else:  # the same questions asked in another way
            assert result.exit_code == 0 and "the 2 rows in out.jsonl are replaced" in result.stderr
            assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl").exit_code == 0
            before, calls = Path("out.jsonl").read_text(), double.engine.calls


def test_rows_that_failed_are_replaced_without_a_word():
    Path("q.txt").write_text(GOOD)
    Path("out.jsonl").write_text(json.dumps({"question": GOOD, "error": "the server was tired", "trace": None}) + "\n")
    result = invoke("solve", "--file", "q.txt", "--out", "out.jsonl")
    assert (result.exit_code, answers("out.jsonl"), "replaced" in result.stderr) == (0, [(GOOD, "42")], False)


def test_no_file_of_the_user_is_replaced():
    Path("q.txt").write_text(GOOD)
    result = invoke("solve", "--file", "q.txt", "--out", "q.txt")
    assert (result.exit_code, Path("q.txt").read_text()) == (2, GOOD) and "another file" in result.stderr
    result = invoke("solve", GOOD, "--trace", "q.txt")
    assert (result.exit_code, Path("q.txt").read_text()) == (2, GOOD) and "another file" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_named():
    Path("q.txt").write_text(GOOD)
    for options in ((GOOD, "--trace"), ("--file", "q.txt", "--out")):
        result = invoke("solve", *options, "/dev/full")
        assert result.exit_code == 1 and "Traceback" not in result.output
        assert "/dev/full: No space left on device" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("data", [b"\xff\xfe?", b"a\x00b", b"", b" \n", b"x" * 100_000])
def test_stdin_that_is_no_question(data):
    result = invoke("solve", "-", stdin=data)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1 and "\x00" not in result.stderr


def test_stdin_is_asked():
    assert json.loads(invoke("solve", "-", "--json", stdin=GOOD + "\n").stdout)["answer"] == "42"


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;x\x07 [bold]a[/]", "abc \u202egnol", "كم؟ e\u0301 👩‍👩‍👧"])
def test_hostile_text_from_question_and_model(monkeypatch, text):
    use(monkeypatch, scripted({text: [[text, f"#### {text}"]]}))
    for options in ((), ("--json",)):
        result = invoke("solve", text, "--accept", "0.2", *options)
        assert result.exit_code == 0
        assert not any(c in result.stdout for c in "\x1b\x07\u202e")
    assert json.loads(result.stdout)["question"] == text


def test_score_json():
    answer = "3 x 4 = 12.\n\n12 - 7 = 5.\n\n#### 5"
    report = json.loads(invoke("score", PENS, "--answer", answer, "--json").stdout)
    wanted = ["question", "paragraphs", "question_confidence", "confidence", "partial", "model", "estimator", "engine"]
    assert list(report) == wanted
    assert [p["text"] for p in report["paragraphs"]] == answer.split("\n\n")
    assert [p["confidence"] for p in report["paragraphs"]] == [0.7, 0.8, 0.9]
    assert list(report["question_confidence"]) == ["confidence", "low", "high"]
    assert report["confidence"] == 0.9 and report["partial"] is False


@pytest.mark.parametrize(
    ("answer", "options", "said"),
    [
        ("3 x 4 = 12.", (), "--partial reads it up to here"),
        ("3 x 4 = 12.\n\n#### 5", ("--partial",), "leave out --partial if it is finished"),
        ("3 x 4 = 12.", ("--partial",), ""),
        ("3 x 4 = 12.\n\n#### 5", (), ""),
    ],
)
def test_score_tells_where_finished_and_partial_may_have_been_mixed_up(answer, options, said):
    result = invoke("score", PENS, "--answer", answer, *options, "--json")
    assert json.loads(result.stdout)["partial"] == bool(options)
    assert (said in result.stderr) if said else not result.stderr


def test_score_reads_stdin_file_and_partial_answers():
    Path("a.txt").write_text("3 x 4 = 12.\n\n\n\n12 - 7 = 6.\n")
    for arguments, stdin in ((("@a.txt",), None), (("-",), "3 x 4 = 12.\n\n12 - 7 = 6.")):
        result = invoke("score", PENS, "--partial", "--answer", *arguments, stdin=stdin)
        assert result.exit_code == 0
        assert "0.15" in result.stdout and "0.70" in result.stdout
    assert invoke("score", PENS, "--answer", " ").exit_code == 2
    assert invoke("score", PENS, "--answer", "@missing").exit_code == 2
    assert invoke("score", "-", "--answer", "-").exit_code == 2


def test_doctor(monkeypatch):
    monkeypatch.setattr(diagnosis, "check_for", lambda settings: [Check("adapter", True, "fits")])
    result = invoke("doctor", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0 and report["ok"]
    assert report["packages"]["typer"] and report["policy"]["accept"] == 0.5
    assert "adapter: fits" in invoke("doctor").stdout


def test_doctor_says_what_to_do(monkeypatch):
    broken = Check("adapter", False, "made for another base model", "train it anew")
    monkeypatch.setattr(diagnosis, "check_for", lambda settings: [broken])
    result = invoke("doctor")
    assert result.exit_code == 1 and "train it anew" in result.stdout
    assert invoke("doctor", "--policy", "missing.toml").exit_code == 1
    assert not json.loads(invoke("doctor", "--json").stdout)["ok"]


def test_settings_typo_is_usage():
    Path("controller.toml").write_text("modle = 'x'\n")
    result = invoke("solve", GOOD)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("command", [command.name for command in app.registered_commands])
def test_each_help_has_an_example(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0 and f"controller {command}" in result.stdout


def test_help_is_quick_and_imports_nothing_heavy():
    script = (
        "import sys\ntry:\n    from controller.cli import main\n    main()\n"
        "except SystemExit as e:\n    assert not e.code\n"
        "heavy = {'torch', 'transformers', 'peft', 'langgraph', 'numpy'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", script, "--help"], cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5


def test_version_and_usage():
    assert invoke("--version").stdout.startswith("controller ")
    assert invoke("nonsense").exit_code == 2
    assert invoke().exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["solve", "--seed", "abc"], "'--seed'"),
        (["nonsense"], "'nonsense'"),
        (["tune"], "QUESTIONS"),
        (["solve", GOOD, "--nope"], "--nope"),
        (["solve", GOOD, "one too many"], "one too many"),
        (["solve", "--seed"], "see controller solve --help"),
        (["solve", GOOD, "--json=3"], "see controller solve --help"),
        (["--version=3"], "see controller --help"),
        (["solve", "-5 + 3?"], "put -- before a question that begins with -"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_that_names_the_help(monkeypatch, capsys, arguments, said):
    monkeypatch.setattr(sys, "argv", ["controller", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    [line] = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and said in line and line.startswith("controller: error: ") and line.endswith("--help")


def test_reader_that_goes_away_is_no_failure_of_ours(tmp_path):
    command = f"{sys.executable} -m controller --help | head -1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert done.stderr == ""


def test_given_answer_is_cut_as_the_engine_would_write_it(double):
    engine, prompt = double.engine, double.engine.prompt_ids(GOOD)
    answer = Answer(prompt)
    while not answer.finished:
        request = SampleRequest(answer.token_ids)
        answer = answer.then(engine.sample([request], Sampling(position=Position()))[0][0])
    text = engine.decode(answer.token_ids[len(prompt) :])
    assert segments_of(engine, prompt, text, finished=True) == answer.segments
    calls = engine.calls
    unfinished = segments_of(engine, prompt, "one\n\n\ntwo", finished=False)
    assert engine.calls == calls + 1
    assert [engine.decode(s.token_ids) for s in unfinished] == ["one\n\n\n", "two\n\n"]
    assert not unfinished[-1].finished


def test_blank_line_across_two_tokens_ends_a_segment(double, monkeypatch):
    pieces = [".\n", "\n", "a", "\n\nb", "c"]
    monkeypatch.setattr(double.engine, "text_ids", lambda text: (2, 0, 1, 2, 3, 4, 0))
    monkeypatch.setattr(double.engine, "decode", lambda ids: "".join(pieces[i] for i in ids if i < len(pieces)))
    segments = segments_of(double.engine, (), "a.\n\na\n\nbc.\n", finished=True)
    assert [s.token_ids for s in segments] == [(2, 0, 1), (2, 3), (4, 0, double.engine.end_id)]


def test_python_api(tmp_path):
    result = controller.solve(PENS, loaded=scripted(), seed=3, trace=tmp_path / "t.jsonl")
    assert (result.outcome, result.answer) == ("answered", "5")
    assert controller.read_trace(tmp_path / "t.jsonl").header.seed == 3
    strict = controller.Policy(accept=1.0)
    assert asyncio.run(controller.asolve(GOOD, loaded=scripted(), policy=strict)).outcome == "abstained"
    with pytest.raises(ValueError):
        controller.solve(" ", loaded=scripted())
    for seed in (-1, 2**63):
        with pytest.raises(ValueError, match="seed"):
            controller.solve(GOOD, loaded=scripted(), seed=seed)


def test_missing_package_is_named(monkeypatch):
    def load(*_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(assemble, "load_for", load)
    result = invoke("solve", GOOD)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "torch is not installed" in result.stderr


def test_a_bug_stays_loud(monkeypatch):
    def load(*_):
        raise ValueError("a bug")

    monkeypatch.setattr(assemble, "load_for", load)
    assert isinstance(invoke("solve", GOOD).exception, ValueError)
