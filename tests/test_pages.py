"""The commands that the pages show are ones that can be given."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from controller.cli import app

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    blocks = "".join(BLOCK.findall((ROOT / page).read_text())).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in blocks.splitlines() if line.removeprefix("$ ").startswith("controller ")]


@pytest.mark.parametrize("page", ["README.md", "docs/real-models.md", "docs/figures.md"])
def test_every_command_on_the_page_has_its_options(page: str) -> None:
    known: Any = typer.main.get_command(app)
    shown = commands(page)
    assert shown
    for line in shown:
        _, name, *arguments = shlex.split(line, comments=True)
        known.commands[name].make_context(name, arguments)  # raises where there is no such option or value


@pytest.mark.parametrize("name", [str(command.name) for command in app.registered_commands])
def test_the_example_of_each_help_can_be_given(name: str) -> None:
    known: Any = typer.main.get_command(app)
    example = importlib.import_module(f"controller.commands.{name}").EXAMPLE.splitlines()[-1]
    _, command, *arguments = shlex.split(example)
    assert command == name
    known.commands[name].make_context(name, arguments)
    assert all((ROOT / a).is_file() for a in arguments if a.startswith("examples/"))


def test_the_page_installs_what_its_commands_need() -> None:
    page = (ROOT / "docs" / "real-models.md").read_text()
    assert "pip install '.[train]'" in page and page.index("doctor --policy") > page.index("controller tune")
