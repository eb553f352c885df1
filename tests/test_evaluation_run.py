"""``controller evaluate`` on the embedded model, as small as it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller import assemble
from estimator.engines.base import EngineUnreachable
from tests.cli_double import invoke, use
from training.evaluation import plan, run
from training.evaluation.plan import Plan
from training.evaluation.rows import COLUMNS
from training.evaluation.store import Store

TINY = Plan(
    seeds=(77, 78), per_kind=2, learn=8, platt=3, samples=3, oracle=4, draws=20, grid=1, grid_fit=1, more=3, more_platt=2,
    open_ended=2, study=0, format_steps=2, checked=False,
)  # fmt: skip
NAMED = {
    "question": {"P(IK)", "SuC", "SE", "FineCE (adapter)", "FineCE", "FineCE (1 draft)", "oracle"},
    "process": {"Multi-Step (product)", "Multi-Step (mean)", "LECO", "FineCE (adapter)", "FineCE", "oracle"},
    "outcome": {"First-Prob", "SuC", "Verb", "SE", "P(True)", "Self-consistency (k = 3)", "DeepConf (mean)", "FineCE"},
}
STOPPED_AFTER = 25


@pytest.fixture(scope="module")
def patched(embedded: Any) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "load_for", lambda settings: embedded)
        patch.setattr(plan, "QUICK", TINY)
        yield patch


@pytest.fixture(scope="module")
def stopped(patched: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, set[str]]:
    """A run that was interrupted: its folder, its exit code, and the stages it had finished."""
    out = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "keep", _interrupted(Store.keep))
        code = invoke("evaluate", "--out", out, "--quick").exit_code
    return out, code, {p.name for p in out.glob("stages/*/*.json.gz")}


@pytest.fixture(scope="module")
def report(stopped: tuple[Path, int, set[str]]) -> dict[str, Any]:
    """The report of the same run, gone on with."""
    result = invoke("evaluate", "--out", stopped[0], "--quick", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _interrupted(keep: Callable[..., Any]) -> Callable[..., Any]:
    count = 0

    def stop(self: Store, *arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count > STOPPED_AFTER:
            raise KeyboardInterrupt
        return keep(self, *arguments, **options)

    return stop


def test_an_interrupted_run_says_so_and_keeps_what_is_done(stopped: tuple[Path, int, set[str]]) -> None:
    out, code, stages = stopped
    assert code == 130
    assert len(stages) == STOPPED_AFTER
    assert not (out / "report.json").exists()


def test_going_on_samples_nothing_again(report: dict[str, Any], stopped: tuple[Path, int, set[str]], embedded: Any) -> None:
    before = embedded.engine.usage
    again = invoke("evaluate", "--out", stopped[0], "--quick", "--json")
    assert json.loads(again.stdout)["rows"] == report["rows"]
    assert embedded.engine.usage == before


def test_a_server_that_goes_away_ends_the_run_and_is_no_method_that_is_missing(
    patched: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise EngineUnreachable("nothing answers")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "measure", gone)
        result = invoke("evaluate", "--out", tmp_path / "out", "--quick")
    assert result.exit_code == 5 and "nothing answers" in result.output


def test_what_is_printed_is_what_is_written(report: dict[str, Any], stopped: tuple[Path, int, set[str]]) -> None:
    written = json.loads((stopped[0] / "report.json").read_text())
    assert written["rows"] == report["rows"]
    assert written["meta"] | {"seconds": 0} == report["meta"] | {"seconds": 0}
    assert {p.name for p in stopped[0].glob("report.*")} == {"report.json", "report.md", "report.html"}


def test_every_method_has_its_rows_in_every_kind(report: dict[str, Any]) -> None:
    for table, names in NAMED.items():
        for kind in ("all", "arithmetic", "fact", "choice"):
            found = {r["method"] for r in report["rows"] if r["table"] == table and r["kind"] == kind}
            assert names <= found, (table, kind, names - found)


def test_every_table_is_there_and_every_row_has_the_shared_columns_first(report: dict[str, Any]) -> None:
    tables = {r["table"] for r in report["rows"]}
    assert tables >= {
        "question",
        "process",
        "outcome",
        "positions",
        "accuracy",
        "filter",
        "stopping",
        "more",
        "bci",
        "drift",
        "open",
        "temperature",
    }
    assert all(tuple(r)[: len(COLUMNS)] == COLUMNS for r in report["rows"])


def test_every_method_was_measured_on_the_same_answers(report: dict[str, Any]) -> None:
    for table, positions in (("question", 1), ("process", 3), ("outcome", 1)):
        sizes = {(r["kind"], r["position"], r["n"]) for r in report["rows"] if r["table"] == table}
        assert len(sizes) == 4 * positions


def test_more_answers_have_the_main_tables_rows_for_all_that_sample_nothing(report: dict[str, Any]) -> None:
    rows = [r for r in report["rows"] if r["table"] == "more"]
    assert {r["position"] for r in rows} == {"question", "first", "penultimate", "average", "complete"}
    assert {"FineCE (adapter)", "FineCE", "P(IK)", "LECO", "Mean log-probability"} <= {r["method"] for r in rows}
    assert not any(r["samples"] for r in rows)
    complete = {r["n"] for r in rows if r["kind"] == "all" and r["position"] == "complete"}
    assert complete == {9}, "three questions of each of three kinds"


def test_the_estimator_leaves_every_answer_as_it_was(report: dict[str, Any]) -> None:
    rows = {(r["kind"], r["method"]): r for r in report["rows"] if r["table"] == "accuracy"}
    for kind in ("all", "arithmetic", "fact", "choice"):
        assert rows[kind, "estimator loaded (FineCE here)"]["identical"] == 1
    assert rows["all", "the estimator's weights generate (nothing was mixed in for that)"]["identical"] < 1


def test_reading_costs_what_it_reads_and_sampling_what_it_samples(report: dict[str, Any]) -> None:
    rows = {r["method"]: r for r in report["rows"] if r["table"] == "outcome" and r["kind"] == "all"}
    assert rows["Mean log-probability"]["tokens"] == 0 == rows["signals"]["tokens"]
    assert 0 < rows["FineCE"]["tokens"] < rows["SE"]["tokens"]
    assert rows["SE"]["samples"] and not rows["FineCE"]["samples"]
    assert all(r["seconds"] > 0 for r in rows.values())


def test_the_whole_grid_of_widths_and_depths_is_there(report: dict[str, Any]) -> None:
    for method in ("FineCE (adapter)", "FineCE"):
        grid = {(r["width"], r["depth"]): r for r in report["rows"] if r["table"] == "bci" and r["method"] == method}
        assert grid.keys() == {(0, 0), *((w, d) for w in (1, 2, 3) for d in (1, 2, 3))}
        assert grid[0, 0]["tokens"] == 0 and grid[3, 3]["tokens"] >= grid[1, 1]["tokens"] > 0
        assert grid[0, 0]["ece_change"] == 0


def test_what_is_asked_wrongly_is_told_before_anything_is_loaded_or_left_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(assemble, "load_for", lambda settings: pytest.fail("loaded"))
    (tmp_path / "file").write_text("notes")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        result = invoke("evaluate", "--out", out)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "file is a file: name a folder for --out" in result.stderr
    result = invoke("evaluate", "--out", tmp_path / "out", "--questions", tmp_path / "missing")
    assert result.exit_code == 2 and "cannot read" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "notes"


def test_a_model_without_questions_of_its_own_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch)
    result = invoke("evaluate", "--out", tmp_path / "out", "--quick")
    assert result.exit_code == 2
    assert "give --questions FILE" in result.stderr and "Traceback" not in result.stderr
