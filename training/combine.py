"""Fit the shipped score's combination on its own split: adapter reading and free signals in, chance of success out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, QuantileRegressor

from estimator.calibration import (
    BOUND,
    STAGES,
    Combiner,
    Logistic,
    Mass,
    Terms,
    adapter_inputs,
    inputs_of,
    mass_inputs,
    stage_of,
    to_logit,
)
from estimator.engines.base import Engine, Sampling
from estimator.engines.local import LocalEngine
from estimator.levels import interval_around
from estimator.pieces import Pieces
from estimator.scorers.finece import Seen, see
from estimator.scorers.readout import OneToken, Readout
from estimator.signals import SIGNALS, STATES
from estimator.types import Answer
from training.labelling import DEFAULT_SAMPLING, Groups, Sampled, complete

PRECISE, FEWEST_PRECISE = 32, 50  # samples behind a share, and shares, from which on a mass is fitted
MASSES = (*np.linspace(0.02, 0.98, 49).tolist(), 0.99, 0.999)  # that an interval may take in
HELD = 0.8  # how often an interval is to hold the chance of success
MODIFIERS = ("adapter_logit", "mean_logprob", "num_segments", "log_tokens", "log_prompt_tokens")
KNOTS = (0.25, 0.5, 0.75)  # quantiles of an input at which what it says may bend
# Standard deviations between knots at least, and a term's spread at least: what differs by less differs between engines too.
GRAIN, LEAST_SPREAD = 0.1, 0.05
STRENGTH = 0.03  # inverse of the penalty on the weights; nearly the best from 40 answers to 3,000 (see LOG.md)
FEWEST = 30  # rows of a state below which nothing is fitted for it


class CombineError(ValueError):
    """A combination cannot be fitted on these questions; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading(Seen):
    """A prefix of a sampled answer as the estimator sees it, with its label: ``correct`` of ``k`` completions were right."""

    correct: int
    k: int


def read(engine: Engine, labelled: Sequence[tuple[Answer, int, int]], readout: Readout | None = None) -> list[Reading]:
    """Readings of (answer in progress, correct, k), with the soft readout unless another is given."""
    seen = see(engine, [a for a, _, _ in labelled], readout or OneToken(engine), Pieces(engine.decode))
    return [Reading(s.state, s.levels, s.signals, correct, k) for s, (_, correct, k) in zip(seen, labelled, strict=True)]


def check_mixed(groups: Groups) -> None:
    """CombineError where all answers are right, or all wrong: there is nothing to tell apart."""
    sampled = [s for group in groups for s in group]
    if len({s.correct for s in sampled}) < 2:
        outcome = "right" if sampled and sampled[0].correct else "wrong"
        raise CombineError(f"all {len(sampled)} sampled answers are {outcome}: combine on questions of mixed difficulty")


