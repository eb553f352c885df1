"""What ``controller label`` shows: progress on stderr while it runs, and the figures of the labels at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from controller import screen
from controller.safe import one_line
from controller.theme import UNICODE, symbols_for
from training.label_report import counted

if TYPE_CHECKING:
    from training.label_run import Progress as RunProgress

BARS = {True: " ▁▂▃▄▅▆▇█", False: " .:-=+*#@"}


@contextmanager
def progress(total: int) -> Iterator[Callable[[RunProgress], None]]:
    """A bar on stderr with rate and time left; nothing where stderr is no terminal."""
    console = screen.progress()
    columns = (
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} questions, {task.fields[told]}"),
    )
    hidden = not screen.can_animate(console)
    with Progress(*columns, console=console, redirect_stdout=False, transient=True, disable=hidden) as bar:
        task = bar.add_task("labelling", total=total, told="sampling")

        def notify(at: RunProgress) -> None:
            bar.update(task, completed=at.questions, told=rate(at))

        yield notify


def rate(at: RunProgress) -> str:
    """Samples a second and the time left, by all that was done since the start: single rounds can take minutes."""
    done, seconds = at.questions - at.resumed, max(at.seconds, 1e-9)
    left = f", {timedelta(seconds=round((at.total - at.questions) * seconds / done))} left" if done > 0 else ""
    return f"{at.samples / seconds:.0f} samples/s{left}"


def show(report: dict[str, Any], out: str, console: Console) -> None:
    """The report in words and one table."""
    samples, texts = report["samples"], report["texts"]
    console.print(
        f"{one_line(out)}: {report['questions']:,} questions; {texts['train']:,} texts to train on and "
        f"{texts['held_out']:,} held out, "
        f"with {report['points']:,} labels (every text is labelled at one or more places)"
    )
    console.print(f"samples drawn {samples['drawn']:,}; k(1 + mT) and the one-sample answers allow {samples['bound']:,}")
    table = Table("kind", counted(report), "mean", "all wrong", "all right", "0 to 1", box=None, pad_edge=False)
    for kind, f in report["kinds"].items():
        shares = (f"{f['mean']:.2f}", f"{100 * f['zero']:.0f} %", f"{100 * f['one']:.0f} %")
        table.add_row(one_line(kind, 40), f"{f['points']:,}", *shares, _bars(f["histogram"], symbols_for(console) is UNICODE))
    console.print(table)


def _bars(counts: list[int], unicode: bool) -> str:
    """A histogram in one character a bin; a bin that holds anything shows."""
    signs, most = BARS[unicode], max([1, *counts])
    return "".join(signs[-(-count * (len(signs) - 1) // most)] for count in counts)
