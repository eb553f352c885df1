"""From names to a working engine and scorer, with the checks that model, adapter and combination belong together.

Nothing heavy is imported before something is loaded.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from estimator.artefacts import CARD, COMBINER, POLICY, Card, identity, model_hash, prompt_hash
from estimator.calibration import Combiner, CombinerError, read_combiner
from estimator.engines.base import Engine
from estimator.scorers.base import Scorer
from estimator.scorers.of_files import scorer_of

EMBEDDED = "embedded"
WEIGHTS = ("*.safetensors",)
SMALL = 50_000_000  # parameters: below, memory is cheaper than many small products


class LoadError(ValueError):
    """A model or an estimator cannot be used; the message names it and the remedy in one line."""


@dataclass(frozen=True)
class Loaded:
    """An engine, the scorer on it, and what identifies them: hashes of ``base``, ``adapter`` and ``prompt``, and other
    ``facts`` that a trace should tell. Confidences hold for answers sampled at ``temperature``. ``fork`` makes a twin that
    counts for itself, where the engine serves many at once; ``close`` gives up what is under way."""

    engine: Engine
    scorer: Scorer
    model: str
    estimator: str
    hashes: dict[str, str]
    warnings: tuple[str, ...] = ()
    temperature: float = 1.0
    facts: dict[str, str] = field(default_factory=dict)
    fork: Callable[[], Loaded] | None = None
    close: Callable[[], None] | None = None

    def twin(self) -> Loaded:
        """A fork where there can be one, else itself."""
        return self if self.fork is None else self.fork()


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is right, what was found, and what to do where it is not."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def embedded_dir() -> Path:
    """Where the embedded model's files lie: ``base/``, ``adapter/`` and the fitted policy."""
    return Path(str(resources.files("estimator"))) / "embedded"


def default_policy_path() -> Path | None:
    """The fitted policy of the embedded model, if it is there."""
    path = embedded_dir() / POLICY
    return path if path.is_file() else None


def base_dir(model: str, *, weights: bool = True) -> Path:
    """The directory of a model's files: the embedded one, a local path, or a hub name's snapshot in the local cache (which
    without ``weights`` holds tokenizer and configuration alone)."""
    if model == EMBEDDED:
        return embedded_dir() / "base"
    path = Path(model)
    if path.is_dir():
        return path
    if model.startswith((".", "/", "~")) or path.exists():
        raise LoadError(f"no model directory at {model}: check --model")
    return _snapshot(model, WEIGHTS if weights else ())


def adapter_dir(model: str, estimator: str | None) -> Path:
    """The directory of the estimator: the one named, else the one that comes with the embedded model."""
    if estimator is None:
        if model != EMBEDDED:
            raise LoadError(f"no estimator is named for {model}: give --estimator DIR, or train one")
        return embedded_dir() / "adapter"
    path = Path(estimator)
    if not path.is_dir():
        raise LoadError(f"no estimator directory at {estimator}: check --estimator")
    return path


def load(model: str = EMBEDDED, estimator: str | None = None, *, threads: int = 1, device: str | None = None) -> Loaded:
    """The local engine with its adapter, and the combined scorer (the adapter's alone, with a warning, where no combination
    was fitted). LoadError where anything is missing or does not fit."""
    base, adapter = base_dir(model), adapter_dir(model, estimator)
    failed = [c for c in check_files(base, adapter) if not c.ok]
    if failed:
        raise LoadError(f"{failed[0].detail}: {failed[0].remedy}")
    card = read_card(adapter)
    engine = local_engine(base, adapter, card, name=model, threads=threads, device=device)
    if prompt_hash(engine.tokenizer, card.technique) != card.prompt_hash:
        raise LoadError(f"the estimator at {adapter} was trained on another prompt form: train it again for this version")
    scorer, warned = scorer_of(card, adapter)
    return Loaded(
        engine, scorer(engine), model, str(estimator or "embedded"), hashes_of(model, estimator), warned, card.temperature
    )


def hashes_of(model: str = EMBEDDED, estimator: str | None = None) -> dict[str, str]:
    """What identifies an estimator: hashes of its ``base``, its ``adapter``, the ``prompt`` and, where there is one, the
    fitted ``combination``."""
    adapter = adapter_dir(model, estimator)
    card = read_card(adapter)
    return identity(card, model_hash(adapter), adapter)


def load_engine(model: str = EMBEDDED, *, threads: int = 1, device: str | None = None) -> tuple[Engine, dict[str, str]]:
    """An engine that generates and does not score, and the hashes of its ``base`` and ``prompt``: what labels are made with,
    before there is any estimator."""
    base = base_dir(model)
    weights = _check_weights("model", base)
    if not weights.ok:
        raise LoadError(f"{weights.detail}: {weights.remedy}")
    engine = local_engine(base, None, None, name=model, threads=threads, device=device)
    return engine, {"base": model_hash(base), "prompt": prompt_hash(engine.tokenizer)}


