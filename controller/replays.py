"""Many recorded runs at once: how they ended, and how they would have ended under another policy. No model is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller import screen
from controller.binomial import upper_limit
from controller.errors import UsageError
from controller.playback import CUT_OFF
from controller.references import same_text
from estimator.answers import is_right
from estimator.types import Question
from graphs.events import Header, InterruptedEvent, Outcome
from graphs.policy import Policy
from graphs.thresholds import answer_at
from graphs.trace import Trace, TraceError, read_trace
from graphs.what_if import SAME, tokens_generated, what_if

OUTCOMES: tuple[Outcome, ...] = ("answered", "abstained", "budget_spent")
RISK = 0.05  # of the limit on the share of wrong answers


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, or would have: ``outcome`` is None where that is not known, ``tokens`` are all that it generated up to
    there, and ``right`` is None where no answer was given out or no reference is known; ``text`` says what was decided."""

    outcome: Outcome | None
    tokens: int
    right: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recorded run, and what another policy would have made of it (None where none was asked about)."""

    trace: str
    question: str
    recorded: End
    other: End | None


@dataclass(frozen=True, slots=True)
class Count:
    """Runs by how they ended; ``unknown`` ones are in none of the other figures. ``graded`` answers had a reference."""

    outcomes: Mapping[Outcome, int]
    unknown: int
    tokens: int
    graded: int
    wrong: int

    @property
    def error(self) -> float | None:
        """The share of wrong ones among the graded answers that were given out."""
        return self.wrong / self.graded if self.graded else None

    def record(self) -> dict[str, Any]:
        limit = upper_limit(self.wrong, self.graded, RISK) if self.graded else None
        figures = {"unknown": self.unknown, "tokens": self.tokens, "graded": self.graded, "wrong": self.wrong}
        ended: dict[str, Any] = {str(k): v for k, v in self.outcomes.items()}
        return {**ended, **figures, "error": self.error, "error_at_most": limit}


def read_folder(folder: Path) -> dict[str, Trace]:
    """The traces of a folder by file name, in order; one that cannot be read is named in a warning. UsageError where there is
    none."""
    traces: dict[str, Trace] = {}
    for path in sorted(folder.glob("*.jsonl")):
        try:
            traces[path.name] = read_trace(path)
        except TraceError as error:
            screen.warn(f"left out: {error}")
    if not traces:
        raise UsageError(f"{folder} holds no trace that can be read: name the folder that solve --file --trace wrote into")
    return traces


def warn_of_mixture(traces: Mapping[str, Trace]) -> None:
    """A line on stderr where runs are counted together that another policy, model or seed made."""
    (first, one), *rest = traces.items()
    for name, other in rest:
        if differ := differing(one.header, other.header):
            screen.warn(f"{name} was recorded with another {differ} than {first}, and they are counted together")
            return


def differing(one: Header, other: Header) -> str:
    """The first thing that two runs have to have in common to be counted together and have not; empty where they have all."""
    names = ("model", "estimator", "seed", "policy")
    differ = next((n for n in names if getattr(one, n) != getattr(other, n)), "")
    return differ or ("estimator (by its hashes)" if loaded_hashes(one) != loaded_hashes(other) else "")


def loaded_hashes(header: Header) -> dict[str, str]:
    """Those of what was loaded: the policy's is told apart from them."""
    return {k: v for k, v in header.hashes.items() if k != "policy"}


def replay_all(traces: Mapping[str, Trace], policy: Policy | None, references: Sequence[Question]) -> list[Replayed]:
    """Every run, as it ended and as it would have ended under ``policy``."""
    known = {same_text(q): q for q in references}
    rows: list[Replayed] = []
    for name, trace in traces.items():
        asked = trace.header.question
        grade = _grader(known.get(same_text(Question(asked))))
        recorded = _recorded(trace, grade)
        other = None if policy is None else _other(trace, policy, recorded, grade)
        rows.append(Replayed(name, asked, recorded, other))
    return rows


