"""Questions run once each under the strictest acceptance threshold, so that the record tells what every looser one would have
made of them; by the machine now, or before (``controller.recordings``)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from controller.assemble import Run
from controller.batch import question_bar
from controller.choosing import Choice, Wanted, candidates, choose, way_of
from controller.ordered import in_order
from controller.runs import names_of, run_one, stopped_by
from controller.stopping import Recorded, recorded
from controller.tune import Tuning, count_all, fixed_sequence, grid
from estimator.types import Question
from graphs.events import Event
from graphs.policy import Policy
from graphs.reasoning import Names


class Runs(Protocol):
    """Where the runs come from that a policy is tuned on. ``strictest`` is the highest ``accept`` that they tell of, and
    ``opinions`` are the numbers of fresh answers that the estimator can weigh."""

    @property
    def names(self) -> Names: ...

    @property
    def seed(self) -> int: ...

    @property
    def strictest(self) -> float: ...

    @property
    def opinions(self) -> Sequence[int]: ...

    def of(self, policy: Policy, questions: Sequence[Question], thresholds: Sequence[float], told: str) -> list[Recorded]:
        """Each question's run under the policy, read at the thresholds; ``told`` says on the screen what it is for."""
        ...


@dataclass(frozen=True)
class Machine:
    """Runs are made now, ``concurrency`` questions at a time. Raises what the engine raises: a question left out because it
    failed would bend the sample."""

    run: Run
    concurrency: int = 1
    strictest: float = 1.0

    @property
    def names(self) -> Names:
        return names_of(self.run.loaded)

    @property
    def seed(self) -> int:
        return self.run.seed

    @property
    def opinions(self) -> Sequence[int]:
        return sorted(self.run.loaded.scorer.opinions)

    def of(self, policy: Policy, questions: Sequence[Question], thresholds: Sequence[float], told: str) -> list[Recorded]:
        """See ``Runs``. The events themselves (every token's numbers) are dropped as soon as they have been read."""
        loaded = self.run.loaded

        def one(question: Question, ending: threading.Event) -> Recorded:
            events: list[Event] = []
            stop = stopped_by(ending)

            def keep(event: Event) -> None:
                events.append(event)
                stop(event)

            run_one(replace(self.run, loaded=loaded.twin(), policy=policy), question.text, show=keep)
            return recorded(question, events, thresholds, loaded.engine.decode)

        found: list[Recorded] = []
        with question_bar(len(questions), told=told) as advance:
            for made in in_order(one, questions, self.concurrency, loaded.close):
                found.append(made)
                advance()
        return found


def tune(runs: Runs, policy: Policy, questions: Sequence[Question], max_error: float, risk: float) -> Tuning:
    """Run all questions and test the thresholds of the start policy's grid."""
    thresholds = grid(policy.lowest_accept, runs.strictest)
    strict = policy.model_copy(update={"accept": runs.strictest})
    given = [r.given for r in runs.of(strict, questions, thresholds, "tuning")]
    return fixed_sequence(count_all(thresholds, given), len(questions), max_error, risk)


def choose_start(runs: Runs, start: Policy, questions: Sequence[Question], wanted: Wanted, *, ways: bool = False) -> Choice:
    """Choose the policy that a threshold is then tuned for (``controller.choosing``): when to stop early and, with ``ways``,
    whether to revise or to ask for fresh answers. Each policy that is tried runs all questions once."""
    tried, found = candidates(start, runs.strictest, runs.opinions, ways=ways), []
    for number, (name, policy) in enumerate(tried.items(), start=1):
        thresholds = (policy.accept, *grid(policy.lowest_accept, policy.accept))
        told = f"choosing, {name} ({number} of {len(tried)})" if ways else "choosing"
        found.append(way_of(name, policy, runs.of(policy, questions, thresholds, told), wanted))
    return choose(found, questions, wanted)