def local_engine(
    base: Path,
    adapter: Path | None,
    card: Card | None,
    *,
    name: str,
    threads: int = 1,
    device: str | None = None,
    max_rows: int = 128,
) -> Any:
    """A LocalEngine from directories; without an adapter it generates and does not score."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from estimator.engines.local import LocalEngine

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device == "cpu" else "auto"
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
        net: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
        net = net.to(device).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise LoadError(f"the model at {base} cannot be read ({_first_line(error)}): get it again") from error
    except Exception as error:
        # safetensors raises a class of its own, derived from Exception directly.
        if type(error).__name__ != "SafetensorError":
            raise
        raise LoadError(f"the weights at {base} are damaged ({_first_line(error)}): get them again") from error
    small = sum(p.numel() for p in net.parameters()) < SMALL
    if device == "cpu" and small:
        torch.set_num_threads(1)  # at this size two threads are slower than one
    if adapter is None or card is None:
        return LocalEngine(net, tokenizer, name=name, threads=threads, max_rows=max_rows)
    try:
        reader = adapted(net, adapter, merge=small)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise LoadError(f"the estimator at {adapter} does not fit {name} ({_first_line(error)}): train one for it") from error
    return LocalEngine(net, tokenizer, name=name, reader=reader, level_ids=card.level_ids, threads=threads, max_rows=max_rows)


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Inside, peft may touch an attribute that transformers is about to rename: no news to anybody who runs this program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def adapted(net: Any, adapter: Path, *, merge: bool) -> Any:
    """A second model with the adapter in it; ``net`` stays as it is. It shares every weight of ``net``, or, with ``merge``, has
    copies with the adapter added into them: twice the memory, and no small products beside each large one."""
    from peft import PeftModel

    shared = {} if merge else {id(t): t for t in (*net.parameters(), *net.buffers())}
    with quiet_peft():
        peft: Any = PeftModel.from_pretrained(copy.deepcopy(net, shared), str(adapter)).eval()
    return peft.merge_and_unload() if merge else peft.get_base_model()


def read_card(adapter: Path) -> Card:
    try:
        return Card.model_validate_json((adapter / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise LoadError(f"{adapter / CARD} is missing or damaged: train the estimator again") from error


def check(model: str = EMBEDDED, estimator: str | None = None) -> list[Check]:
    """What ``doctor`` reports on the files of a model and an estimator; never raises for what it finds wrong."""
    try:
        base, adapter = base_dir(model), adapter_dir(model, estimator)
    except LoadError as error:
        detail, _, remedy = str(error).rpartition(": ")
        return [Check("files", False, detail, remedy)]
    return check_files(base, adapter)


def check_files(base: Path, adapter: Path) -> list[Check]:
    """Whether base, adapter and combination (if there is one) are there, whole, and made for each other (by hash)."""
    checks = [_check_weights("model", base), _check_weights("estimator", adapter)]
    if not all(c.ok for c in checks):
        return checks
    try:
        card = read_card(adapter)
        combiner = read_combiner(adapter / COMBINER) if (adapter / COMBINER).exists() else None
    except (LoadError, CombinerError) as error:
        detail, _, remedy = str(error).rpartition(": ")
        return [*checks, Check("estimator card", False, detail, remedy)]
    return [*checks, *_check_hashes(base, adapter, card, combiner)]


def _check_weights(name: str, directory: Path) -> Check:
    if not list(directory.glob("*.safetensors")):
        return Check(name, False, f"no weights (*.safetensors) at {directory}", "check the path, or get the files again")
    for path in directory.glob("*.safetensors"):
        if not _whole(path):
            return Check(name, False, f"the weights in {path} are damaged", "get the file again")
    return Check(name, True, f"{directory} ({model_hash(directory)})")


def _check_hashes(base: Path, adapter: Path, card: Card, combiner: Combiner | None) -> list[Check]:
    base_hash, adapter_hash = model_hash(base), model_hash(adapter)
    of_base = card.base_hash == base_hash
    fits = Check(
        "estimator fits the model",
        of_base,
        f"made for base {base_hash}"
        if of_base
        else f"the estimator at {adapter} was made for base {card.base_hash}, and the model at {base} is {base_hash}",
        "name the model it was trained on, or train an estimator for this one",
    )
    if combiner is None and card.adapter_hash not in (None, adapter_hash):
        detail = f"the weights in {adapter} are {adapter_hash}, and its card is of {card.adapter_hash}"
        return [fits, Check("card fits the estimator", False, detail, "get the estimator's files again, or train it again")]
    if combiner is None:
        return [fits, Check("combination", True, "none: scores are the adapter's alone")]
    of_both = (combiner.base_hash, combiner.adapter_hash) == (base_hash, adapter_hash)
    return [
        fits,
        Check(
            "combination fits the estimator",
            of_both,
            f"fitted on adapter {adapter_hash}"
            if of_both
            else f"the combination in {adapter} was fitted on adapter {combiner.adapter_hash}, not on {adapter_hash}",
            "fit the combination again, or get the estimator's files again",
        ),
    ]


def _whole(path: Path) -> bool:
    """A safetensors file whose header can be read and whose size is what the header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            return False
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0) == size


def _snapshot(name: str, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.model", "*.jinja", *patterns]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise LoadError(f"no model {name!r} here or on the hub ({_first_line(error)}): check --model") from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0].rstrip(".:")[:160]
