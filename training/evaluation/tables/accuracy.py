"""Accuracy with and without each method (the paper's Table 4), and what a confidence is worth in choosing among answers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimator.answers import normalise
from estimator.engines.base import Engine, Sampling
from estimator.engines.local import LocalEngine
from estimator.loading import base_dir, local_engine
from estimator.opinions import Opinion, in_doubt, stated, weigh
from estimator.types import Question
from training.evaluation.evidence import Evidence
from training.evaluation.intervals import mean_figure
from training.evaluation.plan import OPINIONS
from training.evaluation.rows import Row, calibration, ranking, row
from training.labelling import Sampled, sample_answers

VOTES = 8


def rows(evidence: Evidence) -> list[Row]:
    """``accuracy_without`` is that of the plain model's answer of the same sort, greedy or sampled; ``identical`` the share
    of answers that are token for token the plain model's; ``seconds`` what an answer took, all at once in one batch. Where
    FineCE's confidence is given with the answer, so are its ECE and AUROC."""
    asked = list({q.text: q for test in evidence.splits.tests for q in test}.values())
    kinds = np.array([q.kind for q in asked])
    questions = np.unique([q.text for q in asked], return_inverse=True)[1]
    ways = evidence.store.keep("accuracy, decoded", lambda: _decoded(evidence, asked))
    ways = ways + evidence.store.keep("accuracy, chosen", lambda: _chosen(evidence, asked))
    out = []
    for kind in evidence.kinds:
        at = np.flatnonzero((kinds == kind) | (kind == "all"))
        for made in ways:
            figures = {name: np.array(made[name], float)[at] for name in ("right", "without", "identical", "tokens")}
            given = _given(made, figures["right"], at, questions, evidence.plan.draws)
            figure = mean_figure(figures["right"], questions[at], evidence.plan.draws)
            own = {"accuracy": figure.value, "accuracy_low": figure.low, "accuracy_high": figure.high}
            own |= {"accuracy_without": figures["without"].mean(), "identical": figures["identical"].mean()}
            cost = {"tokens": figures["tokens"].mean(), "seconds": made["seconds"]}
            out.append(row("accuracy", kind, made["sort"], made["method"], len(at), **cost, **own, **given))
    return out


def _given(
    made: dict[str, Any], right: NDArray[np.float64], at: NDArray[np.int64], questions: NDArray[np.int64], draws: int
) -> dict[str, float]:
    """How good the confidences are that the answers are given out with; nothing where the way gives none."""
    if "confidence" not in made:
        return {}
    values = np.array(made["confidence"], float)[at]
    return calibration(values, right, questions[at], draws) | ranking(values, right, questions[at], draws)


def _decoded(evidence: Evidence, asked: Sequence[Question]) -> list[dict[str, Any]]:
    """Greedy answers of the plain model, of the model with the estimator loaded, of the tuned weights, and of the model that
    was taught to state confidences; none of a model on a server, whose weights cannot be exchanged."""
    engine, greedy = evidence.engine, evidence.plan.sampling(0.0)
    if not isinstance(engine, LocalEngine):
        return []
    alone = local_engine(base_dir(engine.name), None, None, name=engine.name, threads=engine.threads)
    tuned = LocalEngine(engine.reader, engine.tokenizer, name=engine.name, threads=engine.threads)
    engines = {
        "plain model": alone,
        "estimator loaded (FineCE here)": engine,
        "the estimator's weights generate (nothing was mixed in for that)": tuned,
    }
    if evidence.stating is not None:
        engines["the copy that was taught to state numbers (Verb, Multi-Step)"] = evidence.stating
    made = {name: _answers(e, asked, 1, 0, greedy) for name, e in engines.items()}
    firsts = {name: ([g[0] for g in groups], seconds) for name, (groups, seconds) in made.items()}
    plain = firsts["plain model"][0]
    return [_outcome("greedy", name, answers, plain, seconds) for name, (answers, seconds) in firsts.items()]


