"""From a server's address to a working engine and scorer: what ``estimator.loading`` is for local files.

The server has the weights. Here only the tokenizer and the estimator's card and combination are read: from the folder that
is named, or from the one that the server says it loaded, where that is on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator.artefacts import CARD, COMBINER, Card, identity, model_hash, prompt_hash
from estimator.calibration import read_combiner
from estimator.engines.client import ServerClient
from estimator.engines.vllm import VllmEngine
from estimator.engines.vocabulary import Vocabulary, read_vocabulary
from estimator.loading import EMBEDDED, Loaded, LoadError, base_dir, embedded_dir, read_card
from estimator.scorers.of_files import scorer_of

FIRST_PATIENCE = 5.0  # seconds: a wrong address should say so soon
NOT_COMPARED = "the weights of {} are not on this machine, so they were not compared with the estimator's card"


@dataclass(frozen=True)
class Served:
    """One of the server's models: its name there, its folder here (None where there is none) and its longest context."""

    name: str
    folder: Path | None
    max_context: int


@dataclass(frozen=True)
class Server:
    """What a server has: ``models`` as it lists them, by name, and its version."""

    client: ServerClient
    version: str
    models: Mapping[str, Mapping[str, Any]]


def connect(client: ServerClient) -> Server:
    """Ask a server what it has. EngineUnreachable where nothing answers."""
    models = client.run(client.get("/v1/models", _listed, FIRST_PATIENCE))
    version = client.run(client.get("/version", lambda reply: str(reply.get("version", "of unknown version")), FIRST_PATIENCE))
    return Server(client, version, models)


def _listed(reply: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The models by name. Raises what a reply of another shape raises."""
    return {m["id"]: {**m, "max_model_len": int(m.get("max_model_len") or 0)} for m in reply["data"]}


def load_served(client: ServerClient, model: str = EMBEDDED, estimator: str | None = None) -> Loaded:
    """The engine on a server, and the scorer of the estimator there. ``model`` and ``estimator`` are the server's names;
    NAME=FOLDER says where the files lie here. LoadError where anything is missing or does not fit."""
    server = connect(client)
    base, adapter = find_model(server, model), find_adapter(server, model, estimator)
    folder, files = base.folder or base_dir(base.name, weights=False), adapter.folder
    if files is None or not (files / CARD).is_file():
        raise LoadError(f"the files of the estimator {adapter.name} are not here: give --estimator {adapter.name}=FOLDER")
    card = read_card(files)
    engine = _engine(server, base, folder, adapter.name, card.level_ids)
    warned = _check(card, engine.vocabulary, folder, files)
    engine.take_turns_where_needed()
    hashes = identity(card, card.adapter_hash or model_hash(files), files)
    facts = {"vllm": server.version, "entropies": engine.entropy_kind}
    if engine.turns is not None:
        facts["scores"] = "in turns with generation"

    scorer, more = scorer_of(card, files)
    said = (*warned, *more)

    def loaded_on(engine: VllmEngine) -> Loaded:
        fork = lambda: loaded_on(engine.forked())  # noqa: E731
        of = (base.name, adapter.name, hashes, said, card.temperature, facts)
        return Loaded(engine, scorer(engine), *of, fork, client.close)

    return loaded_on(engine)


def load_served_engine(client: ServerClient, model: str) -> tuple[VllmEngine, dict[str, str]]:
    """``estimator.loading.load_engine`` for a server: an engine that generates and does not score, and its hashes."""
    server = connect(client)
    base = find_model(server, model)
    folder = base.folder or base_dir(base.name, weights=False)
    if not list(folder.glob("*.safetensors")):
        raise LoadError(
            f"labels record the hash of the weights, and those of {base.name} are not here: give {base.name}=FOLDER"
        )
    engine = _engine(server, base, folder)
    return engine, {"base": model_hash(folder), "prompt": prompt_hash(engine.tokenizer)}


def _engine(
    server: Server, base: Served, folder: Path, adapter: str | None = None, level_ids: Sequence[int] = ()
) -> VllmEngine:
    return VllmEngine(
        server.client,
        _vocabulary(folder),
        name=f"{base.name} on vLLM {server.version}",  # without its address: labels and traces are the same at another one
        model=base.name,
        adapter=adapter,
        level_ids=level_ids,
        max_context=base.max_context,
    )


def find_model(server: Server, model: str) -> Served:
    """The base model of that name on the server."""
    name, folder = _split(model)
    listed = server.models.get(name)
    if listed is None or listed.get("parent"):
        bases = [i for i, m in server.models.items() if not m.get("parent")]
        raise LoadError(f"{server.client.base_url} serves no model {name!r} (it has {_names(bases)}): check --model")
    known = embedded_dir() / "base" if name == EMBEDDED else _here(listed)
    return Served(name, folder or known, listed["max_model_len"])


def find_adapter(server: Server, model: str, estimator: str | None) -> Served:
    """The estimator of that name on the server; without a name the only one that it has for the model."""
    name, folder = _split(estimator) if estimator is not None else (None, None)
    base = _split(model)[0]
    adapters = {i: m for i, m in server.models.items() if m.get("parent") == base}
    if name is None and len(adapters) == 1:
        [name] = adapters
    if name is None or name not in adapters:
        asked = "no estimator" if name is None else f"no estimator {name!r}"
        raise LoadError(f"{server.client.base_url} serves {asked} for {base!r} (it has {_names(adapters)}): check --estimator")
    return Served(name, folder or _here(adapters[name]), 0)


def _split(named: str) -> tuple[str, Path | None]:
    """NAME or NAME=FOLDER."""
    name, given, folder = named.partition("=")
    if not given:
        return name, None
    if not Path(folder).is_dir():
        raise LoadError(f"no folder at {folder}: check what follows {name}=")
    return name, Path(folder)


def _here(listed: Mapping[str, Any]) -> Path | None:
    """The folder that the server loaded a model from, where it is on this machine."""
    path = Path(str(listed.get("root") or ""))
    return path if path.is_absolute() and path.is_dir() else None


def _vocabulary(folder: Path) -> Vocabulary:
    try:
        return read_vocabulary(folder)
    except (OSError, ValueError, KeyError) as error:
        raise LoadError(f"the tokenizer at {folder} cannot be read ({str(error).splitlines()[0]}): get it again") from error


def _check(card: Card, vocabulary: Vocabulary, folder: Path, files: Path) -> tuple[str, ...]:
    """LoadError where the estimator is not for this model or prompt; warnings where that cannot be told."""
    if card.technique != "soft":
        raise LoadError(f"the estimator at {files} is read by {card.technique}, which a server does not offer: use it locally")
    if prompt_hash(vocabulary.tokenizer, card.technique) != card.prompt_hash:
        raise LoadError(f"the estimator at {files} was trained on another prompt form: train it again for this version")
    if (files / COMBINER).is_file():
        combiner = read_combiner(files / COMBINER)
        of_adapter = card.adapter_hash in (None, combiner.adapter_hash)
        if combiner.base_hash != card.base_hash or not of_adapter:
            raise LoadError(f"the combination in {files} was fitted on another estimator than its card is of: get both again")
    if not list(folder.glob("*.safetensors")):
        return (NOT_COMPARED.format(folder.name),)
    if model_hash(folder) != card.base_hash:
        raise LoadError(f"the estimator at {files} was made for another model than {folder}: name the one it was trained on")
    return ()


def _names(names: Any) -> str:
    return ", ".join(names) or "none"
