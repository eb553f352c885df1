"""How many replayed runs look on the terminal: a table of how they ended, and the runs that would have ended otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from controller.replays import OUTCOMES, RISK, Compared, Count, Replayed, compare, count
from controller.safe import one_line, visible

MOST_SHOWN = 20


def show(rows: Sequence[Replayed], policy: str | None, console: Console) -> None:
    """``policy`` names the other policy's file, if there is one."""
    columns = {"recorded": count([r.recorded for r in rows])}
    if policy is not None:
        columns[f"under {one_line(policy, 30)}"] = count([r.other for r in rows if r.other is not None])
    compared = None if policy is None else compare(rows)
    console.print(Padding(_table(columns, len(rows), compared), (1, 0)))
    for sentence in _sentences(list(columns.values())[-1], compared):
        console.print(Text(visible(sentence)))
    others = [r for r in rows if r.other is not None and r.other.outcome != r.recorded.outcome]
    for row in others[:MOST_SHOWN]:
        console.print(_otherwise(row))
    if len(others) > MOST_SHOWN:
        console.print(Text(f"and {len(others) - MOST_SHOWN} more: --json has them all"))


def _otherwise(row: Replayed) -> Text:
    """One run that would have ended in another way, or nobody knows how."""
    assert row.other is not None, "only of another policy is there anything to say"
    was = {True: ", right", False: ", wrong", None: ""}[row.recorded.right]
    recorded = (row.recorded.outcome or "not known").replace("_", " ")
    return Text(visible(f"{row.trace}  {one_line(row.question, 48)}  {recorded}{was}: {row.other.text}"))


def _table(columns: dict[str, Count], runs: int, compared: Compared | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(_runs(runs))
    for name in columns:
        table.add_column(Text(visible(name)), justify="right")
    counts = list(columns.values())
    for outcome in OUTCOMES:
        table.add_row(outcome.replace("_", " "), *(str(c.outcomes[outcome]) for c in counts))
    table.add_row("not known", *(str(c.unknown) for c in counts))
    if compared is None:
        table.add_row("tokens", f"{counts[0].tokens:,}")
    else:
        told = f"tokens of the {compared.runs} known both ways"
        table.add_row(told, f"{compared.recorded:,}", f"{compared.other:,}")
    if any(c.graded for c in counts):
        table.add_row("answers with a reference", *(str(c.graded) for c in counts))
        table.add_row("wrong among these", *map(_wrong, counts))
    return table


def _sentences(last: Count, compared: Compared | None) -> list[str]:
    said: list[str] = []
    if last.unknown:
        rest = "the figures are of the others" if sum(last.outcomes.values()) else "there are no others"
        said.append(f"Of {_runs(last.unknown)} the record does not tell the end; {rest}.")
    if compared is not None and compared.saved:
        said.append(
            f"Where both ends are known it would have generated {100 * compared.saved:.1f} % fewer tokens; "
            f"{_runs(compared.sooner)} would have ended in the same way, but sooner."
        )
    limit = last.record()["error_at_most"]
    if limit is not None:
        said.append(
            f"Up to {100 * limit:.1f} % of such answers may be wrong in the long run (at {100 * (1 - RISK):.0f} % confidence), "
            "and more if the policy was chosen by looking at these runs: controller tune gives a guarantee."
        )
    return said


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _wrong(counted: Count) -> str:
    error = counted.error
    return "-" if error is None else f"{counted.wrong} ({100 * error:.1f} %)"
