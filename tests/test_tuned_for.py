"""A tuned threshold promises something about one policy on one estimator, and whoever uses it otherwise is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from controller.certificate import certificate_path, read_certificate
from estimator.loading import default_policy_path
from graphs.policy_file import load_policy
from graphs.trace import fingerprint
from tests.cli_double import SCRIPT, invoke, scripted, use

QUESTION = next(iter(SCRIPT))
SHIPPED = default_policy_path() or Path()
ACCEPT, OPINIONS = load_policy(SHIPPED).accept, load_policy(SHIPPED).opinions
OTHER = OPINIONS + 1


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A copy of the shipped policy with its certificate."""
    for path in (SHIPPED, certificate_path(SHIPPED)):
        shutil.copy(path, tmp_path)
    return tmp_path / SHIPPED.name


def tuned_on(policy: Path, hashes: object) -> None:
    certificate = certificate_path(policy)
    certificate.write_text(json.dumps(json.loads(certificate.read_text()) | {"hashes": hashes}))


def certify(policy: Path) -> None:
    """Make the certificate one of the policy as it is now."""
    certificate, value = certificate_path(policy), fingerprint(load_policy(policy).model_dump())
    certificate.write_text(json.dumps(json.loads(certificate.read_text()) | {"policy_hash": value}))


def edit(policy: Path, value: str, other: str) -> None:
    text = policy.read_text()
    assert value in text
    policy.write_text(text.replace(value, other))


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


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("accept = 0.3", f"tuned with accept = {ACCEPT}"),
        (f"opinions = {OTHER}", "other values than its file"),
        ("accept = '", "not a TOML"),
    ],
)
def test_doctor_tells_what_was_edited_after_the_tuning(policy: Path, other: str, said: str) -> None:
    edit(policy, {"a": f"accept = {ACCEPT}", "o": f"opinions = {OPINIONS}"}[other[0]], other)
    found = invoke("doctor", "--policy", policy)
    assert found.exit_code == 1 and said in " ".join(found.stdout.split()) and "tuned on this" not in found.stdout


def test_doctor_tells_what_the_settings_change(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROLLER_ACCEPT", "0.3")
    found = invoke("doctor", "--policy", policy)
    assert found.exit_code == 1 and f"tuned with accept = {ACCEPT}" in found.stdout


def test_another_model_without_a_policy_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch, policy: Path) -> None:
    from controller import assemble

    use(monkeypatch, scripted())
    monkeypatch.setattr(assemble, "shipped_policy_path", lambda: policy)
    assert "no policy named" in invoke("solve", QUESTION).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--opinions", str(OPINIONS + 1)), f"tuned with opinions = {OPINIONS}, so its threshold promises nothing here"),
        (("--budget", "60"), "tuned with budget = 1024"),
        (("--accept", "0.9"), None),
        (("--accept", str(ACCEPT)), None),
        (("--accept", f"{ACCEPT - 0.01:.2f}"), f"tuned with accept = {ACCEPT}, so its threshold promises nothing here"),
        (("--position", "periodic"), "tuned with position = paragraph"),
        (("--opinions", str(OPINIONS)), None),
    ],
)
def test_a_policy_that_is_not_used_as_it_was_tuned_is_told_so(
    policy: Path, arguments: tuple[str, ...], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = use(monkeypatch, scripted())
    tuned_on(policy, loaded.hashes)
    heard = invoke("solve", QUESTION, "--policy", policy, *arguments).stderr
    assert (said or "") in heard and ("tuned" in heard) == (said is not None)


@pytest.mark.parametrize(("accept", "told"), [("0.3", True), ("0.9", False)])
@pytest.mark.parametrize("source", ["environment", "settings file", "policy file"])
def test_a_looser_threshold_is_told_wherever_it_comes_from(
    source: str, accept: str, told: bool, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = use(monkeypatch, scripted())
    tuned_on(policy, loaded.hashes)
    monkeypatch.chdir(tmp_path)
    if source == "environment":
        monkeypatch.setenv("CONTROLLER_ACCEPT", accept)
    elif source == "settings file":
        Path("controller.toml").write_text(f"accept = {accept}\n")
    else:
        edit(policy, f"accept = {ACCEPT}", f"accept = {accept}")
    heard = invoke("solve", QUESTION, "--policy", policy).stderr
    assert (f"tuned with accept = {ACCEPT}, so its threshold promises nothing here" in heard) == ("tuned" in heard) == told


def test_a_policy_with_other_values_than_its_certificate_was_made_for_is_told_so(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edited, or the older one where a full disk kept the one that was tuned from being written."""
    loaded = use(monkeypatch, scripted())
    tuned_on(policy, loaded.hashes)
    for older in (policy.read_text().replace(f"opinions = {OPINIONS}", f"opinions = {OTHER}"), ""):
        policy.write_text(older)
        assert "tuned with other values than its file has now" in invoke("solve", QUESTION, "--policy", policy).stderr


def test_a_copy_is_checked_like_the_policy_it_was_made_of(
    policy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the certificate that its first line names; without that it promises nothing, and says so."""
    loaded = use(monkeypatch, scripted())
    tuned_on(policy, loaded.hashes)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copy, away = policy.with_name("mine.toml"), elsewhere / "mine.toml"
    for path in (copy, away):
        path.write_text(policy.read_text())
    assert "tuned" not in invoke("solve", QUESTION, "--policy", copy).stderr
    edit(copy, f"accept = {ACCEPT}", "accept = 0.3")
    assert f"tuned with accept = {ACCEPT}, so its threshold" in invoke("solve", QUESTION, "--policy", copy).stderr
    name = certificate_path(policy).name
    told = f"the policy was copied without its certificate {name}, so its threshold promises nothing here"
    assert told in invoke("solve", QUESTION, "--policy", away).stderr
    found = invoke("doctor", "--policy", away)
    assert found.exit_code == 1 and f"copied without its certificate {name}" in " ".join(found.stdout.split())
    away.write_text(f"# no policy of controller tune: just mine; see {name}s\naccept = 0.3\n")
    assert "certificate" not in invoke("solve", QUESTION, "--policy", away).stderr


def test_a_position_in_another_spelling_is_no_change(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = use(monkeypatch, scripted())
    edit(policy, '"paragraph"', '"periodic"')
    tuned_on(policy, loaded.hashes)
    certify(policy)
    for position in ("periodic", "periodic:30"):
        assert "tuned" not in invoke("solve", QUESTION, "--policy", policy, "--position", position).stderr


def test_the_shipped_policy_and_its_certificate_are_of_each_other() -> None:
    shipped = default_policy_path()
    assert shipped is not None
    tuned = read_certificate(certificate_path(shipped))
    policy = load_policy(shipped)
    assert tuned is not None and (tuned.threshold, tuned.policy_hash) == (policy.accept, fingerprint(policy.model_dump()))


def test_another_temperature_is_told_only_where_something_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, replace(scripted(), temperature=0.7))
    assert "sampled at temperature 0.7" in invoke("solve", QUESTION).stderr
    assert "temperature" not in invoke("score", QUESTION, "--answer", "#### 6").stderr


def test_a_policy_tuned_on_another_combination_is_told_so(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = use(monkeypatch, scripted())
    loaded.hashes["combination"] = "c"
    tuned_on(policy, loaded.hashes | {"combination": "d"})
    assert "combination d there, c here" in invoke("solve", QUESTION, "--policy", policy).stderr
    tuned_on(policy, {k: v for k, v in loaded.hashes.items() if k != "combination"})
    assert "tuned" not in invoke("solve", QUESTION, "--policy", policy).stderr, "older certificates name none"
