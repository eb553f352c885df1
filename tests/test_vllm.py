"""The vLLM engine on a real server: the same answers as the local engine, and the server's traps kept shut."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimator.answers import is_correct
from estimator.artefacts import COMBINER
from estimator.engines.base import ContextTooLong, EngineUnreachable, NextToken, SampleRequest, Sampling, capable
from estimator.engines.client import ServerClient
from estimator.engines.vllm import VllmEngine
from estimator.loading import Loaded, LoadError, embedded_dir
from estimator.positions import Position, cut, parse_position
from estimator.served import load_served
from estimator.types import Answer, Question, Segment
from graphs.events import Event, OpinionsEvent
from graphs.policy import Policy
from graphs.reasoning import solve
from tests.cli_double import invoke
from tests.test_evaluation_run import TINY
from training.evaluation.run import evaluate
from training.evaluation.splits import generated
from training.finetune import check_rows
from training.labels import read_labels
from training.questions import KINDS, questions

GREEDY = Sampling(temperature=0.0, max_tokens=200, entropies=True)
BLOCK = 32
SCORE_TOLERANCE = 1e-3  # both engines in float32; only the order of sums differs


@pytest.fixture(scope="module")
def greedy(embedded: Loaded, served: Loaded) -> list[tuple[Any, Any, Any]]:
    """Greedy answers to 200 questions of all kinds, as (prompt, local segment, served segment)."""
    asked = [q for k in KINDS for q in questions(k, "test", 67, 3)][:200]
    prompts = [embedded.engine.prompt_ids(q.text) for q in asked]
    assert [served.engine.prompt_ids(q.text) for q in asked] == prompts
    requests = [SampleRequest(p) for p in prompts]
    pairs = zip(embedded.engine.sample(requests, GREEDY), served.engine.sample(requests, GREEDY), strict=True)
    return [(p, ours[0], theirs[0]) for p, (ours, theirs) in zip(prompts, pairs, strict=True)]


def test_greedy_text_is_identical(greedy: list[Any]) -> None:
    assert len(greedy) == 200
    assert [(t.token_ids, t.stop) for _, _, t in greedy] == [(o.token_ids, o.stop) for _, o, _ in greedy]
    np.testing.assert_allclose(_flat([t.logprobs for _, _, t in greedy]), _flat([o.logprobs for _, o, _ in greedy]), atol=1e-3)


def test_scores_are_equal_at_every_position(embedded: Loaded, served: Loaded, greedy: list[Any]) -> None:
    ours = embedded.scorer.score([a for p, o, _ in greedy for a in _prefixes(embedded, p, o)])
    theirs = served.scorer.score([a for p, _, t in greedy for a in _prefixes(served, p, t)])
    assert len(ours) > 800
    for read in (lambda c: c.parts["adapter"], lambda c: c.value, lambda c: c.low, lambda c: c.high):
        np.testing.assert_allclose([read(c) for c in theirs], [read(c) for c in ours], atol=SCORE_TOLERANCE)


def test_log_probabilities_of_named_tokens_are_equal(embedded: Loaded, served: Loaded, greedy: list[Any]) -> None:
    prompts, ids = [p for p, _, _ in greedy[:20]], embedded.engine.text_ids("37 yes")
    read = [capable(loaded.engine, NextToken, "the test").next_logprobs(prompts, ids) for loaded in (embedded, served)]
    np.testing.assert_allclose(read[1], read[0], atol=1e-3)


def test_entropies_are_close(greedy: list[Any]) -> None:
    """A server gives the highest log-probabilities alone."""
    entropies = np.abs(_flat([t.entropies for _, _, t in greedy]) - _flat([o.entropies for _, o, _ in greedy]))
    assert entropies.mean() < 0.01


def test_sampled_accuracy_is_statistically_the_same(embedded: Loaded, served: Loaded) -> None:
    asked = [q for k in KINDS for q in questions(k, "test", 25, 8)]
    shares = []
    for loaded in (embedded, served):
        requests = [SampleRequest(loaded.engine.prompt_ids(q.text), n=4, seed=2) for q in asked]
        done = loaded.engine.sample(requests, Sampling(max_tokens=200))
        shares.append([_accuracy(loaded, q, segments) for q, segments in zip(asked, done, strict=True)])
    difference = np.array(shares[0]) - np.array(shares[1])  # paired by question
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(asked)) + 1e-9


def test_an_append_only_score_costs_its_new_tokens_and_the_rest_of_a_block(served: Loaded) -> None:
    engine = _fork(served).engine
    beads = " ".join(f"She has {n} beads in bag {n}." for n in range(2, 12))
    answer = Answer(engine.prompt_ids(f"{beads} How many beads has she in bags 2 and 3 together?"))
    assert len(answer.token_ids) > 3 * BLOCK  # so that reading all of it again would be seen
    engine.levels([answer.token_ids])
    while not answer.finished and len(answer.segments) < 6:
        before, known = engine.usage.scored, len(answer.token_ids)
        [[segment]] = engine.sample([SampleRequest(answer.token_ids, seed=4)], Sampling(position=Position()))
        answer = answer.then(segment)
        engine.levels([answer.token_ids])
        assert engine.usage.scored - before <= len(segment.token_ids) + known % BLOCK + BLOCK < len(answer.token_ids)


def test_base_and_estimator_in_one_batch_leave_each_other_alone(served: Loaded) -> None:
    """With too few adapter slots the base's tokens come out of the adapter; with one of vLLM's model runners a score takes
    the generation's entropies away."""
    prompts = [served.engine.prompt_ids(q.text) for q in questions("arithmetic", "test", 12, 21)]
    requests = [SampleRequest(p, seed=6) for p in prompts]
    sampling = Sampling(max_tokens=60, entropies=True)
    alone = [served.engine.sample([r], sampling)[0][0] for r in requests]
    read = served.engine.levels(prompts)
    with ThreadPoolExecutor(24) as pool:
        samples = [pool.submit(served.engine.sample, [r], sampling) for r in requests]
        scores = [pool.submit(served.engine.levels, [p]) for p in prompts]
        assert [f.result()[0][0].token_ids for f in samples] == [s.token_ids for s in alone]
        np.testing.assert_allclose([f.result()[0][0].entropies[0] for f in samples], [s.entropies[0] for s in alone], atol=1e-3)
        np.testing.assert_allclose([f.result()[0] for f in scores], read, atol=1e-4)


