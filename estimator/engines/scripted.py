"""The scripted engine: a real backend without a model, for tests, demonstrations and dry runs.

One token a character and one end token, so text and ids convert without loss. What it writes, how sure its adapter is
and when it breaks are all given beforehand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from estimator.engines.base import ContextTooLong, EngineError, SampleRequest, Sampling, Usage
from estimator.positions import BreakTable, places
from estimator.prompts import PLAIN_TEMPLATE
from estimator.types import PARAGRAPH_BREAK, Segment, StopReason, Tokens

END_ID = 0x110000  # one past the last character
TENTHS = tuple(i / 10 for i in range(11))
UNSAID = 0.5

Script = Mapping[str, Sequence[Sequence[str]]]
Reading = Callable[[str], float]


class ScriptedEngine:
    """See ``estimator.engines.base.Engine``.

    ``script`` maps a question to its complete answers, each a list of paragraphs. Sample i of a prefix follows answer
    number ``first_index + i`` (modulo) of those that begin with what is written; seed and temperature do not matter.
    ``confidence`` says how sure the adapter is of a text (prompt and answer): a function, or text fragments with their
    values, of which the one that the text mentions last counts (none: 0.5). It is told as a mix of the two neighbouring
    ``level_values``. ``logprob`` and ``entropy`` (nats) are constants or functions of the text up to and with the
    token. ``failures`` maps the number of a call (``sample``, ``annotate`` and ``levels`` count together, from 1) to
    what it raises.
    """

    end_id = END_ID

    def __init__(
        self,
        script: Script,
        confidence: Reading | Mapping[str, float] | None = None,
        *,
        name: str = "scripted",
        logprob: float | Reading = -0.1,
        entropy: float | Reading = 0.5,
        level_values: Sequence[float] = TENTHS,
        failures: Mapping[int, BaseException] | None = None,
        max_context: int = 1 << 20,
    ) -> None:
        self.name = name
        self.answers = {
            self.prompt_ids(question): [(*self.text_ids(PARAGRAPH_BREAK.join(a)), END_ID) for a in answers]
            for question, answers in script.items()
        }
        self.confidence = confidence if callable(confidence) else last_mentioned(confidence or {})
        self.logprob, self.entropy = _reading(logprob), _reading(entropy)
        self.level_values, self.failures, self.max_context = tuple(level_values), dict(failures or {}), max_context
        self.calls = 0
        self._usage, self._lock = Usage(), threading.Lock()

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def table(self) -> BreakTable:
        return _table()

    def prompt_ids(self, question: str) -> Tokens:
        return self.text_ids(PLAIN_TEMPLATE.format(question=question))

    def text_ids(self, text: str) -> Tokens:
        return tuple(map(ord, text))

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(chr(i) for i in token_ids if i != END_ID)

    def sample(self, requests: Sequence[SampleRequest], sampling: Sampling) -> list[list[Segment]]:
        self._begin([r.prefix for r in requests], room=1)
        results = [[self._segment(r.prefix, r.first_index + i, sampling) for i in range(r.n)] for r in requests]
        self._count(
            prefilled=sum(len(r.prefix) for r in requests),
            generated=sum(len(s.token_ids) for segments in results for s in segments),
        )
        return results

    def annotate(self, prefix: Tokens, continuation: Tokens) -> tuple[tuple[float, ...], tuple[float, ...]]:
        self._begin([(*prefix, *continuation)])
        self._count(prefilled=len(prefix) + len(continuation))
        texts = [self.decode((*prefix, *continuation[: i + 1])) for i in range(len(continuation))]
        return tuple(map(self.logprob, texts)), tuple(map(self.entropy, texts))

    def levels(self, prefixes: Sequence[Tokens]) -> list[tuple[float, ...]]:
        self._begin(prefixes)
        self._count(scored=sum(map(len, prefixes)))
        return [_mixed(self.confidence(self.decode(p)), self.level_values) for p in prefixes]

    def _segment(self, prefix: Tokens, index: int, sampling: Sampling) -> Segment:
        rest = self._rest(prefix, index)
        ids: list[int] = []
        entropies: list[float] = []
        logprobs: list[float] = []
        text, stop = self.decode(prefix), None
        while stop is None:
            ids.append(rest[len(ids)])
            text += self.decode(ids[-1:])
            logprobs.append(self.logprob(text))
            entropies.append(self.entropy(text))
            stop = _stop(ids, entropies, sampling)
        return Segment(tuple(ids), tuple(logprobs), tuple(entropies), stop)

    def _rest(self, prefix: Tokens, index: int) -> Tokens:
        """What the chosen answer has left after ``prefix``, the end token included."""
        prompts = [p for p in self.answers if prefix[: len(p)] == p]
        if not prompts:
            raise EngineError(f"{self.name}: the script has no answer to this question")
        prompt = max(prompts, key=len)
        written = prefix[len(prompt) :]
        fitting = [a for a in self.answers[prompt] if len(a) > len(written) and a[: len(written)] == written]
        if not fitting:
            raise EngineError(f"{self.name}: no scripted answer goes on from {self.decode(written)[-40:]!r}")
        return fitting[index % len(fitting)][len(written) :]

    def _begin(self, prefixes: Sequence[Tokens], room: int = 0) -> None:
        with self._lock:
            self.calls += 1
            failure = self.failures.get(self.calls)
        if failure is not None:
            raise failure
        longest = max(map(len, prefixes), default=0)
        if longest + room > self.max_context:
            raise ContextTooLong(
                f"{longest} tokens do not fit {self.name}'s context of {self.max_context}: shorten the question"
            )

    def _count(self, **tokens: int) -> None:
        with self._lock:
            self._usage = replace(self._usage, **{k: getattr(self._usage, k) + n for k, n in tokens.items()})


def last_mentioned(values: Mapping[str, float]) -> Reading:
    """The value of the fragment that a text mentions last (of two that end together, the longer one)."""

    def read(text: str) -> float:
        found = [(text.rfind(f) + len(f), len(f), v) for f, v in values.items() if f in text]
        return max(found)[2] if found else UNSAID

    return read


@cache
def _table() -> BreakTable:
    """One character can never hold a blank line; two newlines after each other are one."""
    newline = ord("\n")
    is_newline = (*[False] * newline, True, *[False] * (END_ID - newline))
    return BreakTable(breaks=(False,) * (END_ID + 1), opens=is_newline, closes=is_newline)


def _reading(given: float | Reading) -> Reading:
    return given if callable(given) else lambda _: given


def _mixed(value: float, levels: Sequence[float]) -> tuple[float, ...]:
    """The distribution over ascending ``levels`` that has the mean ``value`` and touches only its two neighbours."""
    value = min(max(value, levels[0]), levels[-1])
    above = next(i for i, level in enumerate(levels) if value <= level)
    below = max(above - 1, 0)
    share = 1.0 if above == below else (value - levels[below]) / (levels[above] - levels[below])
    return tuple(share if i == above else 1.0 - share if i == below else 0.0 for i in range(len(levels)))


def _stop(ids: Sequence[int], entropies: Sequence[float], sampling: Sampling) -> StopReason | None:
    if ids[-1] == END_ID:
        return StopReason.END
    if sampling.position is not None and any(places(sampling.position, _table(), ids, entropies)):
        return StopReason.POSITION
    return StopReason.LENGTH if len(ids) >= sampling.max_tokens else None
