"""Text from outside cannot steer a terminal, and ordinary text of any script passes unchanged."""

import json

import pytest

from controller.safe import json_line, one_line, visible

HOSTILE = "\x1b[31mred\x1b[0m \x9b2J \x07 \x00 \u202eevil\u202c \u2066x\u2069 \x7f \ud800"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2J", "␛[2J"),
        ("\x00", "␀"),
        ("\x07\x08\r", "␇␈␍"),
        ("\x7f", "␡"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202ecba\u202c", "\\u202ecba\\u202c"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("\ud800", "\\ud800"),
        ("a\nb\tc", "a\nb\tc"),
        ("a\r\nb", "a\nb"),
    ],
)
def test_control_characters_become_visible(raw, shown):
    assert visible(raw) == shown


@pytest.mark.parametrize("text", ["كم عدد الأغنام؟", "e\u0301tude", "👩‍👩‍👧 = 3", "שלום", "[bold]not markup[/]", ":smile:"])
def test_ordinary_text_passes(text):
    assert visible(text) == text


def test_json_stays_json_and_harmless():
    line = json_line({"text": HOSTILE, "plain": "é 羊 👍"})
    assert json.loads(line)["text"] == HOSTILE
    assert "é 羊 👍" in line
    assert not any(c in line for c in "\x1b\x9b\x7f\u202e\u2066\ud800\n")


def test_json_refuses_what_json_does_not_have():
    with pytest.raises(ValueError):
        json_line({"x": float("nan")})


def test_one_line_is_one_short_line():
    assert one_line("a\nb\t c") == "a b c"
    assert len(one_line("x" * 1000)) == 200