def _chosen(evidence: Evidence, asked: Sequence[Question]) -> list[dict[str, Any]]:
    """One of a few sampled answers, chosen in several ways; the cost is the tokens of all of them."""
    groups, each = _answers(evidence.engine, asked, VOTES, evidence.plan.seeds[0] + 500, evidence.plan.sampling())
    flat, started = [s for group in groups for s in group], time.perf_counter()
    sure = np.array([c.value for c in evidence.scorer.score([s.answer for s in flat])]).reshape(len(groups), VOTES)
    scored = VOTES * each + (time.perf_counter() - started) / len(groups)
    likely = np.array([np.mean([p for g in s.answer.segments for p in g.logprobs]) for s in flat]).reshape(sure.shape)
    ways = {
        f"vote of {VOTES}": [_vote(g, np.ones(VOTES)) for g in groups],
        f"vote of {VOTES}, weighted by FineCE": [_vote(g, w) for g, w in zip(groups, sure, strict=True)],
        f"surest of {VOTES} by FineCE": [g[i] for g, i in zip(groups, sure.argmax(1), strict=True)],
        f"surest of {VOTES} by mean log-probability": [g[i] for g, i in zip(groups, likely.argmax(1), strict=True)],
    }
    first = [g[0] for g in groups]
    cost = [float(sum(_length(s) for s in g)) for g in groups]
    out = [_outcome("sampled", "plain model", first, first, each) | {"confidence": sure[:, 0].tolist()}]
    for name, picked in ways.items():
        seconds = scored if "FineCE" in name else VOTES * each
        out.append(_outcome("sampled", name, picked, first, seconds) | {"tokens": cost})
    for count in (k for k in OPINIONS if k in evidence.scorer.opinions):
        name = f"surest of 1 and {count} by FineCE, the {count} only where the 1 is in doubt"
        heard = [_surest(evidence, g[: count + 1], sure[i, : count + 1].tolist()) for i, g in enumerate(groups)]
        used = [float(sum(map(_length, among))) for _, _, among in heard]
        share = sum(len(among) for _, _, among in heard) / len(groups) / VOTES
        made = _outcome("sampled", name, [kept for kept, _, _ in heard], first, share * scored)
        out.append(made | {"tokens": used, "confidence": [value for _, value, _ in heard]})
    return out


def _surest(evidence: Evidence, group: Sequence[Sampled], sure: Sequence[float]) -> tuple[Sampled, float, Sequence[Sampled]]:
    """The first answer, or where it is in doubt the surest of all, held against each other; its confidence; and those that
    were needed."""
    said = [stated(s.answer, s.text) for s in group]
    if said[0] is None or not in_doubt(sure[0]):
        return group[0], sure[0], group[:1]
    heard = zip(said, sure, group, strict=True)
    weighed = weigh([Opinion.of(w, c, ended=s.answer.finished) for w, c, s in heard], evidence.scorer.opinions)
    best = weighed.index(max(weighed))
    return group[best], weighed[best], group


def _vote(group: Sequence[Sampled], weights: NDArray[np.float64]) -> Sampled:
    """The first of the answers that together weigh most; an answer that was cut off or states nothing has no vote."""
    votes: dict[str, float] = defaultdict(float)
    said = [stated(s.answer, s.text) for s in group]
    ballots = [None if answer is None else normalise(answer, s.question.grader) for s, answer in zip(group, said, strict=True)]
    for ballot, weight in zip(ballots, weights, strict=True):
        if ballot is not None:
            votes[ballot] += float(weight)
    return group[ballots.index(max(votes, key=lambda a: votes[a]))] if votes else group[0]


def _answers(
    engine: Engine, asked: Sequence[Question], count: int, seed: int, sampling: Sampling
) -> tuple[list[list[Sampled]], float]:
    """``count`` answers to each question, and the seconds that one of them took."""
    started = time.perf_counter()
    groups = sample_answers(engine, asked, count, seed, sampling)
    return groups, (time.perf_counter() - started) / (count * len(asked))


def _outcome(sort: str, method: str, made: Sequence[Sampled], without: Sequence[Sampled], seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "sort": sort,
        "method": method,
        "right": [s.correct for s in made],
        "without": [s.correct for s in without],
        "identical": [a.answer.token_ids == b.answer.token_ids for a, b in zip(made, without, strict=True)],
        "tokens": [float(_length(s)) for s in made],
    }


def _length(sampled: Sampled) -> int:
    return len(sampled.answer.token_ids) - len(sampled.answer.prompt_ids)
