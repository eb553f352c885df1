"""What a completions server says about the tokens it wrote, read strictly: ids are the truth, and no number is made up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from estimator.engines.replies import BadReply
from estimator.positions import BreakTable, Position, places
from estimator.types import Segment, StopReason, Tokens

CLAMPED = -9999.0  # what vLLM writes for minus infinity
ROUNDING = 1e-3  # log-probabilities may exceed 0 by this much


@dataclass(frozen=True, slots=True)
class Written:
    """Tokens of one choice with their log-probabilities and (truncated) entropies in nats, and why the server stopped:
    ``finish`` is None while it has not."""

    token_ids: Tokens = ()
    logprobs: tuple[float, ...] = ()
    entropies: tuple[float, ...] = ()
    finish: str | None = None

    def then(self, more: Written) -> Written:
        return Written(
            self.token_ids + more.token_ids, self.logprobs + more.logprobs, self.entropies + more.entropies, more.finish
        )

    def behind(self, count: int) -> Written:
        """What follows the first ``count`` tokens."""
        return Written(self.token_ids[count:], self.logprobs[count:], self.entropies[count:], self.finish)

    def upto(self, count: int) -> Written:
        """The first ``count`` tokens, behind which it goes on."""
        return Written(self.token_ids[:count], self.logprobs[:count], self.entropies[:count])


def read_choice(choice: Mapping[str, Any], top: int, vocabulary: int) -> Written:
    """A choice, or a piece of one from a stream, that was asked for with ``top`` log-probabilities a token (0: the drawn
    one's alone, and no entropies come of it). ``BadReply`` where ids or log-probabilities are missing or no numbers."""
    ids = choice.get("token_ids")
    if not isinstance(ids, list) or not all(isinstance(i, int) for i in ids):
        raise BadReply("the server's reply has no token ids: it has to honour return_token_ids")
    if not ids:
        return Written(finish=choice.get("finish_reason"))
    told = choice.get("logprobs") or {}
    chosen, tops = told.get("token_logprobs") or [], told.get("top_logprobs") or []
    if len(chosen) != len(ids) or (top and len(tops) != len(ids)):
        raise BadReply("the server's reply has no log-probability for each of its tokens")
    logprobs = tuple(map(checked_logprob, chosen))
    entropies = tuple(entropy(_top_of(t, top, vocabulary), top, vocabulary) for t in tops) if top else ()
    return Written(tuple(ids), logprobs, entropies, choice.get("finish_reason"))


def _top_of(told: Any, top: int, vocabulary: int) -> list[float]:
    """The highest log-probabilities of one token. ``BadReply`` where there are fewer than were asked for: one of vLLM's two
    model runners gives them up for a whole batch when a request in it names ``logprob_token_ids``."""
    values = list(by_token(told or {}).values())
    if len(values) < min(top, vocabulary):
        raise BadReply(f"the server gave {len(values)} log-probabilities for a token and was asked for {top}")
    return list(map(checked_logprob, values))


def choices_of(reply: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The results of a reply in order; ``BadReply`` where they are not as many as were asked for."""
    choices = reply.get("choices")
    if not isinstance(choices, list) or sorted(c.get("index", -1) for c in choices) != list(range(count)):
        raise BadReply(f"the server's reply does not hold the {count} results asked for")
    return sorted(choices, key=lambda c: c["index"])


def check_prompt(choice: Mapping[str, Any], prefix: Tokens) -> None:
    """``BadReply`` where the server did not read what it was sent."""
    if choice.get("prompt_token_ids") != list(prefix):
        raise BadReply("the server read another prompt than was sent: it has to take token ids and return_token_ids")


def check_end(written: Written) -> None:
    """``BadReply`` where the server stopped for another reason than an end of the text, or with nothing written."""
    if written.finish is not None and (written.finish not in ("stop", "length") or not written.token_ids):
        raise BadReply(f"the server stopped without an answer ({written.finish})")


def computed(reply: Mapping[str, Any]) -> int:
    """Prompt tokens that were not taken from the server's prefix cache (all, where it does not say)."""
    usage = reply.get("usage") or {}
    return int(usage.get("prompt_tokens", 0)) - int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)


def normalised(logprobs: Sequence[float]) -> tuple[float, ...]:
    """The distribution over what the log-probabilities are of alone (sums to 1)."""
    highest = max(logprobs)
    weights = [math.exp(v - highest) for v in logprobs]
    return tuple(w / sum(weights) for w in weights)


def read_logprobs(choice: Mapping[str, Any], token_ids: Sequence[int]) -> tuple[float, ...]:
    """Exact log-probabilities of the tokens that a request named. ``BadReply`` where one is missing."""
    tops = (choice.get("logprobs") or {}).get("top_logprobs") or [{}]
    told = by_token(tops[0] or {})
    if missing := [i for i in token_ids if i not in told]:
        raise BadReply(f"the server's reply has no log-probability of token {missing[0]}: it has to honour logprob_token_ids")
    return tuple(checked_logprob(told[i]) for i in token_ids)


def by_token(top: Mapping[str, Any]) -> dict[int, Any]:
    """``top_logprobs`` by token id. Keyed by text, tokens that read alike would be one: that is refused."""
    if not all(key.startswith("token_id:") for key in top):
        raise BadReply("the server's log-probabilities are keyed by text: it has to honour return_tokens_as_token_ids")
    return {int(key.removeprefix("token_id:")): value for key, value in top.items()}


def checked_logprob(value: Any) -> float:
    """A log-probability as a number; ``BadReply`` for anything else. A failed reading is never a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not CLAMPED < value <= ROUNDING:
        raise BadReply(f"the server gave {value!r} for a log-probability: the model's output is not finite")
    return min(float(value), 0.0)


def entropy(logprobs: Sequence[float], top: int, vocabulary: int) -> float:
    """Entropy (nats) of a distribution of which only the ``top`` highest log-probabilities are known, and perhaps that of a
    drawn token below them.

    What they leave over is spread somehow over the rest of the vocabulary. Its share of the entropy is least where the
    rest is as likely as the lowest of the ``top``, and greatest where it is spread evenly: the mean of the two is taken.
    With the whole vocabulary given this is exact.
    """
    known = -sum(math.exp(v) * v for v in logprobs)
    rest, others = 1.0 - sum(math.exp(v) for v in logprobs), vocabulary - len(logprobs)
    if rest <= 1e-9 or others <= 0:
        return known
    lowest = sorted(logprobs, reverse=True)[:top][-1]
    return known + rest * (-lowest - math.log(rest / others)) / 2


def as_segment(
    written: Written,
    position: Position | None,
    table: BreakTable,
    end_ids: frozenset[int],
    max_tokens: int | None = None,
) -> Segment | None:
    """What was written up to where the segment ends: the end token, the position, ``max_tokens``, or wherever the server
    stopped; None while it goes on."""
    total = len(written.token_ids)
    before = next((i for i, token in enumerate(written.token_ids) if token in end_ids), total)  # the end token
    found = [] if before == total else [(before + 1, StopReason.END)]
    if position is not None:
        found += [
            (n, StopReason.POSITION) for n in places(position, table, written.token_ids[:before], written.entropies[:before])
        ]
    if max_tokens is not None and max_tokens <= total:
        found.append((max_tokens, StopReason.LENGTH))
    if found:
        return _upto(written, *min(found, key=lambda f: f[0]))  # of those at one token the first
    check_end(written)
    if written.finish is None:
        return None
    # "stop" without an end token is the blank line that the server was told to stop at, as its own text shows it, or an end
    # token that only the server knows.
    return _upto(written, len(written.token_ids), StopReason.LENGTH if written.finish == "length" else StopReason.POSITION)


def _upto(written: Written, count: int, stop: StopReason) -> Segment:
    return Segment(written.token_ids[:count], written.logprobs[:count], written.entropies[:count], stop)
