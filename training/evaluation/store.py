"""What is done stays done: each stage's result as a file, so that a killed run goes on where it stopped."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Say = Callable[[str], None]


class Store:
    """Stage results under ``directory``, in a folder named by everything they depend on (``facts``), so that another model,
    plan or set of questions never reads them. ``say`` gets a line of progress a stage; ``saved`` is the time in seconds that
    stages from earlier runs took then."""

    def __init__(self, directory: Path, facts: Any, say: Say) -> None:
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
        self.folder, self.say, self.saved = directory / "stages" / digest, say, 0.0
        self._counted: set[str] = set()
        self.folder.mkdir(parents=True, exist_ok=True)

    def keep(self, name: str, make: Callable[[], Any], *, tell: bool = True) -> Any:
        """What ``make`` gave in this run or an earlier one; it must be plain JSON (not a number is allowed). ``tell``: say
        when it is done."""
        path = self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json.gz"
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                kept = json.load(file)
            if name not in self._counted:
                self._counted.add(name)
                self.saved += kept["seconds"]
            return kept["made"]
        started = time.monotonic()
        made = make()
        self._counted.add(name)
        self._write(path, {"seconds": time.monotonic() - started, "made": made})
        if tell:
            self.say(f"{name}: {time.monotonic() - started:.0f} s")
        return made

    def _write(self, path: Path, value: Any) -> None:
        """Whole or not at all: a kill in the middle leaves no half file under the final name."""
        unfinished = path.with_suffix(f".{os.getpid()}")
        with gzip.open(unfinished, "wt", encoding="utf-8", compresslevel=3) as file:
            json.dump(value, file)
        os.replace(unfinished, path)
