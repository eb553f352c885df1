"""What ``controller doctor --base-url`` looks at on a live server: each thing that a server can get wrong without a word.

Every check asks for something whose right answer is known, and looks at what comes back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from controller import tuned_for
from controller.assemble import client_for, policy_for
from controller.serving import BYTES
from controller.settings import Settings
from estimator.calibration import CombinerError
from estimator.engines.base import EngineError, EngineUnreachable, SampleRequest, Sampling
from estimator.engines.bodies import COMPLETIONS
from estimator.engines.client import ServerClient
from estimator.engines.vllm import VllmEngine
from estimator.loading import Check, Loaded, LoadError, base_dir, read_card
from estimator.positions import Position
from estimator.served import Served, connect, find_adapter, find_model, load_served
from estimator.types import Tokens

QUESTIONS = (
    "Tom has 3 pens and buys 4 more. How many pens does he have?",
    "A farmer has 4 pens with 6 sheep in each. He sells 9 sheep. How many sheep are left?",
    "What is the capital of France?",
    "Which number is greatest? (A) 17 (B) 71 (C) 7 (D) 27",
)
HOT = 2.0  # a temperature at which no two samples are the same by chance
PROMPT_ROOM = 256
NAMED = 64  # tokens whose logits show what they were computed in
KNOWN = (EngineError, LoadError, CombinerError)
DIGITS = {"bfloat16": 8, "float16": 11, "float32": 24}  # binary, of a number in each format


@dataclass(frozen=True)
class Slack:
    """How much a sound server may be off: ``nats`` a token in the mean between log-probabilities of one text, ``level``
    between a level's probabilities, and the share of tokens that one seed ``repeats`` before two texts part."""

    nats: float
    level: float
    repeats: float


EXACT = Slack(nats=0.01, level=0.02, repeats=1.0)
ROUGH = Slack(nats=0.2, level=0.1, repeats=0.5)  # in 16 bits another company moves a logit by a step or two, and tips a draw


def check_server(settings: Settings) -> list[Check]:
    """All findings, in the order of the questions that they answer: does it answer, has it the right things, does it do
    what it is asked, do base and estimator leave each other alone."""
    client: ServerClient | None = None
    try:
        client = client_for(settings)
        server = connect(client)
        base, adapter = find_model(server, settings.model), find_adapter(server, settings.model, settings.estimator)
        loaded = load_served(client, settings.model, settings.estimator)
        found = Check("server", True, f"vLLM {server.version} at {client.base_url} with {base.name} and {adapter.name}")
        return [found, *(_tried(name, look) for name, look in _looks(settings, loaded, base, adapter))]
    except EngineUnreachable as error:
        return [_failed("server", error, "see its log")]
    except (*KNOWN, OSError) as error:
        return [_failed("served model", error, "see what it serves at /v1/models")]
    finally:
        if client is not None:
            client.close()


def _looks(settings: Settings, loaded: Loaded, base: Served, adapter: Served) -> list[tuple[str, Callable[[], Check]]]:
    engine = loaded.engine
    assert isinstance(engine, VllmEngine)
    prompts = [engine.prompt_ids(q) for q in QUESTIONS]
    dtype = cache(lambda: served_dtype(engine, prompts))
    slack = lambda: EXACT if dtype() == "float32" else ROUGH  # noqa: E731
    return [
        ("context", lambda: _context(settings, base)),
        (tuned_for.NAME, lambda: tuned_for.tuned_for(settings, loaded.model, loaded.hashes)),
        ("fields", lambda: _fields(engine, prompts[0])),
        ("seed", lambda: _seed(engine, prompts[0], slack())),
        ("temperature", lambda: _temperature(engine, prompts[0], slack())),
        ("dtype", lambda: _dtype(dtype(), base)),
        ("prefix cache", lambda: _prefix_cache(engine, prompts[1])),
        ("estimator is applied", lambda: _applied(engine, prompts, slack())),
        ("base beside the estimator", lambda: _mixed(engine, prompts, slack())),
        ("the same estimator", lambda: _same_estimator(engine, prompts, base, adapter, slack())),
    ]


def _tried(name: str, look: Callable[[], Check]) -> Check:
    """A look's finding, also where it cannot be ended: the others are worth having without it."""
    try:
        return look()
    except EngineError as error:
        return _failed(name, error, "serve with controller serve, or a newer vLLM")
    except (ValueError, KeyError, OSError) as error:
        return _failed(name, error, "put right what is named, and look again")


