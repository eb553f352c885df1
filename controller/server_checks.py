"""What ``controller doctor --base-url`` looks at on a live server: each thing that a server can get wrong without a word.

Every check asks for something whose right answer is known, and looks at what comes back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from controller.assemble import client_for, policy_for, policy_path
from controller.certificate import certificate_path
from controller.settings import Settings
from estimator.engines.base import EngineError, EngineUnreachable, SampleRequest, Sampling
from estimator.engines.client import ServerClient
from estimator.engines.vllm import COMPLETIONS, VllmEngine
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
SAME = 1e-3  # two readings of one text on one server
ALIKE = 0.02  # a reading there and here, where the server may compute in 16 bits
PROMPT_ROOM = 256
PRECISION = {"bfloat16": 1, "float16": 2, "float32": 3}


def check_server(settings: Settings) -> list[Check]:
    """All findings, in the order of the questions that they answer: does it answer, has it the right things, does it do
    what it is asked, do base and estimator leave each other alone."""
    client: ServerClient | None = None
    try:
        client = client_for(settings)
        server = connect(client)
        base, adapter = find_model(server, settings.model), find_adapter(server, settings.model, settings.estimator)
        loaded = load_served(client, settings.model, settings.estimator)
    except EngineUnreachable as error:
        return [Check("server", False, *_parted(error, "see its log"))]
    except LoadError as error:
        return [Check("served model", False, *_parted(error, "see what it serves at /v1/models"))]
    engine = loaded.engine
    assert isinstance(engine, VllmEngine)
    prompts = [engine.prompt_ids(q) for q in QUESTIONS]
    found = [Check("server", True, f"vLLM {server.version} at {client.address} with {base.name} and {adapter.name}")]
    looks: list[tuple[str, Callable[[], Check]]] = [
        ("context", lambda: _context(settings, base)),
        ("tuned policy", lambda: _policy(settings, loaded)),
        ("fields", lambda: _fields(engine, prompts[0])),
        ("seed", lambda: _seed(engine, prompts[0])),
        ("temperature", lambda: _temperature(engine, prompts[0])),
        ("dtype", lambda: _dtype(engine, prompts, base)),
        ("prefix cache", lambda: _prefix_cache(engine, prompts[1])),
        ("estimator is applied", lambda: _applied(engine, prompts)),
        ("base beside the estimator", lambda: _mixed(engine, prompts)),
        ("the same estimator", lambda: _same_estimator(engine, prompts, base, adapter)),
    ]
    try:
        return found + [_tried(name, look) for name, look in looks]
    finally:
        client.close()


def _tried(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except EngineError as error:
        return Check(name, False, *_parted(error, "serve with controller serve, or a newer vLLM"))


def _context(settings: Settings, base: Served) -> Check:
    """Room for the longest answer that the policy allows, or all that the model itself has."""
    own = _config(base).get("max_position_embeddings") or base.max_context
    wanted = min(policy_for(settings).budget + PROMPT_ROOM, int(own))
    ok = base.max_context >= wanted
    return Check("context", ok, f"{base.max_context} tokens", f"serve it with --context {wanted}, or lower the policy's budget")


def _policy(settings: Settings, loaded: Loaded) -> Check:
    """The estimator of the policy's certificate, by hash."""
    path = policy_path(settings)
    certificate = None if path is None else certificate_path(path)
    if certificate is None or not certificate.is_file():
        return Check("tuned policy", True, "the policy has no certificate, so it promises nothing about this estimator")
    tuned = json.loads(certificate.read_bytes()).get("hashes", {})
    differ = [k for k in ("base", "adapter", "prompt") if tuned.get(k) != loaded.hashes.get(k)]
    told = ", ".join(f"{k} {tuned.get(k)} there, {loaded.hashes.get(k)} here" for k in differ)
    detail = f"tuned on another one ({told})" if differ else f"tuned on this estimator ({loaded.hashes['adapter']})"
    return Check("tuned policy", not differ, detail, "tune it again with controller tune, or name the policy of this estimator")


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


def _seed(engine: VllmEngine, prompt: Tokens) -> Check:
    def texts(seed: int) -> list[Tokens]:
        hot = Sampling(temperature=2.0, max_tokens=24)  # so hot that no two samples are the same by chance
        [segments] = engine.sample([SampleRequest(prompt, n=4, seed=seed)], hot)
        return [s.token_ids for s in segments]

    first, again, other = texts(1), texts(1), texts(2)
    ok = first == again and first != other
    detail = "repeats what was drawn" if ok else "does not repeat what was drawn" if first != again else "changes nothing"
    return Check("seed", ok, detail, "serve without speculative decoding, and see whether the server honours seed")


