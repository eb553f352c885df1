"""What each method says of every case, raw and recalibrated, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from estimator.baselines.base import Baseline, Case
from estimator.calibration import Platt
from training.evaluation.cases import Cases, Spot
from training.evaluation.clock import ClockedPool
from training.evaluation.store import Store

Array = NDArray[np.float64]
COLUMNS = ("values", "tokens", "seconds", "sampled")


@dataclass(frozen=True)
class Measured:
    """A method's numbers for a set of cases, in their order, nan where it is not defined: ``raw`` as it gives them, ``platt``
    recalibrated on the common split (one Platt a state, all kinds together), ``platt_kind`` one for each kind too;
    ``tokens`` and ``seconds`` of each case, beyond writing the answer. ``samples`` says whether it drew fresh samples."""

    name: str
    source: str
    is_probability: bool
    samples: bool
    raw: Array
    platt: Array
    platt_kind: Array
    tokens: Array
    seconds: Array

    @property
    def probability(self) -> Array:
        """Its value as a chance of success: raw where it is meant as one, recalibrated otherwise."""
        return self.raw if self.is_probability else self.platt


def measure(
    method: Baseline,
    pool: ClockedPool,
    store: Store,
    learn: Sequence[Case],
    platt: Cases | None,
    test: Cases,
    name: str = "test",
    platt_name: str = "recalibration",
) -> Measured:
    """Fit a method and score every case that it is defined for; without ``platt`` nothing is recalibrated. ``name`` and
    ``platt_name`` tell these cases from others of the same run."""
    started = time.monotonic()
    ready = _Fitted(method, pool, learn)
    values, tokens, seconds, sampled = _score(ready, store, name, test)
    pooled = by_kind = np.full(len(values), np.nan)
    if platt is not None:
        held_out = _score(ready, store, platt_name, platt)[0]
        fit = partial(recalibrate, held_out, platt, values, test, logit=method.is_probability)
        pooled, by_kind = fit(group=lambda s: s.state), fit(group=lambda s: (s.state, s.case.question.kind))
    store.say(f"{method.name}, {name}: {time.monotonic() - started:.0f} s")
    samples = bool(np.nanmax(sampled, initial=0.0))
    return Measured(method.name, method.source, method.is_probability, samples, values, pooled, by_kind, tokens, seconds)


def recalibrate(
    fit_values: Array, fit_cases: Cases, values: Array, cases: Cases, *, logit: bool, group: Callable[[Spot], Hashable]
) -> Array:
    """``values`` through a Platt fitted on each group of ``fit_cases`` of its own, nan where a group of these is empty."""
    out = np.full(len(values), np.nan)
    fit_groups, groups = [group(s) for s in fit_cases.spots], [group(s) for s in cases.spots]
    for one in dict.fromkeys(groups):
        fit_at = np.array([g == one for g in fit_groups], bool) & np.isfinite(fit_values)
        at = np.array([g == one for g in groups], bool) & np.isfinite(values)
        if fit_at.any() and at.any():
            out[at] = Platt.fit(fit_values[fit_at], fit_cases.correct[fit_at], logit=logit)(values[at])
    return out


class _Fitted:
    """A method that learns when first asked: not at all where every score of it is known from an earlier run."""

    def __init__(self, method: Baseline, pool: ClockedPool, learn: Sequence[Case]) -> None:
        self.method, self.pool, self.learn, self.done = method, pool, learn, False

    def score(self, cases: Sequence[Case]) -> dict[str, list[float]]:
        """Samples are charged at the pool's rate for the tokens that the method used, whoever drew them."""
        if not self.done:
            self.method.fit(self.learn)
            self.done = True
        asked, drawing, started = self.pool.asked, self.pool.seconds, time.perf_counter()
        scores = self.method.score(cases)
        own = (time.perf_counter() - started - (self.pool.seconds - drawing)) / len(cases)
        sampled = self.pool.asked > asked
        drawn = scores.tokens if scores.drawn is None else scores.drawn
        seconds = own + scores.seconds + drawn * self.pool.seconds_a_token * sampled
        columns = (scores.values, scores.tokens, seconds, np.full(len(cases), float(sampled)))
        return {name: column.tolist() for name, column in zip(COLUMNS, columns, strict=True)}


def _score(ready: _Fitted, store: Store, name: str, cases: Cases) -> Array:
    """``COLUMNS`` of all cases; each seed's and state's cases are a stage."""
    out = np.full((len(COLUMNS), len(cases.spots)), np.nan)
    groups: dict[tuple[int, str], list[int]] = {}
    for i, spot in enumerate(cases.spots):
        if spot.state in ready.method.states:
            groups.setdefault((spot.seed, spot.state), []).append(i)
    for (seed, state), at in groups.items():
        stage = f"{ready.method.name}, {name}, seed {seed}, {state}"
        got = store.keep(stage, partial(ready.score, [cases.spots[i].case for i in at]), tell=False)
        out[:, at] = [got[name] for name in COLUMNS]
    return out
