"""Tuning on traces: what comes out is what the machine's own runs give, without a model call; what a trace cannot tell is
refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.assemble import Run
from controller.choosing import Wanted
from controller.errors import Failure, UsageError
from controller.recordings import Recordings
from controller.references import same_text
from controller.trials import Machine, choose_start, tune
from graphs.events import Event, Header
from graphs.policy import Policy
from graphs.policy_file import load_policy
from graphs.reasoning import solve
from tests import test_choosing
from tests.cli_double import invoke, use
from tests.scenarios import adding_one, as_trace, by_chance, policies
from tests.test_choosing import made_of
from tests.test_tune_cli import LIMITS, knowing, others, rows, write

QUESTIONS = test_choosing.QUESTIONS[:12]
TO_THE_END = "max_revisions = 0\nrevise = 0\nabstain = 0\ngive_up = 0\n"
TRACED = ("--recorded", "traces")


def machine(salt: int, wrong: set[int], start: Policy) -> Machine:
    return Machine(Run(made_of(adding_one(QUESTIONS, wrong), lambda text, _: by_chance(salt, text)), start, 0))


def recordings(made: Machine, policy: Policy) -> Recordings:
    """The traces of all questions' runs under the policy."""
    traces = {}
    for question in QUESTIONS:
        events: list[Event] = []
        solve(question.text, made.run.loaded.engine, made.run.loaded.scorer, policy, emit=events.append, names=made.names)
        traces[same_text(question)] = as_trace(events)
    header = next(iter(traces.values())).header
    assert isinstance(header, Header)
    return Recordings(traces, header, policy)


WORLDS = given(policies(), st.integers(0, 999), st.sets(st.integers(0, 11)), st.sampled_from([0.3, 0.5, 1.0]))


@settings(max_examples=25, deadline=None)
@WORLDS
def test_thresholds_come_out_as_from_runs_of_the_machine(policy: Policy, salt: int, wrong: set[int], accept: float):
    """Runs recorded with a lower accept tell the same of the thresholds that they can tell of."""
    accept = max(accept, policy.lowest_accept)
    made, saved = (m := machine(salt, wrong, policy)), recordings(m, policy.model_copy(update={"accept": accept}))
    ours, theirs = tune(saved, policy, QUESTIONS, 0.4, 0.4), tune(made, policy, QUESTIONS, 0.4, 0.4)
    assert ours.counts == tuple(c for c in theirs.counts if c.threshold <= accept)
    assert accept < 1 or ours == theirs


@settings(max_examples=25, deadline=None)
@WORLDS
def test_early_stopping_is_chosen_as_from_runs_of_the_machine(policy: Policy, salt: int, wrong: set[int], accept: float):
    """From runs to the end; and what is chosen can then be tuned on the same traces, for it only ends them sooner."""
    policy = policy.model_copy(update={"give_up": 0.0, "abstain": 0.0, "accept": 1.0})
    made, wanted = machine(salt, wrong, policy), Wanted(0.5, 0.3)
    saved = recordings(made, policy)
    try:
        theirs = choose_start(made, policy, QUESTIONS, wanted)
    except Failure:
        with pytest.raises(Failure):
            choose_start(saved, policy, QUESTIONS, wanted)
        return
    ours = choose_start(saved, policy, QUESTIONS, wanted)
    assert ours == theirs
    chosen = ours.chosen.policy
    assert tune(saved, chosen, QUESTIONS, 0.4, 0.4) == tune(made, chosen, QUESTIONS, 0.4, 0.4)
    lower = recordings(made, policy.model_copy(update={"accept": max(accept, policy.lowest_accept)}))
    assert choose_start_or_none(lower, policy, wanted), "whatever the threshold of the traces, there is no error"


def choose_start_or_none(saved: Recordings, policy: Policy, wanted: Wanted) -> bool:
    try:
        return choose_start(saved, policy, QUESTIONS, wanted).chosen.policy.accept <= saved.strictest
    except Failure:
        return True


def test_what_the_traces_do_not_tell_is_refused():
    policy = Policy(accept=0.9, max_revisions=2, revise=0.4)
    saved = recordings(machine(1, set(), policy), policy)
    with pytest.raises(UsageError, match="does not tell how it would have ended: would have revised"):
        tune(saved, policy.model_copy(update={"revise": 0.8}), QUESTIONS, 0.4, 0.4)


