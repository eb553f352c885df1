"""What is shown: bars, paragraphs, decisions; on wide and narrow, plain and coloured screens."""

import io
from typing import Any

import pytest
from rich.console import Console

from controller import render
from controller.render import Look
from controller.theme import ASCII, GOOD, MIDDLING, POOR, UNICODE, Levels, bar_width, symbols_for
from controller.view import View
from graphs.events import (
    DecisionEvent,
    Header,
    OpinionsEvent,
    OtherAnswer,
    QuestionEvent,
    ResultEvent,
    RevisionEvent,
    Score,
    ScoreEvent,
    SegmentEvent,
)

HOSTILE = "\x1b]0;owned\x07 [bold red]markup[/] [link=x]y[/link] :bomb: \u202egnol"


def score(value: float, low: float, high: float) -> Score:
    return Score(value=value, low=low, high=high)


def console(width: int = 80, encoding: str = "utf-8", **options) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False, **options)


def shown(c: Console) -> str:
    file: Any = c.file
    file.flush()
    return file.buffer.getvalue().decode(file.encoding)


def events(text: str = "Six times seven.\n\n", policy=None):
    names: dict[str, Any] = {"model": "m", "estimator": "e", "engine": "x", "hashes": {}, "versions": {}}
    yield Header(question=text, policy=policy or {"accept": 0.6, "revise": 0.3}, seed=0, **names)
    yield QuestionEvent(prompt_tokens=3, score=score(0.5, 0.4, 0.6), scored_tokens=3, seconds=0)
    yield decision(-1, "continue")
    ids: dict[str, Any] = {"token_ids": [1], "logprobs": [-0.1], "entropies": [0.1]}
    yield SegmentEvent(index=0, attempt=0, purpose="answer", text=text, stop="position", seconds=0, **ids)
    yield ScoreEvent(index=0, score=score(0.2, 0.1, 0.3), scored_tokens=1, seconds=0)
    yield RevisionEvent(cut=0, kept="new", rejected=[text], rejected_score=0.1, kept_score=0.2)
    yield decision(0, "consult")
    others = [
        OtherAnswer(text=text, answer=text, agrees=False, finished=True, tokens=2, score=score(0.4, 0.3, 0.5), weighed=0.3)
    ]
    yield OpinionsEvent(index=0, others=others, weighed=0.2, kept=1, tokens=2, scored_tokens=2, seconds=0)
    yield decision(0, "abstain")
    tokens, seconds = {"answer": 1200, "revised": 2, "lookahead": 3, "scoring": 4}, {"total": 1.25}
    yield ResultEvent(
        outcome="abstained", answer=None, confidence=0.2, reason=text, paragraphs=[], tokens=tokens, seconds=seconds
    )


def decision(index: int, action) -> DecisionEvent:
    return DecisionEvent(index=index, action=action, reason="because", scores=[0.5], finished=False, spent=1, revisions=0)


def view_of(c: Console, *arguments, **options) -> str:
    with View(c) as view:
        for event in events(*arguments, **options):
            view(event)
    return shown(c)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("bounds", [(0, 0, 0), (1, 1, 1), (0.5, 0.25, 0.75), (0.5, 0.5, 0.5), (0.01, 0, 0.99)])
def test_bar_fills_its_cells(width, bounds):
    bar = render.bar(score(*bounds), Look(width))
    assert len(bar) == bar_width(width)


def test_bar_shows_value_and_interval():
    assert render.bar(score(0.5, 0.2, 0.8), Look(40)).plain == "██▓▓▓▒▒▒··"


def test_colours_follow_the_policy():
    levels = Levels(accept=0.6, poor=0.3)
    assert [levels.colour(v) for v in (0.6, 0.59, 0.3, 0.29)] == [GOOD, MIDDLING, MIDDLING, POOR]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_view_in_a_pipe_is_plain_and_fits(width):
    text = view_of(console(width))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    for part in ("Six times seven.", "0.20", "0.10–0.30", "abstain", "1,200", "1.2 s", "rejected"):
        assert part in text


def test_view_without_unicode():
    text = view_of(console(encoding="ascii"))
    assert text.isascii()
    assert "########==--" in text


def test_symbols_follow_the_encoding():
    assert symbols_for(console()) is UNICODE
    assert symbols_for(console(encoding="latin-1")) is ASCII


def test_colours_on_a_terminal_and_none_with_no_color(monkeypatch):
    coloured = view_of(console(force_terminal=True, color_system="256"))
    assert "38;5;" in coloured
    assert "9mSix times seven." in coloured  # struck through
    monkeypatch.setenv("NO_COLOR", "1")
    assert "38;5;" not in view_of(console(force_terminal=True, color_system="256"))


def test_hostile_text_is_shown_and_not_obeyed():
    text = view_of(console(), HOSTILE)
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert "␛]0;owned␇ [bold red]markup[/] [link=x]y[/link] :bomb: \\u202egnol" in text


def test_hundred_kilobytes_in_one_paragraph():
    text = view_of(console(), "x" * 100_000)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("number", [1, 12, 123, 1234])
def test_a_paragraphs_number_is_shown_whole(number):
    c = console(40)
    c.print(render.paragraph(number, "So it is."))
    assert shown(c).split() == [str(number), "So", "it", "is."]


def test_wide_characters_fit():
    for line in view_of(console(40), "羊が三匹います。" * 20).splitlines():
        assert render.Text(line).cell_len <= 40


def test_fresh_answers_are_shown_with_what_they_made_of_the_confidence():
    def other(answer: str | None, weighed: float) -> OtherAnswer:
        known = None if answer is None else score(0.5, 0.4, 0.6)
        return OtherAnswer(
            text="t", answer=answer, agrees=answer == "5", finished=weighed > 0, tokens=9, score=known, weighed=weighed
        )

    def lines(kept: int, *others: OtherAnswer) -> list[str]:
        heard = OpinionsEvent(index=2, others=list(others), weighed=0.71, kept=kept, tokens=9, scored_tokens=9, seconds=0.1)
        c = console()
        c.print(render.opinions(heard, Look(80, UNICODE, Levels())))
        return [line.strip() for line in shown(c).splitlines()]

    confirmed = ["1 of 2 fresh answers agree  → 0.71", "· 5  0.70", "· cut off  0.00"]
    assert lines(0, other("5", 0.7), other(None, 0.0)) == confirmed
    assert lines(1, other("6\n", 0.8)) == ["0 of 1 fresh answer agrees  → 0.71", "✓ 6  0.80  surer, so taken instead"]
