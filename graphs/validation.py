"""What pydantic found wrong, as people read it."""

from __future__ import annotations

from pydantic import ValidationError


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, behind the name of its field where it is one field's, in one line."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    return (f"{place}: " if place else "") + problem["msg"].removeprefix("Value error, ")
