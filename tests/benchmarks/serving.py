"""What a server's time goes into: ``solve --file`` at bounded concurrency against plain completions, and the cost of knowing.

``python -m tests.benchmarks.serving --base-url URL``: the same questions, in one run, at the same concurrency:

- **plain**: one completion a question to its end, no scores and no log-probabilities: what the server gives to whoever asks;
- **segments**: the same answers paragraph by paragraph, no scores;
- **solve**: the whole machine with a score at every paragraph;
- **shipped**: the embedded model's questions under its shipped policy, which stops early and asks again where there is doubt.

Tokens/s are of answers; ``computed`` counts what the server really computed, by its own account: prompts and score prompts
beyond its prefix cache, and what it wrote. The rounds are interleaved, so that a noisy moment hits all. ``alone`` is the
same for other questions, one at a time. ``--local`` measures segments against solve in this process. A model of random
weights (``tests.benchmarks.random_models``) ends neither paragraphs nor answers: ``--position`` and ``--budget`` say where.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import torch

from controller.assemble import Run, default_policy
from controller.batch import Job, answered, write_all
from controller.questions import Asked
from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.bodies import COMPLETIONS, generation, stream_seed
from estimator.engines.client import ServerClient
from estimator.engines.vllm import VllmEngine
from estimator.loading import EMBEDDED, Loaded, load
from estimator.positions import parse_position
from estimator.served import load_served
from graphs.policy import Policy
from training.questions import KINDS, questions

# Nothing is revised or refused: all sides write answers to their end.
ALWAYS_ON = Policy.model_validate({"accept": 0, "revise": 0, "drop": 1, "abstain": 0, "give_up": 0, "max_revisions": 0})
Work = Callable[[Loaded, Policy, str, int], int]


def plain(loaded: Loaded, policy: Policy, question: str, seed: int) -> int:
    """Tokens of one answer in one request; of a server without any log-probabilities, as whoever wants the text asks it."""
    engine, request = loaded.engine, SampleRequest(loaded.engine.prompt_ids(question), seed=seed)
    sampling = Sampling(max_tokens=policy.budget)
    if isinstance(engine, VllmEngine):
        body = generation(engine.model, request.prefix, sampling, engine.vocabulary.end_ids, engine.max_context)
        body |= {"logprobs": None, "seed": stream_seed(request)}
        return engine.client.run(engine.client.post(COMPLETIONS, body, lambda reply: len(reply["choices"][0]["token_ids"])))
    [[segment]] = engine.sample([request], sampling)
    return len(segment.token_ids)


def segments(loaded: Loaded, policy: Policy, question: str, seed: int) -> int:
    """Tokens of one answer, asked for paragraph by paragraph."""
    prefix, count, position = loaded.engine.prompt_ids(question), 0, parse_position(policy.position)
    while count < policy.budget and len(prefix) < loaded.engine.max_context:
        request = SampleRequest(prefix, seed=seed)
        [[segment]] = loaded.engine.sample([request], Sampling(max_tokens=policy.budget - count, position=position))
        prefix, count = (*prefix, *segment.token_ids), count + len(segment.token_ids)
        if segment.finished:
            break
    return count


def timed(loaded: Loaded, policy: Policy, asked: Sequence[str], work: Work, concurrency: int, seed: int) -> dict[str, float]:
    before, started = computed(loaded), time.monotonic()
    with ThreadPoolExecutor(concurrency) as pool:
        tokens = sum(pool.map(lambda q: work(loaded, policy, q, seed), asked))
    seconds = time.monotonic() - started
    return _rate(tokens, computed(loaded) - before, seconds)


def computed(loaded: Loaded) -> float:
    """Tokens that the server has computed since it started; here, what the local engine counts."""
    if not isinstance(loaded.engine, VllmEngine):
        usage = loaded.engine.usage
        return float(usage.prefilled + usage.generated + usage.scored)
    lines = httpx.get(f"{loaded.engine.client.base_url}/metrics", timeout=60).text.splitlines()

    def total(name: str) -> float:
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}_total{{"))

    return total("prompt_tokens") - total("prompt_tokens_cached") + total("generation_tokens")


def solved(loaded: Loaded, policy: Policy, asked: Sequence[str], concurrency: int, seed: int) -> dict[str, float]:
    """``solve --file``, with its tokens by purpose."""
    stream, before, started = io.StringIO(), computed(loaded), time.monotonic()
    write_all(answered(Run(loaded, policy, seed), [Job(Asked(q)) for q in asked], concurrency), len(asked), stream)
    seconds = time.monotonic() - started
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [r["question"] for r in rows] == list(asked)
    purposes = {f"{p}_tokens": float(sum(r["tokens"][p] for r in rows)) for p in rows[0]["tokens"]}
    return _rate(int(purposes["answer_tokens"]), computed(loaded) - before, seconds) | purposes


def _rate(tokens: int, computed: float, seconds: float) -> dict[str, float]:
    return {"tokens": float(tokens), "computed": computed, "seconds": seconds}


def measure(
    loaded: Loaded, policy: Policy, asked: Sequence[str], concurrency: int, rounds: int, shipped: Policy | None
) -> dict[str, Any]:
    sides: dict[str, list[dict[str, float]]] = {"plain": [], "segments": [], "solve": []}
    if shipped is not None:
        sides["shipped"] = []
    resident = []
    for seed in range(1, rounds + 1):  # a new seed writes new answers, so nothing comes from a cache but the prompts
        sides["plain"].append(timed(loaded, policy, asked, plain, concurrency, seed))
        sides["segments"].append(timed(loaded, policy, asked, segments, concurrency, seed))
        sides["solve"].append(solved(loaded, policy, asked, concurrency, seed))
        if shipped is not None:
            sides["shipped"].append(solved(loaded, shipped, asked, concurrency, seed))
        resident.append(psutil.Process().memory_info().rss / 2**20)
    total = {k: {field: sum(r[field] for r in runs) for field in runs[0]} for k, runs in sides.items()}
    under_policy = {}
    if shipped is not None:  # some of its tokens are given up, and others are of fresh answers: time alone compares
        under_policy = {"shipped_time_of_plain": total.pop("shipped")["seconds"] / total["plain"]["seconds"]}
    rate = {k: t["tokens"] / t["seconds"] for k, t in total.items()}
    busy = {k: t["computed"] / t["seconds"] for k, t in total.items()}
    per_token = {k: t["seconds"] / t["tokens"] for k, t in total.items()}
    return under_policy | {
        "questions": len(asked),
        "concurrency": concurrency,
        "rounds": rounds,
        "tokens_per_second": rate,
        "computed_per_second": busy,
        "throughput_of_plain": rate["solve"] / rate["plain"],
        "computed_of_plain": busy["solve"] / busy["plain"],
        "cost_of_knowing_against_plain": per_token["solve"] / per_token["plain"],
        "cost_of_knowing_against_segments": per_token["solve"] / per_token["segments"],
        "tokens_by_purpose": {k: v for k, v in total["solve"].items() if k.endswith("_tokens")},
        "resident_mib_after_each_round": resident,
    }


def in_one_go(loaded: Loaded, asked: Sequence[str], samples: int, tokens: int) -> dict[str, float]:
    """The rate at which labels are drawn: ``samples`` of each question, all asked for together."""
    requests = [SampleRequest(loaded.engine.prompt_ids(q), n=samples, seed=i) for i, q in enumerate(asked)]
    started = time.monotonic()
    written = sum(len(s.token_ids) for r in loaded.engine.sample(requests, Sampling(max_tokens=tokens)) for s in r)
    seconds = time.monotonic() - started
    return {"rows": samples * len(asked), "tokens": written, "tokens_per_second": written / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000")
    parser.add_argument("--local", action="store_true", help="the local engine, one question at a time")
    parser.add_argument("--model", default=EMBEDDED, help="the server's name of the model")
    parser.add_argument("--position", default=ALWAYS_ON.position, help="where confidence is read")
    parser.add_argument("--budget", type=int, default=ALWAYS_ON.budget, help="most tokens of an answer")
    parser.add_argument("--machine", help="what the server runs on, where that is not this processor")
    parser.add_argument("--count", type=int, default=200, help="questions")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--alone", type=int, default=24, help="questions that are asked one at a time")
    parser.add_argument("--samples", type=int, default=0, help="of each of 8 questions, all in one go (0: not measured)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    each = -(-(args.count + args.alone) // len(KINDS))
    drawn = [q.text for together in zip(*(questions(k, "test", each, 31) for k in KINDS), strict=True) for q in together]
    asked, alone = drawn[: args.count], drawn[args.count :][: args.alone]
    concurrency = 1 if args.local else args.concurrency
    loaded = load() if args.local else load_served(ServerClient(args.base_url, concurrency=8 * concurrency), args.model)
    policy = ALWAYS_ON.model_copy(update={"position": args.position, "budget": args.budget})
    shipped = default_policy(loaded) if policy == ALWAYS_ON and args.model == EMBEDDED else None
    report = measure(loaded, policy, asked, concurrency, args.rounds, shipped)
    if alone:
        report["alone"] = measure(loaded, policy, alone, 1, args.rounds, shipped)
    if args.samples:
        report["in_one_go"] = [in_one_go(loaded, asked[:n], m, args.budget) for n, m in ((1, 1), (8, args.samples))]
    report |= {"engine": loaded.engine.name, "facts": loaded.facts}
    report["processor"] = args.machine or torch.backends.cpu.get_cpu_capability()
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
