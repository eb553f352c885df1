"""The example of an agent app does what it says, with the embedded model."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

AGENT = str(Path(__file__).parents[1] / "examples" / "agent.py")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Tom has 3 pens and buys 4 more. How many pens does he have now?", "7 (confidence 0."),
        ("Who painted the ceiling of the old town hall?", "a person's reply"),
    ],
)
def test_what_is_sure_is_answered_and_the_rest_is_asked_of_a_person(
    question: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def reply(prompt: str) -> str:
        asked.append(prompt)
        return "a person's reply"

    monkeypatch.setattr("builtins.input", reply)
    monkeypatch.setattr(sys, "argv", [AGENT, question])
    runpy.run_path(AGENT, run_name="__main__")
    assert capsys.readouterr().out.startswith(said)
    assert len(asked) == (said == "a person's reply") and all(question in prompt and "below" in prompt for prompt in asked)
