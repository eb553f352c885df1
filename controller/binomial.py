"""Exact binomial probabilities in plain Python: scipy is no dependency of a run."""

from __future__ import annotations

import math

_HALVINGS = 60  # of the interval [0, 1]: past the precision of a float


def binomial_cdf(most: int, n: int, chance: float) -> float:
    """P(Bin(n, chance) <= most), summed term by term (relative error around 1e-12 for n up to 10,000)."""
    if most >= n:
        return 1.0
    if most < 0:
        return 0.0
    if not 0 < chance < 1:
        return 0.0 if chance >= 1 else 1.0
    hit, miss = math.log(chance), math.log1p(-chance)
    whole = math.lgamma(n + 1)
    logs = (whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * hit + (n - k) * miss for k in range(most + 1))
    return min(1.0, math.fsum(map(math.exp, logs)))


def upper_limit(wrong: int, n: int, risk: float) -> float:
    """The one-sided Clopper-Pearson limit: the largest error rate in [0, 1] that ``wrong`` of ``n`` leave possible at
    confidence 1 - risk, that is the rate at which so few would have a chance of only ``risk``. 1.0 for n = 0."""
    low, high = 0.0, 1.0
    if wrong >= n:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_cdf(wrong, n, middle) > risk else (low, middle)
    return high


def fewest_to_pass(max_error: float, risk: float) -> int:
    """The smallest n with which not a single error passes the test: ceil(log(risk) / log(1 - max_error))."""
    n = max(1, math.ceil(math.log(risk) / math.log1p(-max_error)) - 1)
    while binomial_cdf(0, n, max_error) > risk:  # the test's own arithmetic decides where the logarithms round
        n += 1
    return n
