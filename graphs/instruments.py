"""What the nodes work with: engine and scorer, under one policy and seed, with a clock on everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from estimator import bci
from estimator.engines.base import Begun, Engine, SampleRequest, Sampling, WritesAhead
from estimator.positions import parse_position
from estimator.scorers.base import Scorer
from estimator.types import Answer, Confidence, Segment
from graphs.policy import Policy

SEGMENT_TOKENS = 256  # one segment at most; an answer whose segment stops for it simply goes on with another


class MeteredScorer:
    """A scorer with ``seconds`` and ``scored_tokens`` since it was made. Made anew for each node, so that runs in
    parallel do not count each other's time (tokens are counted by the engine and do mix there)."""

    def __init__(self, scorer: Scorer, engine: Engine, clock: Callable[[], float]) -> None:
        self.scorer, self.engine, self.clock = scorer, engine, clock
        self.seconds, self.scored_tokens = 0.0, 0

    @property
    def name(self) -> str:
        return self.scorer.name

    def score(self, answers: Sequence[Answer]) -> list[Confidence]:
        started, scored_before = self.clock(), self.engine.usage.scored
        confidences = self.scorer.score(answers)
        self.seconds += self.clock() - started
        self.scored_tokens += self.engine.usage.scored - scored_before
        return confidences


@dataclass(frozen=True, slots=True)
class Instruments:
    """The live objects of a run. ``clock`` gives seconds; ``room`` is always what budget and context leave, in tokens;
    ``begun`` are the segments that are being written while what comes before them is scored."""

    engine: Engine
    scorer: Scorer
    policy: Policy
    seed: int
    clock: Callable[[], float]
    begun: dict[tuple[SampleRequest, Sampling], Begun] = field(default_factory=dict)

    def meter(self) -> MeteredScorer:
        return MeteredScorer(self.scorer, self.engine, self.clock)

    def context_room(self, answer: Answer) -> int:
        """Tokens that the model's context leaves behind ``answer``. One is kept back: an engine may have to write a token to
        read the estimator behind the last one."""
        return self.engine.max_context - len(answer.token_ids) - 1

    def sample(self, answer: Answer, room: int, first_index: int) -> tuple[Segment, float]:
        """One new segment behind ``answer``, and the seconds it took."""
        started = self.clock()
        request, sampling = SampleRequest(answer.token_ids, seed=self.seed, first_index=first_index), self._sampling(room)
        begun = self.begun.pop((request, sampling), None)
        segment = self.engine.sample([request], sampling)[0][0] if begun is None else begun.result()
        return segment, self.clock() - started

    @contextmanager
    def writing_on(self, answer: Answer, room: int) -> Iterator[None]:
        """While ``answer`` is scored, an engine that can already writes what ``sample`` will ask for if the decision is to go
        on: the same segment, for the seed is the same. It is dropped if scoring fails."""
        begun = None
        if isinstance(self.engine, WritesAhead) and self.policy.width == 0 and room > 0 and not answer.finished:
            request, sampling = SampleRequest(answer.token_ids, seed=self.seed), self._sampling(room)
            begun = self.engine.begin(request, sampling)
        try:
            yield
        except BaseException:
            if begun is not None:
                begun.cancel()
            raise
        if begun is not None:
            self.begun[request, sampling] = begun

    def drop_begun(self, prompt_ids: Sequence[int], but: Sequence[int] = ()) -> None:
        """Stop what is being written behind this prompt, except directly behind the tokens ``but``."""
        start, kept = tuple(prompt_ids), tuple(but)
        for key in list(self.begun):
            prefix = key[0].prefix
            if prefix[: len(start)] == start and prefix != kept and (begun := self.begun.pop(key, None)) is not None:
                begun.cancel()

    def look_ahead(self, answer: Answer, room: int, meter: MeteredScorer) -> tuple[bci.LookAhead, float]:
        """What could come behind ``answer``, and the seconds it took, scoring included."""
        started, policy = self.clock(), self.policy
        sampling = self._sampling(room)
        tree = bci.look_ahead(self.engine, meter, answer, policy.width, policy.depth, sampling, self.seed, room=room)
        return tree, self.clock() - started

    def _sampling(self, room: int) -> Sampling:
        return Sampling(self.policy.temperature, min(SEGMENT_TOKENS, room), parse_position(self.policy.position))
