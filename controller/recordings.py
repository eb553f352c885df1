"""Runs that were recorded before, by ``solve --file --trace``, as what a policy is tuned on: no model is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller import screen
from controller.batch import question_bar
from controller.errors import UsageError
from controller.references import same_text
from controller.replays import End, differing, ends_under, loaded_hashes, read_folder
from controller.safe import one_line
from controller.stopping import Recorded, kept
from estimator.types import Question
from graphs.events import Header
from graphs.policy import Policy
from graphs.reasoning import Names
from graphs.trace import Trace
from graphs.what_if import recorded_policy

REMEDY = "record all of them with: controller solve --file QUESTIONS --trace FOLDER"


@dataclass(frozen=True)
class Recordings:
    """A complete trace of each question, all of one model, policy and seed (``controller.trials.Runs``). ``header`` is any
    one's, and ``policy`` the one of all."""

    traces: Mapping[str, Trace]  # by the question's text, as ``same_text`` has it
    header: Header
    policy: Policy

    @property
    def names(self) -> Names:
        header = self.header
        return Names(header.model, header.estimator, header.engine, loaded_hashes(header), header.versions)

    @property
    def seed(self) -> int:
        return self.header.seed

    @property
    def strictest(self) -> float:
        return self.policy.accept

    @property
    def opinions(self) -> Sequence[int]:
        return ()  # no other answers can be asked for than those that were

    def of(self, policy: Policy, questions: Sequence[Question], thresholds: Sequence[float], told: str) -> list[Recorded]:
        """See ``Runs``. UsageError where a trace does not tell how its run would have ended under the policy at one of the
        thresholds: a question left out for that would bend the sample."""
        found: list[Recorded] = []
        policies = [policy.model_copy(update={"accept": t}) for t in thresholds]
        with question_bar(len(questions), told=told) as advance:
            for question in questions:
                trace = self.traces[same_text(question)]
                ends = ends_under(trace, policies, question)
                given = {t: _given(end, question) for t, end in zip(thresholds, ends, strict=True)}
                found.append(kept(trace.header, trace.events, given))
                advance()
        return found


def read_recordings(folders: Sequence[Path], questions: Sequence[Question]) -> Recordings:
    """The traces of the questions. UsageError where one has none that is complete or has two, or where they are not of one
    model, policy and seed; a warning tells of traces of other questions, which are left out."""
    asked = {same_text(q) for q in questions}
    found: dict[str, tuple[Path, Trace]] = {}
    others = 0
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder of traces: name one that solve --file --trace wrote")
        for name, trace in read_folder(folder).items():
            text, path = same_text(Question(trace.header.question)), folder / name
            if text not in asked:
                others += 1
            elif trace.result is not None:
                first, _ = found.setdefault(text, (path, trace))
                if first != path:
                    raise UsageError(f"{path} and {first} are of the same question: which one counts must not be left open")
    if others:
        screen.warn(f"{others} trace{'s' * (others != 1)} of questions that are not asked about left out")
    _check_all_there(found, questions)
    path, trace = next(iter(found.values()))
    for other_path, other in found.values():
        if differ := differing(trace.header, other.header):
            raise UsageError(f"{other_path} was recorded with another {differ} than {path}: {REMEDY}")
    return Recordings({text: t for text, (_, t) in found.items()}, trace.header, recorded_policy(trace))


def _given(end: End, question: Question) -> bool | None:
    if end.outcome is None:
        raise UsageError(
            f"the trace of {one_line(question.text, 60)!r} does not tell how it would have ended: {end.text}; tune the policy "
            "it was recorded with or one that only ends runs sooner, or tune without --recorded"
        )
    return end.right


def _check_all_there(found: Mapping[str, Any], questions: Sequence[Question]) -> None:
    missing = [(i, q) for i, q in enumerate(questions, start=1) if same_text(q) not in found]
    if missing:
        number, first = missing[0]
        place = f"{number} of {len(questions)} ({one_line(first.text, 60)!r})"
        more = f", nor of {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(f"there is no complete trace of question {place}{more}: {REMEDY}")
