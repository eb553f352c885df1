"""Which acceptance threshold keeps the error of the given answers below a limit: fixed-sequence testing. Pure.

For a threshold t with n answers accepted and e of them wrong, ``p_t = P(Bin(n, max_error) <= e)`` is a p-value of "the
policy with accept = t is wrong more often than max_error among the answers it gives out". The thresholds are tested from
strictest to loosest, in an order that is fixed in advance, and testing stops at the first ``p_t > risk``. To choose a
threshold that is too loose, the first such one tested must have passed, which happens with probability ``risk`` at most:
no correction for the number of tests is needed (fixed-sequence testing, as in Learn then Test, Angelopoulos et al. 2021).

Where the sequence starts. At the strict end so few answers may be accepted that not even a faultless record could pass
(n < log(risk) / log(1 - max_error)); stopping there would say nothing about the answers. The start is therefore the
strictest threshold that accepts enough, and this choice looks at the *number* accepted only, never at what was right or
wrong: given the counts, the outcomes are still fresh. Given n_t alone, e_t is exactly Bin(n_t, error_t), so a start at or
before the first threshold that is too loose costs nothing. If the start falls behind it, one also knows that stricter
thresholds accepted few; as long as the surer answers are wrong no more often than the less sure ones, this can only mean
more errors in e_t than Bin(n_t, error_t) has, hence a larger p_t: the level holds. That premise is part of the
certificate. It would not do to skip a threshold because of its errors: that is choosing by the outcome.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.binomial import binomial_cdf, fewest_to_pass, upper_limit
from controller.errors import UsageError
from estimator.answers import is_right
from estimator.types import Question
from graphs.thresholds import Ending

METHOD = "fixed-sequence exact binomial"
STEPS = 100  # thresholds are whole hundredths
STRICTEST = (STEPS - 1) / STEPS
GROWTH = 1.02
MOST_ACCEPTED = 100_000


@dataclass(frozen=True, slots=True)
class Count:
    """At one threshold: how many questions were answered, and how many of those answers are wrong."""

    threshold: float
    accepted: int
    wrong: int

    @property
    def error(self) -> float | None:
        """The share that is wrong, in [0, 1]; None where nothing was answered."""
        return self.wrong / self.accepted if self.accepted else None


@dataclass(frozen=True, slots=True)
class Tested:
    """A threshold that was tested, with its p-value."""

    count: Count
    p: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the test saw: ``counts`` of the whole grid on ``n`` questions, and what was ``tested``, in order."""

    n: int
    max_error: float
    risk: float
    counts: tuple[Count, ...]
    tested: tuple[Tested, ...]

    @property
    def chosen(self) -> Count | None:
        """The loosest threshold that passed (all before it passed too); None where none did."""
        passed = [t for t in self.tested if t.p <= self.risk]
        return passed[-1].count if passed else None

    @property
    def closest(self) -> Count:
        """The chosen one; else the one that failed; else, where too little was accepted everywhere, the loosest."""
        return self.chosen or (self.tested[-1].count if self.tested else self.counts[-1])

    @property
    def coverage(self) -> float:
        """The share of the questions that is answered, in [0, 1]."""
        return self.closest.accepted / self.n

    @property
    def bound(self) -> float:
        """Exact upper limit of the error at confidence 1 - risk, in [0, 1]."""
        return self.bound_of(self.closest)

    @property
    def p_value(self) -> float:
        return p_value(self.closest, self.max_error)

    def bound_of(self, count: Count) -> float:
        return upper_limit(count.wrong, count.accepted, self.risk)


def grid(lowest: float, highest: float = 1.0) -> tuple[float, ...]:
    """The thresholds in the order of testing: 0.99, 0.98, ... while not below ``lowest``, the highest of a policy's other
    thresholds (``Policy.lowest_accept``), but for those above ``highest``, the strictest that the runs can tell of. The same
    whatever the data."""
    return tuple(i / STEPS for i in range(STEPS - 1, -1, -1) if lowest <= i / STEPS <= highest)


def check_chances(n: int, lowest: float, max_error: float, risk: float, highest: float = 1.0) -> None:
    """Raises ``UsageError`` where no outcome whatever could qualify: known before anything is run."""
    if not grid(lowest, highest):
        above = "" if highest >= 1 else f", nor above {highest}, with which the runs were recorded"
        raise UsageError(
            f"no threshold to test: accept cannot be below the policy's other thresholds, and one is {lowest}{above}"
        )
    fewest = fewest_to_pass(max_error, risk)
    if n < fewest:
        raise UsageError(
            f"{n} questions can never show an error of at most {max_error:g} at risk {risk:g}: "
            f"even without a wrong answer it takes {fewest}"
        )


def count_all(thresholds: Sequence[float], given: Sequence[Mapping[float, bool | None]]) -> tuple[Count, ...]:
    """The counts at each threshold. ``given`` holds for each question whether the answer given out there is right, None where
    none is."""
    columns = [[g[t] for g in given] for t in thresholds]
    return tuple(Count(t, len(c) - c.count(None), c.count(False)) for t, c in zip(thresholds, columns, strict=True))


def fixed_sequence(counts: Sequence[Count], n: int, max_error: float, risk: float) -> Tuning:
    """Test the counts in their order (strictest first); see the module's text for why the guarantee holds."""
    fewest = fewest_to_pass(max_error, risk)
    start = next((i for i, c in enumerate(counts) if c.accepted >= fewest), len(counts))
    tested: list[Tested] = []
    for count in counts[start:]:
        tested.append(Tested(count, p_value(count, max_error)))
        if tested[-1].p > risk:
            break
    return Tuning(n, max_error, risk, tuple(counts), tuple(tested))


def p_value(count: Count, max_error: float) -> float:
    """The chance of so few errors if the true error were ``max_error``."""
    return binomial_cdf(count.wrong, count.accepted, max_error)


def more_right_needed(tuning: Tuning) -> int:
    """How many more accepted answers, all right, the closest threshold would need to pass."""
    count = tuning.closest

    def passes(more: int) -> bool:
        return binomial_cdf(count.wrong, count.accepted + more, tuning.max_error) <= tuning.risk

    enough = 1
    while not passes(enough):  # there may be millions to go, and each look sums over all that are wrong
        enough *= 2
    return bisect_left(range(enough), True, key=passes)


def questions_needed(tuning: Tuning) -> int | None:
    """About how many questions it would take in all if coverage and error at the closest threshold stayed as they are;
    None where no number would do (the error is too high, or nothing is accepted) or only an absurd one."""
    count = tuning.closest
    if count.error is None or count.error >= tuning.max_error:
        return None
    accepted = max(count.accepted, fewest_to_pass(tuning.max_error, tuning.risk))
    while accepted <= MOST_ACCEPTED:
        if binomial_cdf(math.ceil(count.error * accepted), accepted, tuning.max_error) <= tuning.risk:
            return math.ceil(accepted / tuning.coverage)
        accepted = math.ceil(accepted * GROWTH)
    return None


def graded(question: Question, endings: Mapping[float, Ending]) -> dict[float, bool | None]:
    """Whether the answer is right that a run gives out at each threshold, None where it gives out none."""
    return {t: is_right(question, str(e.answer)) if e.answered else None for t, e in endings.items()}
