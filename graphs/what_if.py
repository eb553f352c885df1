"""What another policy would have done with a recorded run, without calling a model.

The same ``decide`` looks at the recorded standings in turn. As long as it decides as the run did, the run went on as it
would have; the first other decision is either an end, which is known, or needs text that was never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from graphs.events import DecisionEvent, Event, LookaheadEvent, OpinionsEvent, Outcome, SegmentEvent
from graphs.policy import Action, Decision, Policy, Standing, decide
from graphs.trace import Trace, TraceError
from graphs.validation import first_problem

# With another value of one of these the text itself would have been another one, from the start.
SHAPES_TEXT = ("temperature", "position", "width", "depth")
# So it would with one of these where the run looked ahead: they choose the best branch, which the answer goes on with.
SHAPES_LOOK_AHEAD = ("alpha", "budget")
# Second opinions would have been others, or of another length.
SHAPES_OPINIONS = ("opinions", "budget")
SAME = "same"


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One recorded decision under another policy.

    ``index`` is the segment after which it was taken (-1: the question). ``action`` is None where the other policy
    would not have come to this text. ``outcome`` is set where the run would have ended here, with ``saved_tokens``
    fewer tokens generated; ``known`` is False where the trace cannot tell how it would have gone on.
    """

    index: int
    recorded: Action
    action: Action | None
    known: bool
    text: str
    outcome: Outcome | None = None
    saved_tokens: int = 0


def what_if(trace: Trace, policy: Policy) -> list[WhatIf]:
    """One entry a recorded decision, up to and with the first that would have been another one.

    Raises ``TraceError`` if the policy of the trace is none that this version knows.
    """
    recorded = recorded_policy(trace)
    decisions = [e for e in trace.events if isinstance(e, DecisionEvent)]
    other = _other_text(recorded, policy)
    if other and decisions:
        first = decisions[0]
        why = f"another {other} writes another text: unknown from this trace"
        return [WhatIf(first.index, Action(first.action), None, False, why)]
    total, seen = tokens_generated(trace.events), []
    revisions = 0
    for event in decisions:
        seen.append(_one(event, recorded, policy, total, just_revised=event.revisions > revisions))
        revisions = event.revisions
        if seen[-1].text != SAME or seen[-1].outcome:
            break
    return seen


def _one(event: DecisionEvent, recorded: Policy, policy: Policy, total: int, *, just_revised: bool) -> WhatIf:
    action, place = Action(event.action), _place(event.index)
    if event.spent > policy.budget:  # the last segment would have been cut short
        if just_revised:  # and the shorter one compared with the old branch
            return WhatIf(event.index, action, None, False, f"a revision cut short at {place}: unknown from this trace")
        text = f"would have spent its budget of {policy.budget} tokens at {place}"
        return WhatIf(event.index, action, Action.ABSTAIN, True, text, "budget_spent", total - policy.budget)
    if event.spent == recorded.budget < policy.budget and (just_revised or not event.finished):
        text = f"would have written on at {place}, where the budget cut the run short: unknown from this trace"
        return WhatIf(event.index, action, None, False, text)
    standing = _standing(event)
    decision = decide(standing, policy)
    if decision.action in (Action.ABSTAIN, Action.FINISH):
        return _ended(event, decision, decide(standing, recorded), total)
    other = _differing(recorded, policy, SHAPES_OPINIONS) if decision.action is action is Action.CONSULT else None
    if decision.action is action and decision.cut == event.cut and other is None:
        return WhatIf(event.index, action, action, True, SAME)
    differently = "" if other is None else f" with {other} = {getattr(policy, other)}"
    text = f"{_would(decision)} at {place}{differently}: unknown from this trace"
    return WhatIf(event.index, action, decision.action, False, text)


def _ended(event: DecisionEvent, decision: Decision, before: Decision, total: int) -> WhatIf:
    """``before`` is what the recorded policy decided: to abstain and to have spent the budget are two ends."""
    outcome: Outcome = "answered"
    if decision.action is Action.ABSTAIN:
        outcome = "budget_spent" if decision.budget_spent else "abstained"
    saved = total - event.spent
    text = SAME
    if decision.action != event.action or decision.budget_spent != before.budget_spent:
        text = f"{_would(decision)} at {_place(event.index)} ({decision.reason})"
        text += f", saving {saved} tokens" if saved else ""
    return WhatIf(event.index, Action(event.action), decision.action, True, text, outcome, saved)


def _other_text(recorded: Policy, policy: Policy) -> str | None:
    """The first setting by which the text would have been another one, if any."""
    return _differing(recorded, policy, SHAPES_TEXT + (SHAPES_LOOK_AHEAD if recorded.width else ()))


def _differing(recorded: Policy, policy: Policy, names: Sequence[str]) -> str | None:
    return next((n for n in names if getattr(recorded, n) != getattr(policy, n)), None)


def recorded_policy(trace: Trace) -> Policy:
    """The policy that the run was made with; ``TraceError`` if this version does not know it."""
    try:
        return Policy.model_validate(trace.header.policy)
    except ValidationError as error:
        raise TraceError(f"line 1: policy: {first_problem(error)}") from None


def _standing(event: DecisionEvent) -> Standing:
    known = (event.stated, event.full, event.consulted)
    return Standing(tuple(event.scores), event.finished, event.spent, event.revisions, *known)


def tokens_generated(events: Sequence[Event]) -> int:
    """All tokens that a run generated: written, revised, looked ahead and of second opinions."""
    written = sum(len(e.token_ids) for e in events if isinstance(e, SegmentEvent) and not e.reused)
    return written + sum(e.tokens for e in events if isinstance(e, LookaheadEvent | OpinionsEvent))


def _place(index: int) -> str:
    return "the question" if index < 0 else f"paragraph {index + 1}"


def _would(decision: Decision) -> str:
    past = {
        Action.CONTINUE: "would have gone on",
        Action.REVISE: f"would have revised from paragraph {(decision.cut or 0) + 1}",
        Action.CONSULT: "would have asked for second opinions",
        Action.ABSTAIN: "would have abstained",
        Action.FINISH: "would have finished",
    }
    return past[decision.action]