def _temperature(engine: VllmEngine, prompt: Tokens) -> Check:
    """Log-probabilities are those of temperature 1, before anything is masked, whatever is sampled at."""
    [[cold]] = engine.sample([SampleRequest(prompt, seed=1)], Sampling(temperature=0.5, max_tokens=8))
    forced, _ = engine.annotate(prompt, (engine.level_ids[0],))
    exact, _ = engine.annotate(prompt, cold.token_ids)
    ok = forced[0] < -SAME and float(np.abs(np.subtract(cold.logprobs, exact)).max()) < ALIKE
    detail = "log-probabilities are the model's own" if ok else "log-probabilities change with how is sampled"
    return Check("temperature", ok, detail, "serve with --logprobs-mode raw_logprobs")


def _dtype(engine: VllmEngine, prompts: Sequence[Tokens], base: Served) -> Check:
    """By how finely the logits are graded: those of 16 bits differ by multiples of a coarse step."""
    served = served_dtype(engine, prompts)
    kept = _config(base).get("dtype") or _config(base).get("torch_dtype") or "unknown"
    ok = PRECISION[served] >= PRECISION.get(kept, 0)
    return Check("dtype", ok, f"served in {served}, kept in {kept}", f"serve it with --dtype {kept}")


def served_dtype(engine: VllmEngine, prompts: Sequence[Tokens]) -> str:
    """``bfloat16``, ``float16`` or ``float32``: what the server computes its logits in."""
    gaps: list[float] = []
    for prompt in prompts:
        body = engine.read_request(prompt)
        reply = engine.client.run(engine.client.post(COMPLETIONS, body, lambda r: r))
        values = sorted(reply["choices"][0]["logprobs"]["top_logprobs"][0].values(), reverse=True)[:8]
        gaps += [values[0] - v for v in values[1:]]
    for name, step in (("bfloat16", 2.0**-9), ("float16", 2.0**-13)):
        off = np.abs(np.array(gaps) / step - np.round(np.array(gaps) / step))
        if np.mean(off < 0.05) > 0.9:
            return name
    return "float32"


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


def _applied(engine: VllmEngine, prompts: Sequence[Tokens]) -> Check:
    plain = engine.forked()
    plain.adapter = engine.model
    gap = float(np.abs(np.subtract(engine.levels(prompts), plain.levels(prompts))).max())
    detail = f"its readings differ from the base's by up to {gap:.3f}"
    return Check("estimator is applied", gap > SAME, detail, "serve the adapter with --lora-modules, as controller serve does")


def _mixed(engine: VllmEngine, prompts: Sequence[Tokens]) -> Check:
    """Greedy text of the base alone, and in one batch with as many requests of the estimator."""
    beside = engine.forked()
    beside.model = engine.adapter or engine.model
    greedy = Sampling(temperature=0.0, max_tokens=32)
    requests = [SampleRequest(p) for p in prompts]
    alone = [engine.sample([r], greedy)[0][0] for r in requests]
    with ThreadPoolExecutor(2) as pool:
        base = pool.submit(engine.sample, requests * 2, greedy)
        pool.submit(beside.sample, requests * 2, greedy).result()
    changed = sum(a.token_ids != b[0].token_ids for a, b in zip(alone * 2, base.result(), strict=True))
    detail = "text is the same alone and in a batch with the estimator" if not changed else f"{changed} of 8 texts change"
    turns = "" if engine.turns is None else "; its scores would blind generation in one batch, so they take turns"
    return Check("base beside the estimator", not changed, detail + turns, "serve with --max-loras of one more than adapters")


def _same_estimator(engine: VllmEngine, prompts: Sequence[Tokens], base: Served, adapter: Served) -> Check:
    """The readings there and here, where model and estimator are on this machine too."""
    name, folder = "the same estimator", base.folder or base_dir(base.name, weights=False)
    if adapter.folder is None or not list(folder.glob("*.safetensors")) or not list(adapter.folder.glob("*.safetensors")):
        return Check(name, True, "not compared: the weights are not on this machine")
    from estimator.loading import local_engine

    here = local_engine(folder, adapter.folder, read_card(adapter.folder), name=base.name)
    gap = float(np.abs(np.subtract(engine.levels(prompts), here.levels(prompts))).max())
    detail = f"its readings and those of {adapter.folder} differ by up to {gap:.4f}"
    return Check(
        name, gap < ALIKE, detail, "serve the adapter that is named here, or name the folder of the one that is served"
    )


def _config(base: Served) -> dict[str, Any]:
    folder = base.folder or base_dir(base.name, weights=False)
    return json.loads((Path(folder) / "config.json").read_bytes())


def _parted(error: Exception, remedy: str) -> tuple[str, str]:
    """A message as what is wrong and what to do."""
    detail, found, named = str(error).rpartition(": ")
    return (detail, named) if found else (named, remedy)
