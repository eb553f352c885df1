"""``controller replay``: a recorded run again, on the screen or as a picture, or a folder of them; without a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.commands import options
from controller.errors import Failure, UsageError, reported

if TYPE_CHECKING:
    from controller.playback import Pace
    from graphs.policy import Policy

EXAMPLE = (
    "Examples, with the trace of the example of solve and with what solve --file --trace wrote:\n\n"
    "controller replay run.jsonl --speed 4 --svg run.svg\n\n"
    "controller replay traces/ --policy strict.toml --answers questions.jsonl"
)


def command(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace, as 'solve --trace' writes it, or a folder of them.")],
    speed: Annotated[float, typer.Option(min=0.01, help="How many times as fast as it was.")] = 1.0,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter after every decision.")] = False,
    static: Annotated[bool, typer.Option("--static", help="Show everything at once.")] = False,
    svg: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Write the view as a picture.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the view as a web page.")] = None,
    width: Annotated[int, typer.Option(min=40, max=240, help="Columns of the picture or page.")] = 100,
    json: options.Json = False,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Show beside each decision what this policy would have decided."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(metavar="QUESTIONS.jsonl", help="Of a folder: questions with reference answers, to count what is wrong."),
    ] = None,
) -> None:
    """Show a recorded run again, and what another policy would have done; of a folder, how all its runs ended and would have.

    No model is needed."""
    with reported():
        if trace.is_dir():
            for option, given in {"--step": step, "--svg": svg, "--html": html}.items():
                if given:
                    raise UsageError(f"{option} shows a single run: name a trace inside {trace}")
            _replay_folder(trace, json, policy, answers)
            return
        if answers is not None:
            raise UsageError(f"--answers counts over a folder of traces, and {trace} is not one")
        if step and not sys.stdin.isatty():
            raise UsageError("--step needs a terminal to wait for Enter")
        if svg is not None and html is not None and svg.resolve() == html.resolve():
            raise UsageError(f"the picture and the page cannot both be {svg}: name two files for --svg and --html")
        _replay(trace, _pace(speed, step, static), {"svg": svg, "html": html}, width, json, policy)


def _replay(
    path: Path, pace: Pace, pictures: Mapping[str, Path | None], width: int, json: bool, policy_file: Path | None
) -> None:
    from controller import playback, screen
    from controller.view import View
    from graphs.trace import read_trace

    policy = _policy(policy_file)
    if not path.exists():
        raise UsageError(f"no trace at {path}: check the path")
    trace = read_trace(path)
    others = {} if policy is None else playback.alternatives(trace, policy)
    for kind, target in pictures.items():
        if target is not None:
            _write(target, getattr(playback, kind)(trace, others, width))
    if json:
        screen.print_json(playback.report(trace, others, policy))
    elif not any(pictures.values()):
        playback.play(trace, View(screen.output(), alternatives=others, spinner=pace.speed is not None), pace)


def _replay_folder(folder: Path, json: bool, policy_file: Path | None, answers: Path | None) -> None:
    from controller import replays, replays_view, screen
    from controller.references import distinct_questions_from_file

    policy = _policy(policy_file)
    references = [] if answers is None else distinct_questions_from_file(answers)[0]
    traces = replays.read_folder(folder)
    replays.warn_of_mixture(traces)
    rows = replays.replay_all(traces, policy, references)
    if json:
        screen.print_json(replays.report(rows, policy))
    else:
        replays_view.show(rows, None if policy_file is None else policy_file.name, screen.output())


def _policy(file: Path | None) -> Policy | None:
    if file is None:
        return None
    from graphs.policy_file import load_policy

    return load_policy(file)


def _pace(speed: float, step: bool, static: bool) -> Pace:
    from controller.playback import Pace

    if step:
        return Pace(step=_ask)
    return Pace(None if static or not sys.stdout.isatty() else speed)


def _ask() -> None:
    try:
        answer = input("[Enter: go on, q: stop] ")
    except EOFError:
        answer = "q"
    if answer.strip().lower() == "q":
        raise typer.Exit


def _write(path: Path, text: str) -> None:
    try:
        if path.is_file() and not _is_picture(path):
            raise UsageError(f"{path} holds something else than a picture or page: name another file")
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        raise Failure(f"cannot write {path}: {e.strerror}; name another file") from None


def _is_picture(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16).lstrip()[:1] in (b"", b"<")
