"""``controller tune`` from outside: exit codes, JSON shape, files, and what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.certificate import certificate_path
from controller.references import graded_questions_from_file
from estimator.engines.base import EngineError, EngineUnreachable
from estimator.engines.scripted import ScriptedEngine
from estimator.loading import default_policy_path
from estimator.scorers.scripted import ScriptedScorer
from estimator.types import Grader
from graphs.policy_file import load_policy
from graphs.trace import fingerprint
from tests.cli_double import Double, invoke, use

KEYS = ["qualified", "policy", "error", "bound", "coverage", "n", "certificate"]
CERTIFICATE_KEYS = [
    "method", "max_error", "risk", "threshold", "accepted", "wrong", "p_value", "tested", "questions_hash",
    "policy_hash", "model", "estimator", "hashes", "seed", "assumption", "choice",
]  # fmt: skip
LIMITS = ("--max-error", "0.2", "--risk", "0.1", "--out", "tuned.toml")
START = "max_revisions = 0\nrevise = 0.3\naccept = 0.4\nabstain = 0.1\n"
SURE = 32


def rows(n: int = 40) -> list[dict]:
    return [{"question": f"What is {i} + 1?", "answer": i + 1} for i in range(n)]


def write(lines: list) -> Path:
    path = Path("q.jsonl")
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return path


def double(*, right: bool = True, failures=None) -> Double:
    """32 questions that it is sure of (0.9; one of them wrong) and others answered wrongly at 0.5."""

    def said(i: int) -> str:
        return f"#### {i + 1}" if right and i < SURE and i != 7 else "#### -1"

    engine = ScriptedEngine({r["question"]: [[said(i)]] for i, r in enumerate(rows())}, failures=failures)
    sure = {r["question"] for r in rows()[:SURE]}
    scorer = ScriptedScorer(lambda a: 0.9 if any(q in engine.decode(a.token_ids) for q in sure) else 0.5)
    return Double(engine, scorer, "scripted-model", "scripted-estimator", {"base": "b", "adapter": "a", "prompt": "p"})


@pytest.fixture(autouse=True)
def loaded(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("start.toml").write_text(START)
    return use(monkeypatch, double())


def test_json_and_files_of_a_tuning():
    result = invoke("tune", write(rows()), *LIMITS, "--policy", "start.toml", "--seed", "4", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0 and result.stdout.count("\n") == 1 and list(report) == KEYS
    certificate = report["certificate"]
    assert list(certificate) == CERTIFICATE_KEYS
    assert report["qualified"] and report["n"] == 40 and report["coverage"] == SURE / 40
    assert (certificate["threshold"], certificate["accepted"], certificate["wrong"]) == (0.51, SURE, 1)
    assert report["error"] == 1 / SURE <= report["bound"] <= 0.2 and certificate["p_value"] <= 0.1
    assert [t["threshold"] for t in certificate["tested"]] == [i / 100 for i in range(90, 49, -1)]
    assert list(certificate["tested"][0]) == ["threshold", "accepted", "wrong", "p"]
    assert (certificate["model"], certificate["seed"], certificate["hashes"]["adapter"]) == ("scripted-model", 4, "a")
    policy = load_policy("tuned.toml")
    assert policy.model_dump() == report["policy"]
    assert policy == load_policy("start.toml").model_copy(update={"accept": 0.51})
    assert certificate["policy_hash"] == fingerprint(policy.model_dump())
    assert json.loads(Path("tuned.certificate.json").read_text()) == certificate
    assert invoke("solve", rows()[3]["question"], "--policy", "tuned.toml").exit_code == 0


def test_screen_of_a_tuning():
    result = invoke("tune", write(rows()), *LIMITS, "--policy", "start.toml")
    chosen = next(line for line in result.stdout.splitlines() if "chosen" in line)
    assert result.exit_code == 0 and "0.51" in chosen and "3.12 %" in chosen and "fails" in result.stdout
    words = " ".join(result.stdout.split())
    assert "at most 20 % are wrong" in words and "It assumes" in words and "used for this one tuning only" in words


def test_whoever_could_try_until_it_passes_is_told_that_the_questions_are_used_once(monkeypatch):
    used_once = "used for this one tuning only, with start policy, seed and limits not chosen on them"
    assert used_once in " ".join(invoke("tune", "--help").stdout.replace("│", " ").split())
    use(monkeypatch, double(right=False))
    refused = invoke("tune", write(rows()), *LIMITS, "--policy", "start.toml").stdout
    assert "Another tuning needs other questions" in " ".join(refused.split())


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_none_qualifies(monkeypatch, form):
    use(monkeypatch, double(right=False))
    result = invoke("tune", write(rows()), *LIMITS, "--policy", "start.toml", *form)
    assert result.exit_code == 1 and not list(Path().glob("tuned*"))
    words = " ".join((result.stderr if form else result.stdout).split())
    assert "No threshold qualifies" in words and "more right answers" in words
    if form:
        report = json.loads(result.stdout)
        assert not report["qualified"] and report["policy"] is None and report["certificate"]["threshold"] is None


@pytest.mark.parametrize(
    ("error", "code"), [(EngineUnreachable("gone"), 5), (EngineError("broken"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_failing_run_stops_it(monkeypatch, error, code):
    use(monkeypatch, double(failures={9: error}))
    result = invoke("tune", write(rows()), *LIMITS, "--json")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert not list(Path().glob("tuned*"))
    assert ("these questions can still be tuned on" in result.stderr) == (code == 130)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not valid JSON"),
        ("plain text", "not valid JSON"),
        ('"text"', "expected"),
        ({"answer": "1"}, "expected"),
        ({"question": "x"}, "give the right answer"),
        ({"question": "x", "answer": None}, "give the right answer"),
        ({"question": "x", "answer": "1", "answers": ["1"]}, "not both"),
        ({"question": "x", "answers": []}, "at least one"),
        ({"question": "x", "answers": "1"}, "a list"),
        ({"question": "x", "answer": True}, "a text or a number"),
        ('{"question": "x", "answer": NaN}', "a text or a number"),
        ({"question": "x", "answer": " "}, "empty"),
        ({"question": "x", "answer": "?"}, "cannot be graded as alias"),
        ({"question": "x", "answer": "none", "grader": "number"}, "cannot be graded as number"),
        ({"question": "x", "answer": "AB", "grader": "choice"}, "cannot be graded as choice"),
        ({"question": "x", "answer": "1", "grader": ["number"]}, "unknown grader"),
        ({"question": "x", "answer": "1", "grader": "none"}, "unknown grader"),
        ({"question": "x", "answer": "1", "kind": 3}, "kind and id"),
        ({"question": "what  is 3 + 1?", "answer": "4"}, "the same question as q.jsonl:4"),
    ],
)
def test_a_bad_line_is_named_before_anything_runs(loaded, line, why):
    result = invoke("tune", write([*rows(), line]), *LIMITS)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "q.jsonl:41" in result.stderr and why in result.stderr and loaded.engine.calls == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--max-error", "0", "--risk", "0.1", "--out", "t"), 2, "--max-error is a share"),
        (("--max-error", "0.1", "--risk", "nan", "--out", "t"), 2, "--risk is a share"),
        (("--max-error", "0.05", "--risk", "0.05", "--out", "t"), 2, "it takes 59"),
        (("--max-error", "0.2", "--risk", "0.1", "--out", "no/such/t"), 1, "no folder"),
        (("--max-error", "0.2", "--risk", "0.1", "--out", "."), 1, "folder"),
        ((*LIMITS, "--policy", "missing.toml"), 2, "missing.toml"),
    ],
)
def test_refused_before_anything_runs(loaded, arguments, code, why):
    result = invoke("tune", write(rows()), *arguments)
    assert result.exit_code == code and why in result.stderr and loaded.engine.calls == 0


@pytest.mark.parametrize("text", [START, "", None])
def test_only_a_policy_is_replaced(text):
    if text is not None:
        Path("tuned.toml").write_text(text)
    assert invoke("tune", write(rows()), *LIMITS, "--policy", "start.toml").exit_code == 0


@pytest.mark.parametrize("text", ["my notes\n", "# My notes\n", "seed = 3\n", "\x00"])
def test_another_file_is_not_replaced(loaded, text):
    Path("tuned.toml").write_text(text)
    result = invoke("tune", write(rows()), *LIMITS)
    assert (result.exit_code, loaded.engine.calls, Path("tuned.toml").read_text()) == (2, 0, text)
    assert "tuned.toml holds something else than a policy: name another file" in result.stderr


@pytest.mark.parametrize(
    ("questions", "out"), [("q.jsonl", "q.jsonl"), ("q.jsonl", "./q.jsonl"), ("q.certificate.json", "q.toml")]
)
def test_the_questions_are_not_replaced(loaded, questions, out):
    before = write(rows()).rename(questions).read_text()
    result = invoke("tune", questions, *LIMITS[:4], "--out", out)
    assert (result.exit_code, loaded.engine.calls, Path(questions).read_text()) == (2, 0, before)
    assert "holds the questions" in result.stderr


def test_each_policy_has_a_certificate_of_its_own():
    for out in ("tuned-0.1", "tuned-0.2", "p.toml", "p.txt"):
        assert invoke("tune", write(rows()), *LIMITS[:4], "--out", out, "--policy", "start.toml").exit_code == 0
    names = {path.name for path in Path().glob("*.certificate.json")}
    assert names == {f"{name}.certificate.json" for name in ("tuned-0.1", "tuned-0.2", "p", "p.txt")}


def test_the_certificate_of_the_shipped_policy_is_found():
    policy = default_policy_path()
    assert policy is not None and certificate_path(policy).is_file()


def test_too_few_questions():
    result = invoke("tune", write(rows(29)), *LIMITS)
    assert result.exit_code == 2 and "at least 30" in result.stderr
    assert "threshold" not in result.stderr, "an evaluation and a combination are told the same, and choose none"


@pytest.mark.parametrize(
    ("row", "answers", "grader"),
    [
        ({"answer": 1e20}, ("100000000000000000000",), Grader.NUMBER),
        ({"answer": 0.5}, ("0.5",), Grader.NUMBER),
        ({"answers": ["1,200", "$1200"]}, ("1,200", "$1200"), Grader.NUMBER),
        ({"answer": "Henry 8"}, ("Henry 8",), Grader.ALIAS),
        ({"answer": "1945-05-08"}, ("1945-05-08",), Grader.ALIAS),
        ({"answers": ["8", "Henry"]}, ("8", "Henry"), Grader.ALIAS),
        ({"answer": "B"}, ("B",), Grader.CHOICE),
        ({"answer": "K"}, ("K",), Grader.ALIAS),
        ({"answer": "b)", "grader": "choice"}, ("b)",), Grader.CHOICE),
    ],
)
def test_references_and_their_grader(row, answers, grader):
    question = graded_questions_from_file(write([*rows(), {"question": "x", "id": 7, "kind": "k", **row}]))[-1]
    assert (question.answers, question.grader, question.id, question.kind) == (answers, grader, "7", "k")


def test_a_question_that_does_not_fit_the_context_is_named_before_anything_runs(loaded):
    long = {"question": "What is 1 + 1, and then " + "and then " * 9 + "what?", "answer": 2}
    loaded.engine.max_context = len(loaded.engine.prompt_ids(long["question"]))  # it fits, and leaves no room for an answer
    result = invoke("tune", write([*rows(), long, {"question": "What is 41 + 1?", "answer": 42}]), *LIMITS)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "question 41 of 42 ('q-40') is too long for the context" in result.stderr and loaded.engine.calls == 0
    loaded.engine.max_context = 1
    result = invoke("tune", write(rows()), *LIMITS)
    assert "question 1 of 40 ('q-0')" in result.stderr and "and so are 39 more" in result.stderr


def others(n: int = 40) -> Path:
    """Questions to choose on: the scripted model answers what it does not know by repeating its last word, rightly or not."""
    path = Path("others.jsonl")
    lines = [{"question": f"Say {word(i)}", "answers": [word(i) if i % 4 else "never"]} for i in range(n)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def word(i: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{i:03}")


def knowing() -> Double:
    """As ``double``, and of the others it is sure of those that it answers rightly, three of four."""
    known = double()
    said = {f"Say {word(i)}": [["Let me see.", f"#### {word(i)}"]] for i in range(40)}
    engine = ScriptedEngine({r["question"]: [[f"#### {r['answer'] if r['answer'] != 8 else -1}"]] for r in rows()} | said)

    def score(answer) -> float:
        text = engine.decode(answer.token_ids)
        number = next((i for i in range(40) if f"Say {word(i)}" in text), None)
        return known.scorer.score([answer])[0].value if number is None else (0.9 if number % 4 else 0.15)

    return Double(engine, ScriptedScorer(score), known.model, known.estimator, known.hashes)


CHOOSE = (*LIMITS, "--policy", "start.toml", "--choose-on", "others.jsonl")


def test_stopping_early_is_chosen_on_other_questions_and_told(monkeypatch):
    use(monkeypatch, knowing())
    others()
    report = json.loads(invoke("tune", write(rows()), *CHOOSE, "--json").stdout)
    choice, policy = report["certificate"]["choice"], load_policy("tuned.toml")
    assert (choice["n"], choice["chosen"]) == (40, "as given")
    assert (choice["max_error"], choice["lose"], choice["most_tokens"]) == (0.2, 0.02, 2.5)
    [way] = choice["ways"]
    assert not way["too_wrong"] and way["policy"] | {"accept": policy.accept} == policy.model_dump()
    assert policy.give_up == 0.2 and policy.abstain == policy.revise == 0.0, "what the question says nothing has to add"
    assert way["stopping"]["right"] == way["whole"]["right"] == 30 and way["stopping"]["tokens"] < way["whole"]["tokens"]
    assert choice["questions_hash"] != report["certificate"]["questions_hash"]
    assert report["certificate"]["policy_hash"] == fingerprint(policy.model_dump())
    words = " ".join(invoke("tune", "q.jsonl", *CHOOSE, "--ways", "--most-tokens", "0.1").stdout.split())
    assert "Stops where confidence is below 0.20 after the question." in words and "chosen as given" in words
    assert "it gives out 30 right answers of 30" in words and "too dear revise at end" in words


def test_how_much_may_be_lost_is_what_was_asked_for(monkeypatch):
    use(monkeypatch, knowing())
    others()
    choice = json.loads(invoke("tune", write(rows()), *CHOOSE, "--lose", "0.25", "--json").stdout)["certificate"]["choice"]
    assert choice["lose"] == 0.25


def test_where_nothing_can_be_stopped_it_says_so(monkeypatch):
    known = knowing()
    even = ScriptedScorer(lambda a: max(0.5, known.scorer.score([a])[0].value))
    use(monkeypatch, Double(known.engine, even, known.model, known.estimator, known.hashes))
    Path("others.jsonl").write_text(
        "".join(json.dumps({"question": f"Say {word(i)}", "answer": word(i)}) + "\n" for i in range(40))
    )
    words = " ".join(invoke("tune", write(rows()), *CHOOSE).stdout.split())
    assert "No early stopping saves tokens on the 40 questions to choose on" in words and "so it does not stop early" in words


def test_where_no_threshold_keeps_the_error_the_questions_to_tune_on_are_spared(monkeypatch):
    known = knowing()
    blind = ScriptedScorer(lambda a: 0.5)
    use(monkeypatch, Double(known.engine, blind, known.model, known.estimator, known.hashes))
    others()
    result = invoke("tune", write(rows()), *CHOOSE)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "the questions to tune on were not looked at" in result.stderr and not list(Path().glob("tuned*"))


def test_questions_to_choose_on_are_none_of_those_to_tune_on(loaded):
    write(rows())
    Path("others.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in [*rows(3), *({"question": f"Say {i}", "answer": 1} for i in range(40))])
    )
    result = invoke("tune", "q.jsonl", *CHOOSE)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "others.jsonl: 'What is 0 + 1?' is among the questions to tune on, and so are 2 more" in result.stderr
    assert loaded.engine.calls == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ((*LIMITS, "--ways"), 2, "--ways belongs to --choose-on"),
        ((*LIMITS, "--lose", "0.1"), 2, "--lose belongs to --choose-on"),
        ((*CHOOSE, "--lose", "1"), 2, "--lose is a share"),
        ((*CHOOSE, "--lose", "nan"), 2, "--lose is a share"),
        ((*LIMITS, "--choose-on", "missing.jsonl"), 2, "missing.jsonl"),
        ((*CHOOSE, "--most-tokens", "2"), 2, "--most-tokens chooses between ways"),
        ((*LIMITS, "--most-tokens", "2"), 2, "--most-tokens belongs to --choose-on"),
        ((*CHOOSE, "--ways", "--most-tokens", "0"), 2, "--most-tokens is a multiple"),
        ((*CHOOSE, "--ways", "--most-tokens", "nan"), 2, "--most-tokens is a multiple"),
        ((*LIMITS[:4], "--out", "o.toml", "--choose-on", "o.certificate.json"), 2, "holds the questions"),
    ],
)
def test_a_choice_is_refused_before_anything_runs(loaded, arguments, code, why):
    Path("o.certificate.json").write_text(others().read_text())
    result = invoke("tune", write(rows()), *arguments)
    assert result.exit_code == code and why in result.stderr and loaded.engine.calls == 0 and result.stderr.count("\n") == 1


def test_stdin_is_one_of_the_files(loaded):
    others()
    both = invoke("tune", "-", *LIMITS, "--choose-on", "-", stdin="".join(json.dumps(r) + "\n" for r in rows()))
    assert both.exit_code == 2 and "QUESTIONS or OTHERS, not both" in both.stderr and loaded.engine.calls == 0


def test_a_question_to_choose_on_that_does_not_fit_the_context_is_named_before_anything_runs(loaded):
    others()
    long = {"question": "Say " + "and then " * 99 + "what?", "answer": "what"}
    with Path("others.jsonl").open("a") as file:
        file.write(json.dumps(long) + "\n")
    loaded.engine.max_context = len(loaded.engine.prompt_ids(long["question"]))
    result = invoke("tune", write(rows()), *CHOOSE)
    assert (result.exit_code, result.stdout, loaded.engine.calls) == (2, "", 0)
    assert "question 41 of 41 ('others-40') is too long" in result.stderr
