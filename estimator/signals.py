"""The free signals: what the log-probabilities of the tokens already generated say. They cost nothing. Entropies add nothing to
them (see LOG.md), and a server that gives the highest log-probabilities alone cannot tell them exactly.

Features are kept apart by state, because they mean different things: nothing is written yet (``question``), an answer is
under way (``partial``), or it is complete (``complete``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from estimator.types import Answer

STATES = ("question", "partial", "complete")
SIGNALS = (
    "mean_logprob",
    "mean_logprob_last",
    "min_logprob",
    "min_logprob_last",
    "second_min_logprob",
    "sum_logprob",
    "sum_logprob_last",
    "worst_segment_logprob",
    "num_segments",
    "log_tokens",
    "log_prompt_tokens",
)
# A single token of probability e**-8 is as bad as it gets; below, the size says nothing more.
FLOOR = -8.0


def state_of(answer: Answer) -> str:
    if not answer.segments:
        return "question"
    return "complete" if answer.finished else "partial"


def signals(answer: Answer) -> NDArray[np.float64]:
    """The values of ``SIGNALS`` (nats; single tokens floored at -8); empty for a question."""
    if not answer.segments:
        return np.zeros(0)
    by_segment = [np.maximum(np.asarray(s.logprobs), FLOOR) for s in answer.segments]
    logprobs, last = np.concatenate(by_segment), by_segment[-1]
    lowest = np.sort(logprobs)[:2]
    return np.array(
        [
            logprobs.mean(),
            last.mean(),
            lowest[0],
            last.min(),
            lowest[-1],
            max(logprobs.sum(), 4 * FLOOR),
            max(last.sum(), 2 * FLOOR),
            min(s.mean() for s in by_segment),
            len(by_segment),
            np.log(len(logprobs)),
            np.log(len(answer.prompt_ids)),
        ]
    )
