"""Questions run once each under the strictest acceptance threshold, so that the record tells what every looser one would have
made of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from controller.assemble import Run
from controller.batch import question_bar
from controller.choosing import STRICTEST, Choice, Wanted, candidates, choose, way_of
from controller.ordered import in_order
from controller.runs import run_one, stopped_by
from controller.stopping import given_at, recorded
from controller.tune import Tuning, count_all, fixed_sequence, grid
from estimator.types import Question
from graphs.events import Event

Read = TypeVar("Read")


def tune(run: Run, questions: Sequence[Question], max_error: float, risk: float, concurrency: int = 1) -> Tuning:
    """Run all questions and test the thresholds of the start policy's grid. Raises what the engine raises: a question left
    out because it failed would bend the sample."""
    thresholds = grid(run.policy.lowest_accept)
    read = partial(given_at, thresholds=thresholds, decode=run.loaded.engine.decode)
    strict = replace(run, policy=run.policy.model_copy(update={"accept": STRICTEST}))
    with question_bar(len(questions), told="tuning") as advance:
        given = _each(strict, questions, read, concurrency, advance)
    return fixed_sequence(count_all(thresholds, given), len(questions), max_error, risk)


def choose_start(
    run: Run, questions: Sequence[Question], wanted: Wanted, *, ways: bool = False, concurrency: int = 1
) -> Choice:
    """Choose the policy that a threshold is then tuned for (``controller.choosing``): when to stop early and, with ``ways``,
    whether to revise or to ask for fresh answers. Each policy that is tried runs all questions once."""
    tried, found = candidates(run.policy, sorted(run.loaded.scorer.opinions), ways=ways), []
    for number, (name, policy) in enumerate(tried.items(), start=1):
        thresholds = (STRICTEST, *grid(policy.lowest_accept))
        read = partial(recorded, thresholds=thresholds, decode=run.loaded.engine.decode)
        told = f"choosing, {name} ({number} of {len(tried)})" if ways else "choosing"
        with question_bar(len(questions), told=told) as advance:
            runs = _each(replace(run, policy=policy), questions, read, concurrency, advance)
            found.append(way_of(name, policy, runs, wanted))
    return choose(found, questions, wanted)


def _each(
    run: Run,
    questions: Sequence[Question],
    read: Callable[[Question, list[Event]], Read],
    concurrency: int,
    advance: Callable[[], None],
) -> list[Read]:
    """What ``read`` makes of each question's run. The events themselves (every token's numbers) are dropped as soon as they
    have been read."""

    def one(question: Question, ending: threading.Event) -> Read:
        events: list[Event] = []
        stop = stopped_by(ending)

        def keep(event: Event) -> None:
            events.append(event)
            stop(event)

        run_one(replace(run, loaded=run.loaded.twin()), question.text, show=keep)
        return read(question, events)

    found = []
    for made in in_order(one, questions, concurrency, run.loaded.close):
        found.append(made)
        advance()
    return found
