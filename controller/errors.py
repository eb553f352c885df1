"""How a command ends: the exit codes, and the one place where an exception becomes a line on stderr."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from controller.safe import one_line

MESSAGE_LIMIT = 600
OWN_PACKAGES = ("controller", "estimator", "graphs", "training")


class ExitCode(IntEnum):
    DONE = 0
    FAILURE = 1
    USAGE = 2
    ABSTAINED = 3
    BUDGET_SPENT = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


OUTCOME_CODES = {
    "answered": ExitCode.DONE,
    "abstained": ExitCode.ABSTAINED,
    "budget_spent": ExitCode.BUDGET_SPENT,
}


class UsageError(ValueError):
    """What was asked makes no sense; the message says what would."""


class Failure(RuntimeError):
    """It could not be done; the message says why and what to do."""


@contextmanager
def reported(go_on: str = "") -> Iterator[None]:
    """Inside, a known failure ends the process with its exit code and one line on stderr; a bug stays loud. ``go_on`` is how
    an interrupted run is taken up again, where it can be."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted: {go_on}" if go_on else "interrupted")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        raise
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] in OWN_PACKAGES:
            raise
        say(f"error: {e.name} is not installed; controller doctor says what is missing")
        raise typer.Exit(ExitCode.FAILURE) from None
    except (ValueError, RuntimeError, OSError) as e:
        code = code_of(e)
        if code is None:
            raise
        say(f"error: {described(e)}")
        raise typer.Exit(code) from None


def code_of(error: Exception) -> ExitCode | None:
    """The exit code of a known kind of failure, None for a bug."""
    for kind, code in _known_codes():
        if isinstance(error, kind):
            return code
    return None


def say(message: str) -> None:
    """One line on stderr."""
    print(f"controller: {one_line(message, MESSAGE_LIMIT)}", file=sys.stderr)


def _known_codes() -> list[tuple[type[Exception], ExitCode]]:
    """The first class that fits counts. A class whose module nobody imported cannot have been raised and is left out,
    which keeps the error path free of heavy imports."""
    named = [
        ("estimator.engines.base", "EngineUnreachable", ExitCode.UNREACHABLE),
        ("estimator.engines.base", "EngineError", ExitCode.FAILURE),
        ("estimator.loading", "LoadError", ExitCode.FAILURE),
        ("estimator.calibration", "CombinerError", ExitCode.FAILURE),
        ("training.techniques.base", "TrainingError", ExitCode.USAGE),
        ("training.checkpoints", "CheckpointError", ExitCode.USAGE),
        ("training.mixing", "MixtureError", ExitCode.USAGE),
        ("training.combine", "CombineError", ExitCode.FAILURE),
        ("graphs.trace", "NoTraceError", ExitCode.USAGE),
        ("graphs.trace", "TraceError", ExitCode.FAILURE),
        ("graphs.policy_file", "PolicyError", ExitCode.USAGE),
        ("controller.questions", "QuestionError", ExitCode.USAGE),
        ("controller.settings", "SettingsError", ExitCode.USAGE),
    ]
    found = [(getattr(sys.modules[m], name, None), code) for m, name, code in named if m in sys.modules]
    own = [(UsageError, ExitCode.USAGE), (Failure, ExitCode.FAILURE), (OSError, ExitCode.FAILURE)]
    return [(kind, code) for kind, code in found if kind is not None] + own


def described(error: Exception) -> str:
    """What went wrong, for people."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        hint = " (free some space and try again)" if error.errno == errno.ENOSPC else ""
        return f"{where}{error.strerror}{hint}"
    return str(error) or type(error).__name__
