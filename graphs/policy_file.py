"""A policy as a TOML file: one ``name = value`` a line, names and bounds as in ``graphs.policy.Policy``."""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path

from pydantic import ValidationError

from graphs.policy import Policy
from graphs.validation import first_problem


class PolicyError(ValueError):
    """The policy file cannot be read or written; the message says where and why, in one line."""


def load_policy(path: str | Path) -> Policy:
    """Read a policy; what the file leaves out has its default. Raises ``PolicyError``."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"cannot read the policy {path}: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise PolicyError(f"{path}: not a TOML file: {error}") from error
    for name in values:
        if name not in Policy.model_fields:
            near = difflib.get_close_matches(name, Policy.model_fields, 1)
            raise PolicyError(f"{path}: unknown key {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    try:
        return Policy.model_validate(values, strict=True)  # strict: accept = true is a mistake, not 1.0
    except ValidationError as error:
        raise PolicyError(f"{path}: {first_problem(error)}") from None


def save_policy(policy: Policy, path: str | Path, comment: str = "") -> None:
    """Write every value of a policy, below the lines of ``comment``. Raises ``PolicyError``."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    lines += [f"{name} = {json.dumps(value)}" for name, value in policy.model_dump().items()]
    try:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"cannot write the policy {path}: {error.strerror}") from error