def labelled_prefixes(
    engine: LocalEngine,
    groups: Groups,
    *,
    oracle: int,
    oracle_k: int,
    seed: int,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> list[tuple[Answer, int, int]]:
    """(answer in progress, correct, k) of sampled answers: every prefix with its answer's outcome, and up to ``oracle`` of the
    open ones with counts over ``oracle_k`` fresh completions, drawn by ``sampling`` as the answers were."""
    sampled = [s for group in groups for s in group]
    rows = prefixes(sampled)
    going = [(s.question, s.answer.upto(i)) for s in sampled for i in range(len(s.answer.segments))]
    chosen = np.random.default_rng(seed).permutation(len(going))[:oracle]
    picked = [going[i] for i in chosen]
    for (_, answer), group in zip(picked, complete(engine, picked, oracle_k, seed + 7, sampling), strict=True):
        rows.append((answer, sum(s.correct for s in group), oracle_k))
    return rows


def prefixes(sampled: Sequence[Sampled]) -> list[tuple[Answer, int, int]]:
    """Every prefix of sampled answers with its answer's outcome."""
    return [(s.answer.upto(i), int(s.correct), 1) for s in sampled for i in range(len(s.answer.segments) + 1)]


def fit(readings: Sequence[Reading], *, base_hash: str, adapter_hash: str, data_hash: str, seed: int) -> Combiner:
    combined, alone = {}, {}
    for state in STATES:
        mine = [r for r in readings if r.state == state]
        if len(mine) < FEWEST:
            combined[state] = _reading_alone(state)
            continue
        combined[state] = _logistic(inputs_of(state), _both(mine), mine)
        if state != "question":
            alone[state] = _logistic(SIGNALS, np.array([r.signals for r in mine]), mine)
    fitted = Combiner(
        base_hash=base_hash,
        adapter_hash=adapter_hash,
        data_hash=data_hash,
        seed=seed,
        combined=combined,
        signals=alone,
        mass={},
    )
    return with_intervals(fitted, readings)


def with_intervals(fitted: Combiner, readings: Sequence[Reading]) -> Combiner:
    """The same combination with masses fitted on ``readings``: its confidences stay what they are."""
    valued: dict[str, list[tuple[Reading, float]]] = {stage: [] for stage in STAGES}
    for state in STATES:
        mine = [r for r in readings if r.state == state]
        values = fitted.combined[state](_both(mine)).tolist() if mine else []
        for row, value in zip(mine, values, strict=True):
            valued[stage_of(state, row.signals)].append((row, value))
    inside = _fit_mass(valued["first"] + valued["later"])
    of_state = {"first": inside, "later": inside}  # where there are too few of one of them alone
    mass = {stage: _fit_mass(rows) or of_state.get(stage) or Mass.constant(HELD) for stage, rows in valued.items()}
    return fitted.model_copy(update={"mass": mass})


def _both(rows: Sequence[Reading]) -> NDArray[np.float64]:
    return np.array([np.concatenate([adapter_inputs(r.levels), r.signals]) for r in rows])


def _reading_alone(state: str) -> Logistic:
    """The adapter's mean as it is: for a state that hardly occurs, as the middle of answers of one paragraph."""
    names = inputs_of(state)
    weights = [1.0] + [0.0] * (len(names) - 1)
    return Logistic(inputs=list(names), centre=[0.0] * len(names), scale=[1.0] * len(names), weights=weights, bias=0.0)


def _logistic(names: Sequence[str], x: NDArray[np.float64], rows: Sequence[Reading]) -> Logistic:
    """Each term is scaled to unit spread before the penalty falls on its weight. A Monte Carlo label counts as partly a success
    and partly a failure."""
    modifiers = [m for m in MODIFIERS if m in names]
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    z = np.clip((x - centre) / scale, -BOUND, BOUND)
    knots = [(np.unique(np.round(np.quantile(column, KNOTS) / GRAIN)) * GRAIN).tolist() for column in z.T]
    design = Terms(len(names), knots, [names.index(m) for m in modifiers])(z)
    middle, spread = design.mean(0), np.maximum(design.std(0), LEAST_SPREAD)
    share = np.array([r.correct / r.k for r in rows])
    target = np.concatenate([np.ones(len(x)), np.zeros(len(x))])
    weight = np.concatenate([share, 1 - share])
    both = np.concatenate([(design - middle) / spread] * 2)
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(both, target, sample_weight=weight)
    weights = model.coef_[0] / spread
    return Logistic(
        inputs=list(names),
        centre=centre.tolist(),
        scale=scale.tolist(),
        weights=weights.tolist(),
        bias=float(model.intercept_[0] - weights @ middle),
        knots=knots,
        modifiers=modifiers,
    )


def _fit_mass(rows: Sequence[tuple[Reading, float]]) -> Mass | None:
    """The mass with which intervals hold the Monte Carlo shares (of ``PRECISE`` samples or more, so that their own noise is
    small) in ``HELD`` of cases, whatever the confidence: the ``HELD`` quantile of the masses that just hold each share, by
    linear quantile regression of their logits (conformalised quantiles, Romano et al. 2019, without their correction for few
    rows). None where there are too few shares."""
    known = [(r, v) for r, v in rows if r.k >= PRECISE]
    if len(known) < FEWEST_PRECISE:
        return None
    needed = to_logit(np.array([_needed(r, v) for r, v in known]))
    inputs = np.array([mass_inputs(v, r.signals) for r, v in known])
    fitted = QuantileRegressor(quantile=HELD, alpha=0, fit_intercept=False).fit(inputs, needed)
    return Mass.model_validate({"weights": fitted.coef_.tolist()})


def _needed(row: Reading, value: float) -> float:
    """The least of ``MASSES`` whose interval holds the row's share (larger ones hold it too); the largest where none does."""
    share = row.correct / row.k

    def holds(mass: float) -> bool:
        low, high = interval_around(row.levels, value, mass)
        return low <= share <= high

    return MASSES[min(bisect_left(MASSES, True, key=holds), len(MASSES) - 1)]