def _failed(name: str, error: Exception, remedy: str) -> Check:
    """Messages of engines and of loading say after the last colon what to do."""
    if not isinstance(error, KNOWN):
        return Check(name, False, f"{type(error).__name__}: {error}", remedy)
    detail, found, named = str(error).rpartition(": ")
    return Check(name, False, detail, named) if found else Check(name, False, named, remedy)


def _context(settings: Settings, base: Served) -> Check:
    """Room for the longest answer that the policy allows, or all that the model itself has."""
    own = _config(base).get("max_position_embeddings") or base.max_context
    wanted = min(policy_for(settings).budget + PROMPT_ROOM, int(own))
    ok = base.max_context >= wanted
    return Check("context", ok, f"{base.max_context} tokens", f"serve it with --context {wanted}, or lower the policy's budget")


def _fields(engine: VllmEngine, prompt: Tokens) -> Check:
    """A server ignores fields that it does not know, so each one that is used is tried by its effect."""
    body = {"model": engine.model, "prompt": list(prompt), "max_tokens": 1, "no_such_field": True}
    try:
        engine.client.run(engine.client.post(COMPLETIONS, body, lambda reply: reply))
        strict = "unknown fields are ignored without a word"
    except EngineUnreachable:
        raise
    except EngineError:
        strict = "unknown fields are refused"
    engine.levels([prompt])
    [[segment]] = engine.sample([SampleRequest(prompt, seed=1)], Sampling(max_tokens=60, position=Position()))
    engine.annotate(prompt, segment.token_ids[:3])
    return Check("fields", True, f"{strict}; those that are used have their effect")


def _seed(engine: VllmEngine, prompt: Tokens, slack: Slack) -> Check:
    """Samples of one seed go together, those of another part at once. After a draw that was tipped, two texts have nothing in
    common any more, so what counts is how far they come."""

    def texts(seed: int) -> list[Tokens]:
        hot = Sampling(temperature=HOT, max_tokens=16)
        [segments] = engine.sample([SampleRequest(prompt, n=4, seed=seed)], hot)
        return [s.token_ids for s in segments]

    first = texts(1)
    again, other = _together(first, texts(1)), _together(first, texts(2))
    ok = again >= slack.repeats > other
    detail = f"before hot texts part, one seed repeats {again:.0%} of the tokens, and another seed {other:.0%}"
    return Check("seed", ok, detail, "serve without speculative decoding, and see whether the server honours seed")


def _together(texts: Sequence[Tokens], others: Sequence[Tokens]) -> float:
    """The share of the tokens before the two texts of each pair part."""
    pairs = list(zip(texts, others, strict=True))
    same = sum(len(list(takewhile(lambda ab: ab[0] == ab[1], zip(a, b, strict=False)))) for a, b in pairs)
    return same / sum(max(len(a), len(b)) for a, b in pairs)


def _temperature(engine: VllmEngine, prompt: Tokens, slack: Slack) -> Check:
    """Log-probabilities are those of temperature 1, before anything is masked, whatever is sampled at."""
    [[hot]] = engine.sample([SampleRequest(prompt, seed=1)], Sampling(temperature=HOT, max_tokens=16))
    forced, _ = engine.annotate(prompt, (engine.level_ids[0],))
    exact, _ = engine.annotate(prompt, hot.token_ids)
    gap = _apart(hot.logprobs, exact)
    ok = forced[0] < -slack.nats and gap < slack.nats
    detail = f"log-probabilities of a text sampled at {HOT:g} are the model's own to {gap:.4f} nats ({slack.nats:g} is allowed)"
    return Check("temperature", ok, detail, "serve with --logprobs-mode raw_logprobs")


def _dtype(served: str, base: Served) -> Check:
    """By how finely the logits are graded."""
    kept = _kept(base)
    ok = DIGITS[served] >= DIGITS.get(kept, 0)
    return Check("dtype", ok, f"served in {served}, kept in {kept}", f"serve it with --dtype {kept}")


