"""The view again from the trace alone."""

import json
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from tests.cli_double import BAD, PENS, invoke, scripted, use

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def traces(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    use(monkeypatch)
    live = {name: invoke("solve", q, "--trace", f"{name}.jsonl").stdout for name, q in {"pens": PENS, "bad": BAD}.items()}
    return live


@pytest.mark.parametrize("name", ["pens", "bad"])
def test_replay_shows_what_was_shown(traces, name):
    result = invoke("replay", f"{name}.jsonl", "--static")
    assert result.exit_code == 0
    assert result.stdout == traces[name]


def test_replay_imports_no_model():
    script = "import sys; from controller.cli import app; app(['replay', sys.argv[1]], standalone_mode=False)\n"
    script += "assert not {'torch', 'transformers', 'peft', 'langgraph'} & set(sys.modules), sorted(sys.modules)"
    command = [sys.executable, "-c", script, str(Path("pens.jsonl").absolute())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "confidence 0.90" in done.stdout


def test_cut_off_trace_is_shown_up_to_its_last_whole_line():
    data = Path("pens.jsonl").read_bytes().splitlines(keepends=True)
    Path("cut.jsonl").write_bytes(b"".join(data[:6]) + data[6][:20])
    result = invoke("replay", "cut.jsonl")
    assert result.exit_code == 0
    assert "3 x 4 = 12." in result.stdout and "breaks off" in result.stdout
    report = json.loads(invoke("replay", "cut.jsonl", "--json").stdout)
    assert (report["complete"], report["result"]) == (False, None)


def test_pictures():
    assert invoke("replay", "pens.jsonl", "--svg", "a.svg", "--html", "a.html").exit_code == 0
    svg = Path("a.svg").read_text()
    assert svg.startswith("<svg") and "https://cdn" not in svg
    assert "line-through" in svg
    assert "12 - 7 = 5." in Path("a.html").read_text()
    assert invoke("replay", "pens.jsonl", "--svg", "no/such/a.svg").exit_code == 1
    before = Path("pens.jsonl").read_text()
    for kind in ("--svg", "--html"):
        assert invoke("replay", "pens.jsonl", kind, f"a.{kind[2:]}").exit_code == 0  # a picture may be made again
        refused = invoke("replay", "pens.jsonl", kind, "pens.jsonl")
        assert (refused.exit_code, "something else" in refused.stderr) == (2, True)
    assert Path("pens.jsonl").read_text() == before


@pytest.mark.parametrize("words", ["What does @font-face mean?", "Where does @font-face { src: url(x) } end? { }"])
def test_a_picture_of_words_about_fonts_keeps_them(monkeypatch, words):
    use(monkeypatch, scripted({words: [[f"It names a font, {words}", "#### 5"]]}))
    invoke("solve", words, "--trace", "fonts.jsonl")
    assert invoke("replay", "fonts.jsonl", "--svg", "a.svg").exit_code == 0
    svg = Path("a.svg").read_text()
    style, _, shown = svg.partition("</style>")
    said = unescape(shown).replace("\xa0", " ")
    assert f"It names a font, {words}" in said and said.count(words) == 3  # the title, the question, the answer
    assert svg.endswith("</svg>\n") and "@font-face" not in style and "https://cdn" not in svg


def test_the_page_does_not_replace_the_picture():
    for page in ("same", "./same"):
        result = invoke("replay", "pens.jsonl", "--svg", "same", "--html", page)
        assert (result.exit_code, Path("same").exists()) == (2, False) and "two files" in result.stderr


def test_what_if():
    Path("strict.toml").write_text("accept = 0.95\n")
    text = invoke("replay", "pens.jsonl", "--policy", "strict.toml").stdout
    assert "what if  same" in text and "would have" in text
    report = json.loads(invoke("replay", "pens.jsonl", "--policy", "strict.toml", "--json").stdout)
    assert report["what_if_policy"]["accept"] == 0.95
    assert report["decisions"][0]["what_if"]["text"] == "same"
    assert report["decisions"][-1]["action"] == "finish" and report["decisions"][-1]["what_if"]["action"] != "finish"


def test_another_spelling_of_a_position_is_no_other_position():
    assert invoke("solve", PENS, "--position", "periodic", "--trace", "t.jsonl").exit_code == 0
    Path("p.toml").write_text('position = "periodic"\n')
    decisions = json.loads(invoke("replay", "t.jsonl", "--policy", "p.toml", "--json").stdout)["decisions"]
    assert {d["what_if"]["text"] for d in decisions} == {"same"}


def test_json_tells_the_run():
    report = json.loads(invoke("replay", "pens.jsonl", "--json").stdout)
    assert report["complete"] and report["result"]["answer"] == "5"
    assert [d["action"] for d in report["decisions"]] == ["continue", "continue", "revise", "continue", "finish"]
    assert "what_if" not in report["decisions"][0]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("missing.jsonl",), 2),
        (("pens.jsonl", "--policy", "missing.toml"), 2),
        (("pens.jsonl", "--speed", "0"), 2),
        (("pens.jsonl", "--step"), 2),  # no terminal to wait at
        (("empty.jsonl",), 1),
        (("wrong.jsonl",), 1),
    ],
)
def test_exit_codes(arguments, code):
    Path("empty.jsonl").touch()
    Path("wrong.jsonl").write_text('{"question": "no trace"}\n')
    result = invoke("replay", *arguments)
    assert result.exit_code == code and result.stderr


def test_speed_paces(monkeypatch):
    from controller.playback import Pace
    from graphs.trace import read_trace

    waited = []
    monkeypatch.setattr("controller.playback.time.sleep", waited.append)
    for event in read_trace("pens.jsonl").events:
        Pace(speed=2).wait(event)
    assert len(waited) > 5 and all(0 <= w < 1 for w in waited)
