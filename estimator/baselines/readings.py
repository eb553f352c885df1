"""Token statistics of answers that were written earlier, read once for all the methods that use them.

An engine that keeps its twenty likeliest tokens while it writes has them for nothing; reading them again is the price of
scoring stored answers. No method is charged tokens for it, and the time of a shared reading is with the method that asks first.
"""

from __future__ import annotations

from collections.abc import Sequence

from estimator.engines.base import Engine, TokenStatistics, TokenStats, capable
from estimator.types import Answer, Tokens


class TokenReader:
    """Statistics by answer, remembered; an answer that begins a longer one is read off the longer one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._known: dict[tuple[Tokens, Tokens], TokenStats] = {}

    def read(self, answers: Sequence[Answer]) -> list[TokenStats]:
        """One record an answer, over all its written tokens. EngineError where the engine offers no statistics."""
        engine = capable(self.engine, TokenStatistics, "a method that reads token probabilities")
        texts = [(a.prompt_ids, a.token_ids[len(a.prompt_ids) :]) for a in answers]
        longest: list[tuple[Tokens, Tokens]] = []
        covering: dict[tuple[Tokens, Tokens], tuple[Tokens, Tokens]] = {}
        for prompt, tokens in sorted(set(texts) - self._known.keys(), reverse=True):
            if not longest or longest[-1][0] != prompt or longest[-1][1][: len(tokens)] != tokens:
                longest.append((prompt, tokens))
            covering[prompt, tokens] = longest[-1]
        self._known.update(zip(longest, engine.token_statistics(longest), strict=True))
        for text, whole in covering.items():
            self._known[text] = _begin(self._known[whole], len(text[1]))
        return [self._known[t] for t in texts]


def _begin(stats: TokenStats, n: int) -> TokenStats:
    return TokenStats(stats.logprobs[:n], stats.entropies[:n], stats.top[:n], stats.mean_top20[:n])