def served_dtype(engine: VllmEngine, prompts: Sequence[Tokens]) -> str:
    """``bfloat16``, ``float16`` or ``float32``: what the server computes its logits in."""
    size = engine.vocabulary.size
    rows = engine.next_logprobs(prompts, sorted({i * size // NAMED for i in range(NAMED)}))
    return next((n for n in ("bfloat16", "float16") if all(are_of(row, DIGITS[n]) for row in rows)), "float32")


def are_of(logprobs: ArrayLike, digits: int) -> bool:
    """Whether logits of so many binary digits are behind some log-probabilities, which are the logits less one number for
    all. It is found by trying: the highest of them has not many values to choose from."""
    known = np.asarray(logprobs, np.float64)
    highest = np.ldexp(np.arange(2 ** (digits - 1), 2**digits), np.arange(-4, 9)[:, None] - digits).ravel()
    logits = np.concatenate([highest, -highest])[:, None] + known - known.max()
    step = np.ldexp(1.0, np.frexp(logits)[1] - digits)
    off = np.abs(logits - step * np.round(logits / step))
    return bool((off < 4 * np.spacing(np.float32(np.abs(known).max()))).all(axis=1).any())


def _prefix_cache(engine: VllmEngine, prompt: Tokens) -> Check:
    def computed(tokens: Tokens) -> int:
        before = engine.usage.scored
        engine.levels([tokens])
        return engine.usage.scored - before

    long = (*prompt, *engine.text_ids(" and then" * 64))[: engine.max_context - 8]
    computed(long)
    again = computed((*long, *engine.text_ids(" so")))
    ok = again < len(long)
    detail = f"{again} of {len(long) + 1} tokens computed for one that was new"
    remedy = "serve with --enable-prefix-caching --enable-prompt-tokens-details --block-size 32"
    return Check("prefix cache", ok, detail, remedy)


def _applied(engine: VllmEngine, prompts: Sequence[Tokens], slack: Slack) -> Check:
    plain = engine.forked()
    plain.adapter = engine.model
    gap = float(np.abs(np.subtract(engine.levels(prompts), plain.levels(prompts))).max())
    detail = f"its readings differ from the base's by up to {gap:.3f}"
    remedy = "serve the adapter with --lora-modules, as controller serve does"
    return Check("estimator is applied", gap > slack.level, detail, remedy)


def _mixed(engine: VllmEngine, prompts: Sequence[Tokens], slack: Slack) -> Check:
    """Greedy texts that the base writes in one batch with as many requests of the estimator, read again by the base alone."""
    beside = engine.forked()
    beside.model = engine.adapter or engine.model
    greedy = Sampling(temperature=0.0, max_tokens=16)
    requests = [SampleRequest(p) for p in prompts] * 2
    with ThreadPoolExecutor(2) as pool:
        base = pool.submit(engine.sample, requests, greedy)
        pool.submit(beside.sample, requests, greedy).result()
    written = [(r.prefix, segment) for r, [segment] in zip(requests, base.result(), strict=True)]
    gap = max(_apart(s.logprobs, engine.annotate(prefix, s.token_ids)[0]) for prefix, s in written)
    detail = f"texts written in its company and read alone differ by up to {gap:.4f} nats a token ({slack.nats:g} is allowed)"
    turns = "" if engine.turns is None else "; its scores would blind generation in one batch, so they take turns"
    remedy = "serve with --max-loras of one more than adapters"
    return Check("base beside the estimator", gap < slack.nats, detail + turns, remedy)


def _apart(logprobs: Sequence[float], others: Sequence[float]) -> float:
    """How much two readings of one text differ, in nats a token."""
    return float(np.abs(np.subtract(logprobs, others)).mean())


def _same_estimator(engine: VllmEngine, prompts: Sequence[Tokens], base: Served, adapter: Served, slack: Slack) -> Check:
    """The readings there and here, where model and estimator are on this machine too."""
    name, folder = "the same estimator", base.folder or base_dir(base.name, weights=False)
    if adapter.folder is None or not list(folder.glob("*.safetensors")) or not list(adapter.folder.glob("*.safetensors")):
        return Check(name, True, "not compared: the weights are not on this machine")
    size = sum(f.stat().st_size for f in folder.glob("*.safetensors")) * BYTES["float32"] // BYTES.get(_kept(base), 4)
    if 2 * size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        return Check(name, True, f"not compared: {size >> 30} GiB in float32 are over half of this machine's memory")
    from estimator.loading import local_engine

    # On the CPU: the server has the GPU's memory.
    here = local_engine(folder, adapter.folder, read_card(adapter.folder), name=base.name, device="cpu")
    gap = float(np.abs(np.subtract(engine.levels(prompts), here.levels(prompts))).max())
    detail = f"its readings and those of {adapter.folder} differ by up to {gap:.4f} ({slack.level:g} is allowed)"
    remedy = "serve the adapter that is named here, or name the folder of the one that is served"
    return Check(name, gap < slack.level, detail, remedy)


def _kept(base: Served) -> str:
    config = _config(base)
    return config.get("dtype") or config.get("torch_dtype") or "unknown"


def _config(base: Served) -> dict[str, Any]:
    folder = base.folder or base_dir(base.name, weights=False)
    return json.loads((Path(folder) / "config.json").read_bytes())
