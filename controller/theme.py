"""Colours and symbols of the views. Palette entries of middling brightness read on dark and on light screens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console

GOOD, MIDDLING, POOR = "color(28)", "color(136)", "color(160)"
ACCENT = "color(32)"


@dataclass(frozen=True, slots=True)
class Symbols:
    """``sure`` fills the bar up to the low end of the interval, ``value`` from there to the value, ``maybe`` up to the
    high end and ``empty`` the rest."""

    sure: str
    value: str
    maybe: str
    empty: str
    keep: str
    revise: str
    consult: str
    abstain: str
    finish: str
    rejected: str
    otherwise: str
    arrow: str
    dash: str
    separator: str

    def of_action(self, action: str) -> str:
        return {
            "continue": self.keep,
            "revise": self.revise,
            "consult": self.consult,
            "abstain": self.abstain,
            "finish": self.finish,
        }[action]


UNICODE = Symbols("█", "▓", "▒", "·", "↓", "↺", "⇄", "■", "✓", "✗", "◇", "→", "–", "·")
ASCII = Symbols("#", "=", "-", ".", "v", "~", "&", "X", "*", "x", "?", "->", "-", "|")


def symbols_for(console: Console) -> Symbols:
    """The plain set where the terminal's encoding has no others."""
    return UNICODE if console.encoding.lower().replace("-", "").startswith("utf") else ASCII


def bar_width(console_width: int) -> int:
    """Cells of a confidence bar: about a quarter of the line."""
    return max(10, min(30, console_width // 4))


@dataclass(frozen=True, slots=True)
class Levels:
    """From where on a confidence counts as good, and below where as poor: the policy's own thresholds."""

    accept: float = 0.5
    poor: float = 0.2

    @classmethod
    def of(cls, policy: Mapping[str, Any]) -> Self:
        """Poor is what is revised or ends the run."""
        default = cls()
        poor = [float(policy[name]) for name in ("revise", "abstain") if name in policy]
        return cls(float(policy.get("accept", default.accept)), max(poor, default=default.poor))

    def colour(self, value: float) -> str:
        if value >= self.accept:
            return GOOD
        return POOR if value < self.poor else MIDDLING
