"""What the nodes work with: engine and scorer, under one policy and seed, with a clock on everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from estimator import bci
from estimator.calibration import Logistic
from estimator.engines.base import Engine, SampleRequest, Sampling
from estimator.positions import cut, parse_position
from estimator.scorers.base import Scorer
from estimator.types import Answer, Confidence, Segment
from graphs.ahead import Ahead
from graphs.policy import Policy

SEGMENT_TOKENS = 256  # one segment at most; an answer whose segment stops for it simply goes on with another
FIRST_OPINION = 1000  # far from the indices of revisions and look-aheads: an opinion repeats none of their samples


def check_opinions(policy: Policy, scorer: Scorer) -> None:
    """ValueError where the policy asks for more or fewer opinions than the estimator can weigh."""
    if policy.opinions and policy.opinions not in scorer.opinions:
        known = ", ".join(map(str, sorted(scorer.opinions))) or "none"
        remedy = "controller train --combine fits them" if not scorer.opinions else "ask for one of these"
        raise ValueError(f"opinions = {policy.opinions}, and the estimator can weigh {known}: {remedy}, or set opinions = 0")


def weighable(policy: Policy, scorer: Scorer) -> Policy:
    """The policy with at most as many opinions as the estimator can weigh."""
    count = max((n for n in scorer.opinions if n <= policy.opinions), default=0) if policy.opinions else 0
    return policy.model_copy(update={"opinions": count})


class MeteredScorer:
    """A scorer with ``seconds`` and ``scored_tokens`` since it was made, anew for each node. Runs that share an engine at the
    same time wait for each other in it, which counts as their time, and count each other's tokens; a server's engine has a
    twin for each (``estimator.loading.Loaded.fork``)."""

    def __init__(self, scorer: Scorer, engine: Engine, clock: Callable[[], float]) -> None:
        self.scorer, self.engine, self.clock = scorer, engine, clock
        self.seconds, self.scored_tokens = 0.0, 0

    @property
    def name(self) -> str:
        return self.scorer.name

    @property
    def opinions(self) -> Mapping[int, Logistic]:
        return self.scorer.opinions

    def score(self, answers: Sequence[Answer]) -> list[Confidence]:
        started, scored_before = self.clock(), self.engine.usage.scored
        confidences = self.scorer.score(answers)
        self.seconds += self.clock() - started
        self.scored_tokens += self.engine.usage.scored - scored_before
        return confidences


@dataclass(frozen=True, slots=True)
class Instruments:
    """The live objects of a run. ``clock`` gives seconds; ``room`` is always what budget and context leave, in tokens.
    ``ahead`` belongs to a single run; as it comes nothing is written in advance."""

    engine: Engine
    scorer: Scorer
    policy: Policy
    seed: int
    clock: Callable[[], float]
    ahead: Ahead = field(default_factory=Ahead)

    def __post_init__(self) -> None:
        check_opinions(self.policy, self.scorer)

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
        segment = self.ahead.next(request, sampling, room)
        if segment is None:
            segment = self.engine.sample([request], sampling)[0][0]
        return segment, self.clock() - started

    def begin(self, question: Answer) -> None:
        """An engine that can starts to answer while the question is scored."""
        if (room := min(self.policy.budget, self.context_room(question))) > 0:
            self.ahead.begin(SampleRequest(question.token_ids, seed=self.seed), self._sampling(room), room)

    def look_ahead(
        self, answer: Answer, room: int, meter: MeteredScorer, known: Sequence[bci.Branch]
    ) -> tuple[bci.LookAhead, float]:
        """What could come behind ``answer``, beside what is ``known`` there, and the seconds it took, scoring included."""
        started, policy = self.clock(), self.policy
        plan = (policy.width, policy.depth, self._sampling(room), self.seed)
        tree = bci.look_ahead(self.engine, meter, answer, *plan, room=room, known=known)
        return tree, self.clock() - started

    def fresh_answers(self, question: Answer, room: int) -> tuple[list[Answer], float]:
        """The policy's number of fresh answers to ``question``, cut at their calibration positions, and the seconds they
        took; all together within ``room``."""
        started, count = self.clock(), self.policy.opinions
        request = SampleRequest(question.token_ids, n=count, seed=self.seed, first_index=FIRST_OPINION)
        position = parse_position(self.policy.position)
        most = min(room // count, self.context_room(question))
        sampling = Sampling(self.policy.temperature, most, entropies=position.by_entropy)
        written = self.engine.sample([request], sampling)[0]
        answers = [Answer(question.prompt_ids, tuple(cut(s, position, self.engine.table))) for s in written]
        return answers, self.clock() - started

    def _sampling(self, room: int) -> Sampling:
        return Sampling(self.policy.temperature, min(SEGMENT_TOKENS, room), parse_position(self.policy.position))