def ends_under(trace: Trace, policies: Iterable[Policy], question: Question) -> Iterator[End]:
    """How the run of ``question`` would have ended under each of other policies."""
    grade = _grader(question)
    recorded = _recorded(trace, grade)
    return (_other(trace, policy, recorded, grade) for policy in policies)


def count(ends: Sequence[End]) -> Count:
    """The ends by outcome, and what is known of their answers."""
    known = [e for e in ends if e.outcome is not None]
    graded = [e.right for e in known if e.right is not None]
    outcomes: dict[Outcome, int] = {o: sum(e.outcome == o for e in known) for o in OUTCOMES}
    return Count(outcomes, len(ends) - len(known), sum(e.tokens for e in known), len(graded), graded.count(False))


@dataclass(frozen=True, slots=True)
class Compared:
    """The runs whose end is known both ways, for only their tokens can be compared: ``recorded`` and ``other`` tokens, and how
    many would have ended in the same way, but ``sooner``. What another policy would have written beyond a record is not known,
    so ``other`` is never the larger."""

    runs: int
    recorded: int
    other: int
    sooner: int

    @property
    def saved(self) -> float | None:
        """The share of tokens that the other policy would have saved; None where there is nothing to compare."""
        return 1 - self.other / self.recorded if self.recorded else None

    def record(self) -> dict[str, Any]:
        return {"runs": self.runs, "recorded_tokens": self.recorded, "what_if_tokens": self.other, "saved": self.saved}


def compare(rows: Sequence[Replayed]) -> Compared:
    """What the other policy's ends would have cost, beside the recorded ones."""
    pairs = [(r.recorded, r.other) for r in rows if r.other is not None]
    known = [(a, b) for a, b in pairs if a.outcome is not None and b.outcome is not None]
    sooner = sum(a.outcome == b.outcome and b.tokens < a.tokens for a, b in known)
    return Compared(len(known), sum(a.tokens for a, _ in known), sum(b.tokens for _, b in known), sooner)


def report(rows: Sequence[Replayed], policy: Policy | None) -> dict[str, Any]:
    """The object of ``replay FOLDER --json``."""
    others = [r.other for r in rows if r.other is not None]
    return {
        "runs": [
            {
                "trace": r.trace,
                "question": r.question,
                **_end(r.recorded),
                "what_if": None if r.other is None else _end(r.other),
            }
            for r in rows
        ],
        "recorded": count([r.recorded for r in rows]).record(),
        "what_if": None if policy is None else count(others).record(),
        "compared": None if policy is None else compare(rows).record(),
        "what_if_policy": None if policy is None else policy.model_dump(),
    }


def _end(end: End) -> dict[str, Any]:
    return {"outcome": end.outcome, "tokens": end.tokens, "right": end.right, "text": end.text}


def _grader(reference: Question | None) -> Callable[[str | None], bool | None]:
    return lambda answer: None if reference is None else is_right(reference, str(answer))


def _recorded(trace: Trace, grade: Callable[[str | None], bool | None]) -> End:
    tokens, result = tokens_generated(trace.events), trace.result
    if result is None:
        stopped = next((e.reason for e in trace.events if isinstance(e, InterruptedEvent)), None)
        return End(None, tokens, None, CUT_OFF if stopped is None else f"interrupted: {stopped}")
    return End(result.outcome, tokens, grade(result.answer) if result.outcome == "answered" else None, result.reason)


def _other(trace: Trace, policy: Policy, recorded: End, grade: Callable[[str | None], bool | None]) -> End:
    try:
        seen = what_if(trace, policy)
    except TraceError as error:
        return End(None, recorded.tokens, None, f"{error}: unknown from this trace")
    if not seen or (seen[-1].text == SAME and seen[-1].outcome is None):
        return End(None, recorded.tokens, None, recorded.text)
    last, right = seen[-1], None
    if last.outcome == "answered":
        as_was = last.text == SAME and recorded.outcome is not None
        right = recorded.right if as_was else grade(answer_at(trace.events, len(seen) - 1))
    return End(last.outcome, recorded.tokens - last.saved_tokens, right, last.text)
