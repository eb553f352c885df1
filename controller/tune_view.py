"""How a tuning looks on the terminal: the thresholds around the chosen one, and in plain words what it promises."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from controller.certificate import ASSUMPTION, Tuned, certificate_path
from controller.choosing import Choice, Way
from controller.safe import visible
from controller.theme import GOOD, POOR, Symbols, symbols_for
from controller.tune import STRICTEST, Count, Tuning, more_right_needed, questions_needed

ROWS_BEFORE = 5


def show(tuned: Tuned, out: Path, console: Console) -> None:
    """The whole view."""
    if tuned.choice is not None:
        if len(tuned.choice.ways) > 1:
            console.print(Padding(_ways(tuned.choice, symbols_for(console)), (1, 0, 0, 0)))
        console.print(Padding(Text(visible(" ".join(chosen(tuned.choice)))), (1, 0, 0, 0)))
    if tuned.tuning.tested:
        console.print(Padding(_table(tuned.tuning, symbols_for(console)), (1, 0)))
    for sentence in guarantee(tuned.tuning, out) if tuned.policy is not None else refusal(tuned.tuning):
        console.print(Text(visible(sentence)))


def guarantee(tuning: Tuning, out: Path) -> list[str]:
    """What a tuned policy promises, what it costs, and where it lies."""
    count = tuning.closest
    return [
        f"Guarantee: of the answers given out at accept = {count.threshold:.2f}, at most {_share(tuning.max_error)} are "
        f"wrong in the long run. A tuning like this one promises too much in at most {_share(tuning.risk)} of cases.",
        f"It assumes: {ASSUMPTION}",
        f"It answers {count.accepted} of the {tuning.n} questions ({_share(tuning.coverage)}) and abstains from the rest.",
        f"Saved: {out} and {certificate_path(out)}",
    ]


def chosen(choice: Choice) -> list[str]:
    """When it stops early, and what that is worth on the questions that it was chosen on."""
    way, policy = choice.chosen, choice.chosen.policy
    places = [
        f"{value:.2f} {where}"
        for value, where in ((policy.give_up, "after the question"), (policy.abstain, "after a paragraph"))
        if value
    ]
    if not places:
        return [
            f"No early stopping saves tokens on the {choice.n} questions to choose on without losing more than "
            f"{_share(choice.wanted.lose)} of the {way.whole.right} right answers, so it does not stop early."
        ]
    saved = _share(round(1 - way.stopping.tokens / way.whole.tokens, 3))
    return [
        f"Stops where confidence is below {' or '.join(places)}.",
        f"On the {choice.n} questions to choose on that saves {saved} of the tokens ({way.whole.tokens:.1f} to "
        f"{way.stopping.tokens:.1f} a question); at accept = {policy.accept:.2f} it gives out {way.stopping.right} right "
        f"answers of {way.whole.right} and {way.stopping.wrong} wrong ones of {way.whole.wrong}.",
    ]


def refusal(tuning: Tuning) -> list[str]:
    """Why no threshold qualified, and what would change that. Whoever tries on one file until it passes has no guarantee."""
    count, limit = tuning.closest, f"at most {_share(tuning.max_error)} wrong at a risk of {_share(tuning.risk)}"
    first = f"No threshold qualifies for {limit}, so no policy is written."
    closest = f"The closest, {count.threshold:.2f}, gives out {count.accepted} answers, {count.wrong} of them wrong; "
    more = f"{more_right_needed(tuning)} more right answers and no further wrong one would be needed there."
    again = "Another tuning needs other questions: these have been looked at."
    return [first, closest + more, *_untested(tuning), _remedy(tuning), again]


def _untested(tuning: Tuning) -> list[str]:
    """Recorded runs tell nothing of thresholds above their own."""
    strictest = tuning.counts[0].threshold
    if strictest >= STRICTEST:
        return []
    return [f"Thresholds above {strictest:.2f} were not tested, for the runs do not tell: record runs with --accept 1."]


def _remedy(tuning: Tuning) -> str:
    error, questions = tuning.closest.error, questions_needed(tuning)
    if questions is not None:
        return f"If it goes on like this, about {questions} questions would do (there were {tuning.n})."
    if error is None:
        return "Not one answer was accepted at any threshold: look at single runs with controller solve first."
    if error < tuning.max_error:
        return "The error is so close to the limit that no sensible number of questions would show it is below."
    return (
        f"More questions alone will not do, as the error there ({_share(error)}) is not below the limit: allow a larger "
        "--max-error, or improve the model or the estimator."
    )


def _table(tuning: Tuning, symbols: Symbols) -> Table:
    """The last thresholds tested; the chosen one and the one that failed are marked."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("", "threshold", "accepted", "wrong", "error", "bound", "p"):
        table.add_column(name, justify="right")
    for tested in tuning.tested[-(ROWS_BEFORE + 1) :]:
        mark, style = _mark(tested.count, tested.p, tuning, symbols)
        table.add_row(mark, *_cells(tested.count, tuning), f"{tested.p:.4f}", style=style)
    return table


def _ways(choice: Choice, symbols: Symbols) -> Table:
    """The ways to answer that were tried, each with the early stopping that suits it, at the threshold that answers most."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("", "way", "accept", "give up", "abstain", "right", "wrong", "tokens"):
        table.add_column(name, justify="left" if name == "way" else "right", no_wrap=name == "way")
    for way in choice.ways:
        policy = way.policy
        mark, style = (f"{symbols.finish} chosen", f"bold {GOOD}") if way is choice.chosen else _why_not(way, choice)
        thresholds = [f"{t:.2f}" for t in (policy.accept, policy.give_up, policy.abstain)]
        counts = [str(way.stopping.right), str(way.stopping.wrong), f"{way.stopping.tokens:.1f}"]
        table.add_row(mark, way.name, *thresholds, *counts, style=style)
    return table


def _why_not(way: Way, choice: Choice) -> tuple[str, str]:
    """What rules a way out, and its colour; nothing where another one is simply better or as good for less."""
    if way.too_wrong:
        return "too wrong", POOR
    return ("too dear", "") if choice.too_dear(way) else ("", "")


def _mark(count: Count, p: float, tuning: Tuning, symbols: Symbols) -> tuple[str, str]:
    if count == tuning.chosen:
        return f"{symbols.finish} chosen", f"bold {GOOD}"
    return (f"{symbols.rejected} fails", POOR) if p > tuning.risk else ("", "")


def _cells(count: Count, tuning: Tuning) -> list[str]:
    error = "" if count.error is None else _share(count.error)
    return [f"{count.threshold:.2f}", str(count.accepted), str(count.wrong), error, _share(tuning.bound_of(count))]


def _share(value: float) -> str:
    """A share of 1 as per cent, with as many digits as it takes to tell 0.5 % from 0.55 %."""
    return f"{100 * value:.3g} %"
