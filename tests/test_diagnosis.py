"""What ``doctor`` says is needed is what the package declares, and what is missing has a remedy."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from controller import diagnosis
from controller.settings import load_settings
from tests.cli_double import invoke

ROOT = Path(__file__).parents[1]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", r)[0] for r in requirements}


def test_what_is_looked_for_is_what_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(diagnosis.NEEDED) == names(declared["dependencies"])
    assert set(diagnosis.TRAINING) == names(declared["optional-dependencies"]["train"])


@pytest.mark.parametrize(
    ("missing", "remedy", "ok"), [("pyarrow", ".[train]", True), ("scikit-learn", ".[train]", True), ("httpx", "httpx", False)]
)
def test_what_is_missing_is_named_with_its_remedy(missing: str, remedy: str, ok: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what only training needs all is well for whoever solves alone."""

    def version(name: str) -> str:
        if name == missing:
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(diagnosis, "version", version)
    monkeypatch.setattr(diagnosis, "check_for", lambda _: [])
    found = diagnosis.diagnose(load_settings())
    [told] = [f for f in found.findings if missing in f"{f.name}: {f.detail}"]
    assert found.ok == told.ok == ok and remedy in f"{told.detail} {told.remedy}"


def test_all_of_it_is_installed_here() -> None:
    assert "label, train and evaluate: what they need is installed" in invoke("doctor").stdout
