"""The file of rows that ``solve --file --out`` writes: no row is lost however a run ends, and each ends in its place."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

import pytest
from typer.testing import Result

from controller import output, screen
from tests.cli_double import BAD, GOOD, PENS, Double, invoke, scripted, use

ROOT = Path(__file__).parents[1]
ASKED = [GOOD, BAD, PENS]
DEVICE = Path("/dev/zero")


@pytest.fixture(autouse=True)
def double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Double:
    monkeypatch.chdir(tmp_path)
    return use(monkeypatch)


@pytest.fixture
def rows(double: Double) -> list[str]:
    """The rows of all questions, of an earlier run."""
    Path("q.txt").write_text("\n".join(ASKED))
    assert invoke("solve", "--file", "q.txt", "--out", "out.jsonl").exit_code == 0
    return Path("out.jsonl").read_text().splitlines(keepends=True)


def failed(question: str) -> str:
    return json.dumps({"question": question, "error": "the server was tired", "trace": None}) + "\n"


def resumed(there: Iterable[str]) -> Result:
    Path("out.jsonl").write_text("".join(there))
    return invoke("solve", "--file", "q.txt", "--out", "out.jsonl", "--resume")


def there() -> list[str]:
    return Path("out.jsonl").read_text().splitlines(keepends=True)


def questions() -> list[str]:
    return [json.loads(row)["question"] for row in there()]


def test_rows_that_closed_a_gap_are_there_when_the_process_is_killed(rows: list[str]) -> None:
    """Nothing is done at the end of a process that is killed, that loses its power, or that has no memory left."""
    Path("out.jsonl").write_text("".join([failed(GOOD), rows[1]]))
    script = (
        "import os, signal, time\nfrom tests import cli_double as d\nfrom controller import assemble\n"
        "from controller.cli import main\n"
        "loaded = d.scripted()\nsample = loaded.engine.sample\n"
        "def killed(requests, sampling):\n"
        "    if d.PENS in loaded.engine.decode(requests[0].prefix):\n"
        "        time.sleep(1); os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return sample(requests, sampling)\n"
        "loaded.engine.sample = killed\nassemble.load_for = lambda *_: loaded\n"
        "assemble.shipped_policy_path = lambda: None\nmain()"
    )
    files = ("--file", str(Path("q.txt").resolve()), "--out", str(Path("out.jsonl").resolve()))
    killed = subprocess.run([sys.executable, "-c", script, "solve", *files, "--resume"], cwd=ROOT, capture_output=True)
    assert killed.returncode < 0, killed.stderr
    new = [row for row in there() if json.loads(row).get("answer") == "42"]
    assert len(new) == 1
    on = resumed(there())
    assert "the rows of 2 of 3 questions" in on.stderr and on.exit_code == 0
    assert there()[:2] == [new[0], rows[1]] and questions() == ASKED


def test_rows_are_put_in_order_however_they_lie(double: Double, rows: list[str]) -> None:
    calls = double.engine.calls
    for order in permutations(rows):
        result = resumed([failed(BAD), *order, '{"question": "torn'])
        assert (result.exit_code, there()) == (0, rows) and "the rows of 3 of 3" in result.stderr
    assert double.engine.calls == calls


@pytest.mark.parametrize("end", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_every_row_behind_a_gap_is_kept_when_the_run_ends_early(
    end: BaseException, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = screen.print_json, []

    def one_row(*arguments: object) -> None:
        if written:
            raise end
        written.append(arguments)
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(screen, "print_json", one_row)
    assert resumed([rows[2]]).exit_code in (1, 130)
    assert questions() == [GOOD, PENS] and there()[1] == rows[2]
    assert [path.name for path in Path().glob("*out*")] == ["out.jsonl"]


def test_where_rows_cannot_be_put_in_order_they_stay_and_the_next_run_does_it(
    double: Double, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(output, "replaced", full)
        result = resumed(rows[1:])
    assert result.exit_code == 1 and "--resume will put them in order" in result.stderr.splitlines()[-1]
    assert questions() == [BAD, PENS, GOOD] and there()[:2] == rows[1:]
    calls = double.engine.calls
    assert resumed(there()).exit_code == 0 and questions() == ASKED and double.engine.calls == calls


def test_the_same_question_asked_twice_has_two_rows(rows: list[str]) -> None:
    Path("q.txt").write_text("\n".join([GOOD, BAD, GOOD]))
    for kept in ([rows[0]], [rows[1], rows[0]], [failed(GOOD), rows[1], rows[0]], [failed(GOOD), failed(BAD), rows[0]]):
        assert resumed(kept).exit_code == 0
        assert questions() == [GOOD, BAD, GOOD] and not any("error" in json.loads(row) for row in there())
    assert resumed([rows[0]] * 3).exit_code == 2


def test_a_link_its_rights_and_the_files_beside_it_are_left_as_they_are(rows: list[str]) -> None:
    Path("store").mkdir()
    Path("out.jsonl").replace("store/rows")
    Path("store/rows").chmod(0o640)
    Path("out.jsonl").symlink_to("store/rows")
    Path("out.jsonl.partial").write_text("of the user")
    assert resumed(rows[1:]).exit_code == 0
    assert Path("out.jsonl").is_symlink() and questions() == ASKED
    assert Path("store/rows").stat().st_mode & 0o777 == 0o640
    assert Path("out.jsonl.partial").read_text() == "of the user"


def test_a_file_that_another_run_has_just_put_in_order_is_not_written_to(
    rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the lock of the old one, which nobody will read."""

    def claim(_: object) -> bool:
        Path("new").write_text("".join(rows))
        os.replace("new", "out.jsonl")
        return True

    monkeypatch.setattr(output, "claim", claim)
    result = resumed(rows[1:])
    assert (result.exit_code, there()) == (1, rows) and "another run is writing" in result.stderr


@pytest.mark.skipif(not DEVICE.exists(), reason="no such device")
def test_a_device_takes_the_rows_of_many_runs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, scripted())
    Path("q.txt").write_text(GOOD)
    with DEVICE.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert invoke("solve", "--file", "q.txt", "--out", DEVICE).exit_code == 0