@pytest.fixture
def traced(monkeypatch, tmp_path):
    """Questions to tune on and others, run under a strict policy, with their traces in two folders."""
    monkeypatch.chdir(tmp_path)
    loaded = use(monkeypatch, knowing())
    Path("start.toml").write_text(TO_THE_END)
    write(rows())
    others()
    for file, folder in (("q.jsonl", "traces"), ("others.jsonl", "more")):
        strict = ("--policy", "start.toml", "--accept", "1", "--seed", "4")
        invoke("solve", "--file", file, "--out", f"{folder}.jsonl", "--trace", folder, *strict)
    loaded.engine.calls = 0
    return loaded


def test_the_command_gives_what_runs_would_give_and_calls_no_model(traced):
    done = invoke("tune", "q.jsonl", *LIMITS, *TRACED, "--recorded", "more", "--choose-on", "others.jsonl", "--json")
    ours = json.loads(done.stdout)
    assert (done.exit_code, traced.engine.calls) == (0, 0)
    assert "40 traces" not in done.stderr
    policy, certificate = load_policy("tuned.toml"), json.loads(Path("tuned.certificate.json").read_text())
    assert certificate == ours["certificate"] and certificate["hashes"] == {"base": "b", "adapter": "a", "prompt": "p"}
    again = ("--policy", "start.toml", "--seed", "4", "--choose-on", "others.jsonl", "--json")
    theirs = json.loads(invoke("tune", "q.jsonl", *LIMITS, *again).stdout)
    assert ours == theirs and policy == load_policy("tuned.toml") and policy.give_up == 0.2


def test_traces_of_other_questions_are_left_out_and_told(traced):
    done = invoke("tune", "q.jsonl", *LIMITS, *TRACED, "--recorded", "more")
    assert done.exit_code == 0 and "40 traces of questions that are not asked about left out" in done.stderr


def test_where_nothing_qualifies_it_says_up_to_where_the_runs_tell(traced):
    easy = ("--policy", "start.toml", "--accept", "0.1")
    invoke("solve", "--file", "others.jsonl", "--out", "easy.jsonl", "--trace", "easy", *easy)
    done = invoke("tune", "others.jsonl", *LIMITS, "--recorded", "easy")
    words = " ".join(done.stdout.split())
    assert done.exit_code == 1 and "Thresholds above 0.10 were not tested" in words and not Path("tuned.toml").exists()


def _without(number: int) -> None:
    Path(f"traces/{number:04}.jsonl").unlink()


def _cut_off(number: int) -> None:
    path = Path(f"traces/{number:04}.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def _twice(number: int) -> None:
    Path("traces/9999.jsonl").write_bytes(Path(f"traces/{number:04}.jsonl").read_bytes())


def _of_another_seed(number: int) -> None:
    _without(number)
    Path("one.jsonl").write_text(json.dumps(rows()[number - 1]))
    invoke("solve", "--file", "one.jsonl", "--out", "o.jsonl", "--trace", "o", "--policy", "start.toml", "--accept", "1")
    Path("o/0001.jsonl").rename("traces/other.jsonl")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_without, "no complete trace of question 3 of 40 ('What is 2 + 1?')"),
        (_cut_off, "no complete trace of question 3 of 40"),
        (_twice, "traces/9999.jsonl and traces/0003.jsonl are of the same question"),
        (_of_another_seed, "traces/other.jsonl was recorded with another seed than traces/0001.jsonl"),
    ],
)
def test_a_trace_that_is_missing_or_does_not_belong_is_named(traced, spoil, why):
    spoil(3)
    done = invoke("tune", "q.jsonl", *LIMITS, *TRACED)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1) and why in done.stderr
    assert not Path("tuned.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((*TRACED, "--model", "x"), "--model says how runs are made"),
        ((*TRACED, "--base-url", "http://h"), "--base-url says how runs are made"),
        ((*TRACED, "--seed", "0"), "--seed says how runs are made"),
        ((*TRACED, "--choose-on", "others.jsonl", "--ways"), "--ways says how runs are made"),
        (("--recorded", "q.jsonl"), "q.jsonl is no folder of traces"),
        (("--recorded", "missing"), "missing is no folder of traces"),
        (("--recorded", "empty"), "holds no trace"),
        ((*TRACED, "--policy", "often.toml"), "does not tell how it would have ended"),
        ((*TRACED, "--choose-on", "others.jsonl"), "no complete trace of question 41 of 80"),
    ],
)
def test_what_makes_no_sense_with_traces_is_refused(traced, arguments, why):
    Path("often.toml").write_text("max_revisions = 2\nrevise = 0.95\nabstain = 0\ngive_up = 0\naccept = 0.99\n")
    Path("empty").mkdir()
    done = invoke("tune", "q.jsonl", *LIMITS, *arguments)
    assert (done.exit_code, done.stdout, traced.engine.calls) == (2, "", 0) and why in done.stderr, done.stderr