def test_the_log_probabilities_are_those_of_temperature_one(served: Loaded) -> None:
    prompt = served.engine.prompt_ids("Tom has 3 pens and buys 4 more. How many pens does he have?")
    for temperature in (0.0, 0.5, 1.5):
        sampling = Sampling(temperature=temperature, max_tokens=12, entropies=True)
        [[segment]] = served.engine.sample([SampleRequest(prompt, seed=3)], sampling)
        logprobs, entropies = served.engine.annotate(prompt, segment.token_ids)
        np.testing.assert_allclose(segment.logprobs, logprobs, atol=1e-3)
        np.testing.assert_allclose(segment.entropies, entropies, atol=1e-3)


@pytest.mark.parametrize("position", ["periodic:5", "entropy:0.5"])
def test_other_positions_are_cuts_of_the_same_answer(served: Loaded, position: str) -> None:
    where, engine = parse_position(position), served.engine
    prompt = engine.prompt_ids("A box holds 6 eggs. How many eggs are in 7 boxes?")
    [[whole]] = engine.sample([SampleRequest(prompt)], Sampling(temperature=0, max_tokens=40, entropies=True))
    [[first]] = engine.sample([SampleRequest(prompt)], Sampling(temperature=0, max_tokens=40, position=where))
    assert first.token_ids == cut(whole, where, engine.table)[0].token_ids


def test_an_answer_in_doubt_is_held_against_fresh_ones(served: Loaded) -> None:
    policy = Policy(opinions=2, hopeless=0.0, sure=1.0, accept=0.0, revise=0.0, drop=0.0, abstain=0.0, max_revisions=0)
    heard = []
    for question in questions("arithmetic", "test", 6, 3):
        events: list[Event] = []
        result = solve(question.text, served.engine, served.scorer, policy, seed=3, emit=events.append)
        opinions = [e for e in events if isinstance(e, OpinionsEvent)]
        heard += opinions
        assert not opinions or result.confidence == max(opinions[0].weighed, *(o.weighed for o in opinions[0].others))
    assert len(heard) >= 5 and all(len(e.others) == 2 and e.tokens > 0 for e in heard)
    assert any(o.agrees for e in heard for o in e.others) and all(0 <= e.weighed <= 1 for e in heard)


def test_a_prompt_beyond_the_context_is_refused_before_it_is_sent(served: Loaded) -> None:
    for call in (lambda p: served.engine.levels([p]), lambda p: served.engine.sample([SampleRequest(p)], Sampling())):
        with pytest.raises(ContextTooLong, match="1024"):
            call((5,) * 1024)


@pytest.mark.parametrize(("model", "estimator"), [("nonsense", None), ("embedded", "nonsense"), ("finece", None)])
def test_a_wrong_name_says_what_the_server_has(server_url: str, model: str, estimator: str | None) -> None:
    client = ServerClient(server_url)
    with pytest.raises(LoadError, match="embedded|finece"):
        load_served(client, model, estimator)
    client.close()


