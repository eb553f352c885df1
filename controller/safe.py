"""Text of questions and models is data: nothing in it may steer a terminal or reorder a line.

Newlines and tabs stay; every other control character, the bidirectional overrides and lone surrogates become visible.
Right-to-left letters, combining marks and emoji are ordinary text and pass through.
"""

from __future__ import annotations

import json
import re

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400
_DELETE, _DELETE_PICTURE = 0x7F, "\u2421"


def visible(text: str) -> str:
    """``text`` with what could act on a terminal made visible: ESC as a picture, a bidi override as ``\\u202e``."""
    return _UNSAFE.sub(lambda found: _picture(ord(found[0])), text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """Visible text on a single line, cut with an ellipsis: for messages and titles."""
    line = " ".join(visible(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def json_line(value: object, *, ascii_only: bool = False) -> str:
    """One line of JSON that is readable and harmless on a terminal: unsafe characters are written as JSON escapes."""
    text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _picture(code: int) -> str:
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if code == _DELETE:
        return _DELETE_PICTURE
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
