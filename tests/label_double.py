"""A scripted labelling run for its tests; as a program, one that is killed at a random line (see ``test_label_run``)."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from estimator.engines.scripted import ScriptedEngine
from estimator.types import Grader, Question, Tokens
from training.label_chunk import LabelSettings
from training.label_run import LabelRun

SETTINGS = LabelSettings(k=4, clusters=2, truncations=2, one_sample=2, answers=2, held_out=0.3, chunk=3)
HASHES = {"base": "b", "prompt": "p"}


class WithStates(ScriptedEngine):
    """A scripted engine whose "hidden states" are some character counts."""

    def embed(self, texts: Sequence[tuple[Tokens, Tokens]]) -> np.ndarray:
        return np.array([[1 + c.count(ord(letter)) for letter in "abcdef0123"] for _, c in texts], float)

    def hidden_states(self, prefixes: Sequence[Tokens]) -> np.ndarray:
        return self.embed([((), p) for p in prefixes])


def asked(count: int = 16) -> list[Question]:
    return [Question(f"What is {n} + {n}?", (str(2 * n),), Grader.NUMBER, f"kind {n % 2}", f"q{n}") for n in range(count)]


def answers(n: int) -> list[list[str]]:
    """Seven answers to question n: of two beginnings, some right, one of a single paragraph."""
    rng = random.Random(n)
    steps = [["abc"[rng.randrange(3)] * 3, f"so {rng.randrange(4)}", f"#### {2 * n + rng.randrange(2)}"] for _ in range(6)]
    return [*steps, [f"#### {2 * n}"]]


def run_in(out: Path, engine: type[ScriptedEngine] = WithStates, count: int = 16, **changes: Any) -> LabelRun:
    questions = asked(count)
    settings = LabelSettings(**({f: getattr(SETTINGS, f) for f in SETTINGS.__dataclass_fields__} | changes))
    script = {q.text: answers(n) for n, q in enumerate(questions)}
    return LabelRun(engine(script), HASHES, questions, settings, out, export=True)


def files(out: Path) -> dict[str, bytes]:
    """Everything in a folder, by name."""
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


class Tracer:
    """Counts the lines of ``training`` that are run, and dies as by ``kill -9`` before number ``fatal`` (0: never)."""

    def __init__(self, fatal: int) -> None:
        self.lines, self.fatal = 0, fatal

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if f"{os.sep}training{os.sep}" not in frame.f_code.co_filename:
            return None
        self.lines += event == "line"
        if self.lines == self.fatal > 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self


def in_child(out: Path, fatal: int) -> int:
    """Run in a forked child that dies before line ``fatal``; returns how it ended (-9: killed)."""
    child = os.fork()
    if child == 0:
        sys.settrace(Tracer(fatal))
        run_in(out).run()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(whole: Path, killed: Path, kills: int, seed: int) -> None:
    """One run undisturbed in ``whole``, and one in ``killed`` that is killed ``kills`` times at random lines."""
    rng, tracer = random.Random(seed), Tracer(0)
    child = os.fork()
    if child == 0:  # the parent must never have used threads when it forks
        sys.settrace(tracer)
        run_in(whole).run()
        (whole / "lines").write_text(str(tracer.lines))
        os._exit(0)
    os.waitpid(child, 0)
    lines = int((whole / "lines").read_text())
    (whole / "lines").unlink()
    ends = [in_child(killed, rng.randrange(1, lines // 5)) for _ in range(kills)]
    ends.append(in_child(killed, 0))
    print(ends)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