def test_a_combination_of_another_estimator_is_refused(server_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "estimator"
    shutil.copytree(embedded_dir() / "adapter", folder)
    combiner = json.loads((folder / COMBINER).read_text())
    (folder / COMBINER).write_text(json.dumps(combiner | {"adapter_hash": "0" * 16}))
    client = ServerClient(server_url)
    with pytest.raises(LoadError, match="another estimator"):
        load_served(client, "embedded", f"finece={folder}")
    client.close()


@pytest.mark.parametrize("url", ["127.0.0.1:1", "ftp://x", "http://", "http://127.0.0.1:9"])
def test_an_address_where_nothing_answers_says_so_soon(url: str) -> None:
    with pytest.raises(EngineUnreachable, match="base-url|controller serve"):
        load_served(ServerClient(url, patience=0))


def _fork(loaded: Loaded) -> Loaded:
    assert loaded.fork is not None
    twin = loaded.fork()
    assert isinstance(twin.engine, VllmEngine) and twin.engine.usage.scored == 0
    return twin


def _prefixes(loaded: Loaded, prompt: Any, segment: Any) -> list[Answer]:
    whole = Answer(prompt, cut(segment, Position(), loaded.engine.table))
    return [whole.upto(n) for n in range(len(whole.segments) + 1)]


def _accuracy(loaded: Loaded, question: Question, segments: list[Segment]) -> float:
    return float(np.mean([is_correct(question, loaded.engine.decode(s.token_ids)) for s in segments]))


def _flat(rows: list[Any]) -> np.ndarray:
    return np.array([v for row in rows for v in row])


def test_labels_come_from_a_server(server_url: str, tmp_path: Path) -> None:
    """By both ways; partial answers are compared by a model that is here, because a server shows no hidden states."""
    asked = [
        {"question": f"Tom has {n} pens and buys 4 more. How many pens does he have?", "answer": n + 4} for n in range(3, 9)
    ]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    base, out = embedded_dir() / "base", tmp_path / "labels"
    amounts = ["--k", 4, "--one-sample", 2, "--embed", base]
    done = invoke("label", tmp_path / "asked.jsonl", "--out", out, *amounts, "--base-url", server_url)
    assert done.exit_code == 0, done.stderr
    rows = read_labels(out)
    assert {r.source for r in rows} >= {"sampled", "monte_carlo"}
    check_rows(base, rows)  # made with this base's tokenizer and prompt


def test_a_model_on_a_server_can_be_evaluated(served: Loaded, tmp_path: Path) -> None:
    """What needs hidden states or weights is left out by name; the rest is there."""
    plan = replace(TINY, seeds=(77,), more=1, samples=2, oracle=2)
    report = evaluate(served, generated(plan), plan, tmp_path, lambda line: None)
    found = {r["method"] for r in report["rows"]}
    assert {"FineCE", "FineCE (adapter)", "signals", "SE", "P(True)", "Mean log-probability", "oracle"} <= found
    assert {"P(IK)", "SuC"} <= set(report["meta"]["left_out"]) and not found & set(report["meta"]["left_out"])


def test_a_policy_is_chosen_and_tuned_on_a_server_several_questions_at_a_time(server_url: str, tmp_path: Path) -> None:
    asked = questions("arithmetic", "policy", 80, 91)
    for name, some in (("tune.jsonl", asked[:40]), ("choose.jsonl", asked[40:])):
        (tmp_path / name).write_text("".join(json.dumps({"question": q.text, "answer": q.answers[0]}) + "\n" for q in some))
    (tmp_path / "start.toml").write_text("max_revisions = 0\nrevise = 0.0\ndrop = 0.0\nabstain = 0.0\n")
    limits = ("--max-error", "0.5", "--risk", "0.3", "--out", tmp_path / "policy.toml", "--policy", tmp_path / "start.toml")
    chosen = ("--choose-on", tmp_path / "choose.jsonl", "--lose", "0.2")
    done = invoke("tune", tmp_path / "tune.jsonl", *limits, *chosen, "--base-url", server_url, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    [way] = report["certificate"]["choice"]["ways"]
    assert way["stopping"]["tokens"] < way["whole"]["tokens"] and way["stopping"]["right"] >= 0.8 * way["whole"]["right"] > 10
    assert report["coverage"] > 0.4 and report["error"] < 0.5
    hopeless = {"question": "Which colour has the sum of all my birthdays?"}
    (tmp_path / "asked.jsonl").write_text(json.dumps(hopeless) + "\n" + json.dumps({"question": asked[0].text}) + "\n")
    policy = ("--policy", tmp_path / "policy.toml", "--base-url", server_url)
    rows = [json.loads(row) for row in invoke("solve", "--file", tmp_path / "asked.jsonl", *policy).stdout.splitlines()]
    assert [r["outcome"] for r in rows][0] == "abstained" and rows[0]["tokens"]["answer"] <= 20


def test_processes_that_share_questions_ask_one_server(server_url: str, tmp_path: Path) -> None:
    (tmp_path / "asked.txt").write_text("\n".join(q.text for q in questions("arithmetic", "test", 6, 92)))
    options = ("solve", "--file", tmp_path / "asked.txt", "--base-url", server_url, "--concurrency", "4")
    alone, both = (invoke(*options, "--processes", n, "--trace", tmp_path / n) for n in ("1", "2"))
    assert alone.exit_code == both.exit_code == 0, both.stderr
    told = [[(row["question"], row["answer"]) for row in map(json.loads, run.stdout.splitlines())] for run in (alone, both)]
    assert told[0] == told[1] and len(list((tmp_path / "2").iterdir())) == 6
