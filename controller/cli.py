"""The command line: it names the commands and nothing else. A new command is a module and a line here."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from controller.about import package_version
from controller.commands import doctor, evaluate, label, mcp, replay, score, serve, solve, train, tune
from controller.errors import ExitCode, say

NO_SHORT_OPTION = re.compile("No such option: -[^-]")

app = typer.Typer(
    name="controller",
    help="A reasoning controller that knows when it is wrong: it reads its own confidence while it answers, and goes "
    "on, revises or abstains accordingly.",
    epilog="Exit codes: 0 answered or done, 1 failure, 2 usage, 3 abstained, 4 budget spent, 5 backend unreachable, "
    "130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (solve, score, replay, tune, label, train, evaluate, serve, doctor, mcp):
    app.command(module.__name__.rpartition(".")[2], epilog=module.EXAMPLE)(module.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"controller {package_version()}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Entry point. A character that the screen's encoding lacks is spelt out instead of ending the run, and what was asked
    wrongly is one line like every other error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as error:
        if message := error.format_message():  # none where the help has been shown instead
            hint = " (put -- before a question that begins with -)" if NO_SHORT_OPTION.match(message) else ""
            say(f"error: {message.rstrip('.')}{hint}: see {_asked_of(error)} --help")
        sys.exit(ExitCode.USAGE)
    except BrokenPipeError:
        # Whoever read our output has gone: nothing is wrong, and the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _asked_of(error: TyperException) -> str:
    """The command that was asked wrongly; where the error does not know it (an option without its value), the first word."""
    if context := getattr(error, "ctx", None):
        return context.command_path
    commands = {command.name for command in app.registered_commands}
    return " ".join([str(app.info.name), *(word for word in sys.argv[1:2] if word in commands)])


if __name__ == "__main__":
    main()
