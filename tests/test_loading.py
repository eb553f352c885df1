"""Artefacts that are missing, damaged or foreign are named in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from estimator import loading
from estimator.calibration import CombinerError
from estimator.loading import LoadError, check, embedded_dir, load


@pytest.fixture()
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the shipped base and adapter."""
    for name in ("base", "adapter"):
        shutil.copytree(embedded_dir() / name, tmp_path / name)
    return tmp_path / "base", tmp_path / "adapter"


def refused(base: Path, adapter: Path | None, match: str) -> None:
    with pytest.raises((LoadError, CombinerError), match=match) as caught:
        load(str(base), str(adapter) if adapter else None)
    assert "\n" not in str(caught.value)


def test_the_copy_loads(files: tuple[Path, Path]) -> None:
    base, adapter = files
    loaded = load(str(base), str(adapter))
    assert loaded.engine.usage.scored == 0 and set(loaded.hashes) == {"base", "adapter", "prompt", "combination"}


def test_a_missing_model_or_estimator_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    base, adapter = files
    refused(tmp_path / "nowhere", adapter, "no model directory")
    refused(base, tmp_path / "nowhere", "no estimator directory")
    refused(base, None, "--estimator")
    for path in adapter.glob("*.safetensors"):
        path.unlink()
    refused(base, adapter, "no weights")


@pytest.mark.parametrize("which", [0, 1], ids=["base", "adapter"])
def test_damaged_weights_are_noticed(files: tuple[Path, Path], which: int) -> None:
    path = next(files[which].glob("*.safetensors"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(*files, "damaged")
    path.write_bytes(b"not weights at all")
    refused(*files, "damaged")
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    refused(*files, "made for base|fitted on adapter")


def test_an_adapter_of_another_base_is_refused(files: tuple[Path, Path]) -> None:
    base, adapter = files
    card = json.loads((adapter / "finece.json").read_text())
    (adapter / "finece.json").write_text(json.dumps(card | {"base_hash": "0123456789abcdef"}))
    refused(base, adapter, "made for base 0123456789abcdef")


@pytest.mark.parametrize("name", ["finece.json", "combiner.json"])
def test_a_broken_card_is_refused(files: tuple[Path, Path], name: str) -> None:
    base, adapter = files
    (adapter / name).write_text("{}")
    refused(base, adapter, name)


def test_without_a_card_nothing_loads_and_without_a_combination_the_adapter_alone(files: tuple[Path, Path]) -> None:
    base, adapter = files
    (adapter / "combiner.json").unlink()
    loaded = load(str(base), str(adapter))
    assert loaded.scorer.name == "adapter" and "controller train --combine" in loaded.warnings[0]
    (adapter / "finece.json").unlink()
    refused(base, adapter, "finece.json")


def test_doctor_reports_instead_of_raising(files: tuple[Path, Path]) -> None:
    base, adapter = files
    assert all(c.ok for c in check(str(base), str(adapter)))
    (adapter / "finece.json").unlink()
    found = [c for c in check(str(base), str(adapter)) if not c.ok]
    assert found and found[0].remedy
    assert not check("/nowhere", None)[0].ok


def test_doctor_parts_what_is_wrong_from_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(model: str) -> Path:
        raise LoadError(f"no model {model!r} (Got ConnectError: [Errno -2] Name not known): check --model")

    monkeypatch.setattr(loading, "base_dir", missing)
    [found] = check("nope")
    assert (found.detail, found.remedy) == (
        "no model 'nope' (Got ConnectError: [Errno -2] Name not known)",
        "check --model",
    )
