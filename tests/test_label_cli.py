"""``controller label`` from outside: files, JSON, exit codes, and what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller import label_view
from controller.commands import label
from estimator.engines.base import EngineError, EngineUnreachable
from tests.cli_double import invoke
from tests.label_double import HASHES, WithStates, answers, asked
from training.label_run import Progress
from training.labels import read_labels

FEW = ("--k", "4", "--truncations", "2", "--chunk", "3")


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WithStates:
    monkeypatch.chdir(tmp_path)
    Path("q.jsonl").write_text("".join(json.dumps({"question": q.text, "answer": q.answers[0]}) + "\n" for q in asked()))
    made = WithStates({q.text: answers(n) for n, q in enumerate(asked())})
    monkeypatch.setattr(label, "load_engine_for", lambda settings: (made, HASHES))
    return made


def test_labels_of_a_file_as_json() -> None:
    result = invoke("label", "q.jsonl", "--out", "made", *FEW, "--one-sample", "2", "--kind", "sums", "--seed", "5", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["out"], report["left_out"], report["settings"]["seed"]) == (0, "made", 0, 5)
    assert report["questions"] == 16 and set(report["kinds"]) == {"sums"} == {r.kind for r in read_labels(Path("made"))}
    assert set(report["sources"]) == {"complete", "monte_carlo", "sampled"}
    assert not Path("made/chunks").exists()


def test_words_say_what_was_drawn_and_from_what() -> None:
    result = invoke("label", "q.jsonl", "--out", "made", *FEW)
    words = " ".join(result.stdout.split())
    assert result.exit_code == 0 and "samples drawn" in words and "k(1 + mT)" in words and "all wrong" in words


def test_useless_labels_are_said_to_be() -> None:
    Path("hard.jsonl").write_text("".join(json.dumps({"question": q.text, "answer": "-1"}) + "\n" for q in asked()))
    result = invoke("label", "hard.jsonl", "--out", "made", *FEW)
    assert result.exit_code == 0 and "too hard for this model" in result.stderr
    assert "too hard" in Path("made/README.md").read_text()


def test_an_empty_split_is_said_to_be() -> None:
    Path("few.jsonl").write_text("".join(json.dumps({"question": q.text, "answer": "7"}) + "\n" for q in asked()[:2]))
    for share, said in ((("--held-out", "0.01"), True), (("--held-out", "0"), False)):
        result = invoke("label", "few.jsonl", "--out", f"made{share[1]}", *FEW, *share)
        assert result.exit_code == 0 and ("the split 'held_out' is empty" in result.stderr) == said


def test_questions_that_do_not_fit_the_context_are_left_out_and_named(
    engine: WithStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "max_context", 500)
    long = "what is 1 + 1? " * 100
    Path("q.jsonl").write_text(
        json.dumps({"question": long, "answer": "2", "id": "long one"}) + "\n" + Path("q.jsonl").read_text()
    )
    result = invoke("label", "q.jsonl", "--out", "made", *FEW, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["left_out"], report["questions"]) == (0, 1, 16)
    assert "1 questions are left out: too long" in result.stderr and "'long one'" in result.stderr
    Path("long.jsonl").write_text(json.dumps({"question": long, "answer": "2"}))
    result = invoke("label", "long.jsonl", "--out", "none", *FEW)
    assert result.exit_code == 2 and "too long" in result.stderr and not Path("none").exists()


def test_an_odd_number_of_complete_answers_cannot_be_halved() -> None:
    result = invoke("label", "q.jsonl", "--out", "made", *FEW, "--answers", "3")
    assert result.exit_code == 2 and "even" in result.stderr


def test_the_time_left_counts_what_this_run_has_done() -> None:
    at = Progress(questions=30, total=110, resumed=20, samples=450, seconds=90)
    assert label_view.rate(at) == "5 samples/s, 0:12:00 left"
    assert "left" not in label_view.rate(Progress(20, 110, 20, 0, 0.0))


def test_a_model_that_embeds_nothing_leaves_the_folder_free() -> None:
    broken = Path("broken")
    broken.mkdir()
    result = invoke("label", "q.jsonl", "--out", "made", *FEW, "--embed", broken)
    assert result.exit_code == 1 and "--embed" in result.stderr and not Path("made").exists()
    assert invoke("label", "q.jsonl", "--out", "made", *FEW).exit_code == 0


def test_kinds_are_shown_and_not_obeyed() -> None:
    result = invoke("label", "q.jsonl", "--out", "made\x1b[2J", *FEW, "--kind", "\x1b[31mred\x1b]0;title\x07[bold]")
    assert result.exit_code == 0 and "[31mred" in result.stdout and "\x1b" not in result.stdout


def test_repeated_and_ungradable_questions_are_left_out_and_counted() -> None:
    with Path("q.jsonl").open("a") as file:
        file.write('{"question": "what is 1 + 1?", "answer": "2"}\n{"question": "Dots?", "answer": ["---"]}\n')
    result = invoke("label", "q.jsonl", "--out", "made", *FEW, "--json")
    assert json.loads(result.stdout)["left_out"] == 2 and "left out" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"), [(EngineUnreachable("gone"), 5), (EngineError("broken"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_run_that_fails_goes_on_where_it_was(engine: WithStates, error: BaseException, code: int) -> None:
    engine.failures = {6: error}
    result = invoke("label", "q.jsonl", "--out", "made", *FEW)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert len(list(Path("made/chunks").glob("*.parquet"))) == 1
    assert invoke("label", "q.jsonl", "--out", "made", *FEW).exit_code == 0
    assert engine.calls == 6 + 5 * 3  # the first chunk was not drawn again


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--k", "0"), "nothing to label"),
        (("--k", "-1"), "k is at least 0"),
        (("--temperature", "0"), "temperature"),
        (("--held-out", "1"), "held_out"),
        (("--position", "word"), "position"),
    ],
)
def test_refused_before_anything_runs(engine: WithStates, arguments: tuple[str, ...], why: str) -> None:
    result = invoke("label", "q.jsonl", "--out", "made", *arguments)
    assert result.exit_code == 2 and why in result.stderr and engine.calls == 0 and not Path("made").exists()


def test_another_run_in_the_same_folder_is_a_usage_error() -> None:
    assert invoke("label", "q.jsonl", "--out", "made", *FEW).exit_code == 0
    result = invoke("label", "q.jsonl", "--out", "made", "--k", "5")
    assert result.exit_code == 2 and "k 4 there, 5 here" in result.stderr
    result = invoke("label", "q.jsonl", "--out", "q.jsonl", *FEW)
    assert result.exit_code == 2 and "q.jsonl is a file: name a folder" in result.stderr


@pytest.mark.parametrize("line", ["plain text", '{"question": "x"}', '{"question": "x", "answer": 1, "id": "q-0"}'])
def test_a_bad_line_is_named(line: str) -> None:
    with Path("q.jsonl").open("a") as file:
        file.write(line + "\n")
    result = invoke("label", "q.jsonl", "--out", "made")
    assert result.exit_code == 2 and "q.jsonl:17" in result.stderr
