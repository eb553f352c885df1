"""A tuned threshold promises something about one estimator alone, and whoever uses it with another one is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from controller.certificate import certificate_path
from estimator.loading import default_policy_path
from tests.cli_double import SCRIPT, invoke, scripted, use

QUESTION = next(iter(SCRIPT))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A copy of the shipped policy with its certificate."""
    shipped = default_policy_path()
    assert shipped is not None
    for path in (shipped, certificate_path(shipped)):
        shutil.copy(path, tmp_path)
    return tmp_path / shipped.name


def tuned_on(policy: Path, hashes: object) -> None:
    certificate = certificate_path(policy)
    certificate.write_text(json.dumps(json.loads(certificate.read_text()) | {"hashes": hashes}))


@pytest.mark.parametrize(("arguments"), [("QUESTION",), ("--file", "q.txt")])
def test_solving_with_a_policy_of_another_estimator_warns(
    policy: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded = use(monkeypatch, scripted())
    monkeypatch.chdir(tmp_path)
    Path("q.txt").write_text(QUESTION)
    asked = [QUESTION if a == "QUESTION" else a for a in arguments]
    said = invoke("solve", *asked, "--policy", policy).stderr
    assert "tuned on another one" in said and "controller tune" in said
    tuned_on(policy, loaded.hashes)
    assert "tuned" not in invoke("solve", *asked, "--policy", policy).stderr


def test_doctor_tells_whose_policy_it_is(policy: Path) -> None:
    assert "tuned on this estimator" in invoke("doctor", "--policy", policy).stdout
    tuned_on(policy, {"base": "b", "adapter": "a", "prompt": "p"})
    other = invoke("doctor", "--policy", policy)
    assert other.exit_code == 1 and "adapter a there" in other.stdout
    tuned_on(policy, None)
    assert "cannot be read" in invoke("doctor", "--policy", policy).stdout


def test_another_model_without_a_policy_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch, policy: Path) -> None:
    from controller import assemble

    use(monkeypatch, scripted())
    monkeypatch.setattr(assemble, "shipped_policy_path", lambda: policy)
    assert "no policy named" in invoke("solve", QUESTION).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--opinions", "0"), "tuned with opinions = 2, so its threshold promises nothing here"),
        (("--budget", "60"), "tuned with budget = 1024"),
        (("--accept", "0.9"), None),
        (("--opinions", "2"), None),
    ],
)
def test_a_policy_that_is_not_used_as_it_was_tuned_is_told_so(
    policy: Path, arguments: tuple[str, ...], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = use(monkeypatch, scripted())
    tuned_on(policy, loaded.hashes)
    heard = invoke("solve", QUESTION, "--policy", policy, *arguments).stderr
    assert (said or "") in heard and ("tuned" in heard) == (said is not None)


def test_a_policy_tuned_on_another_combination_is_told_so(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = use(monkeypatch, scripted())
    loaded.hashes["combination"] = "c"
    tuned_on(policy, loaded.hashes | {"combination": "d"})
    assert "combination d there, c here" in invoke("solve", QUESTION, "--policy", policy).stderr
    tuned_on(policy, {k: v for k, v in loaded.hashes.items() if k != "combination"})
    assert "tuned" not in invoke("solve", QUESTION, "--policy", policy).stderr, "older certificates name none"
