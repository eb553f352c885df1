"""What partial answers mean, as vectors: the model's own hidden states, or a sentence-transformers model by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from estimator.engines.base import Engine, EngineError, HiddenStates
from estimator.loading import LoadError, base_dir
from estimator.types import Tokens

OFFICIAL = "sentence-transformers"  # whose models go by their bare names
# Per (prefix, continuation) a vector of what the continuation says: (texts, width).
Embed = Callable[[Sequence[tuple[Tokens, Tokens]]], NDArray[np.float64]]


def embedder(engine: Engine, name: str | None = None) -> Embed:
    """The mean last hidden states of ``engine``'s base model, or the sentence-transformers model ``name`` on the texts.
    EngineError where the engine shows no states and no model is named, or where that model cannot be loaded."""
    if name is not None:
        return _sentences(engine, name)
    if not isinstance(engine, HiddenStates):
        raise EngineError(f"{engine.name} shows no hidden states to compare partial answers by: name a model with --embed")
    return lambda texts: np.asarray(engine.embed(texts), np.float64)


def _sentences(engine: Engine, name: str) -> Embed:
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError:
        raise EngineError("--embed needs sentence-transformers: pip install it, or leave --embed out") from None
    try:  # looked for at once: the library would try the hub again and again for each of a model's files
        model = SentenceTransformer(str(base_dir(name if Path(name).is_dir() or "/" in name else f"{OFFICIAL}/{name}")))
    except (LoadError, OSError, ValueError) as error:
        why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise EngineError(f"--embed: no sentence-transformers model {name!r} here or on the hub ({why})") from error
    return lambda texts: np.asarray(
        model.encode([engine.decode(continuation) for _, continuation in texts], show_progress_bar=False), np.float64
    )
