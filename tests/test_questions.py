"""What counts as a question, from an argument, stdin and a file."""

import io
import json

import pytest

from controller.questions import (
    MAX_CHARACTERS,
    Asked,
    QuestionError,
    answer_from,
    check_question,
    question_from,
    questions_from_file,
)


@pytest.fixture
def stdin(monkeypatch):
    def give(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


@pytest.mark.parametrize("text", ["كم؟", "e\u0301?", "👩‍👩‍👧?", "x" * MAX_CHARACTERS, "[bold]a[/]", "\x1b[31m?"])
def test_all_text_is_taken_as_it_is(text):
    assert check_question(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("x" * (MAX_CHARACTERS + 1), "20,000"),
        ("a\x00b", "NUL"),
        ("\udcff", "Unicode"),
    ],
)
def test_refused(text, why):
    with pytest.raises(QuestionError, match=why):
        check_question(text)


@pytest.mark.parametrize(
    ("data", "why"), [(b"\xff\xfe", "UTF-8"), (b"", "empty"), (b"a\x00b", "NUL"), (b"x" * 100_000, "20,000")]
)
def test_stdin_is_checked(stdin, data, why):
    stdin(data)
    with pytest.raises(QuestionError, match=why):
        question_from("-")


def test_stdin_is_read(stdin):
    stdin("wie viele Schäfchen?\r\n".encode())
    assert question_from("-") == "wie viele Schäfchen?"


def test_file_of_questions_in_all_forms(tmp_path):
    path = tmp_path / "q.jsonl"
    lines = ['{"id": 7, "question": "one", "answer": "1"}', '"two"', "", "three plain", '"Four" is what?', "\ufefffive"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert [a.text for a in questions_from_file(path)] == ["one", "two", "three plain", '"Four" is what?', "\ufefffive"]
    assert [a.id for a in questions_from_file(path)] == [7, None, None, None, None]


@pytest.mark.parametrize(
    "line",
    [
        '{"question": ',
        '{"text": "x"}',
        '{"question": 3}',
        "42",
        "[1]",
        "null",
        '{"question": " "}',
        '"a\\u0000"',
        '{"question": "x", "id": ' + "9" * 5000 + "}",
        '{"question": "x", "id": NaN}',
        '{"question": "x", "id": 1e999}',
        '{"question": "x", "id": [{"a": -Infinity}]}',
    ],
)
def test_bad_line_is_named(tmp_path, line):
    path = tmp_path / "q.jsonl"
    path.write_text("good\n" + line + "\n", encoding="utf-8")
    with pytest.raises(QuestionError, match="q.jsonl:2"):
        questions_from_file(path)


def test_text_that_is_no_json_is_text_and_where_it_looks_like_json_the_remedy_is_told(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text("9" * 5000)
    assert questions_from_file(path) == [Asked("9" * 5000)]
    path.write_text("[A] or [B]?")
    with pytest.raises(QuestionError, match=":1: not valid JSON .* quoted as a JSON string"):
        questions_from_file(path)
    path.write_text(json.dumps("[A] or [B]?"))
    assert questions_from_file(path) == [Asked("[A] or [B]?")]


def test_deep_nesting_is_a_bad_line(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(QuestionError, match=":1"):
        questions_from_file(path)


def test_file_without_questions_and_missing_file(tmp_path):
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(QuestionError, match="no question"):
        questions_from_file(tmp_path / "empty")
    with pytest.raises(QuestionError, match="cannot read"):
        questions_from_file(tmp_path / "missing")


def test_line_separators_inside_a_question_do_not_end_it(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "a\u2028b"}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert questions_from_file(path) == [Asked("a\u2028b")]


def test_answer_from_text_file_and_stdin(tmp_path, stdin):
    (tmp_path / "a.txt").write_text("from a file")
    stdin(b"from stdin")
    assert answer_from("given") == "given"
    assert answer_from(f"@{tmp_path / 'a.txt'}") == "from a file"
    assert answer_from("-") == "from stdin"


def test_lines_may_end_in_either_way():
    assert question_from("one\r\ntwo") == "one\ntwo"
    assert answer_from("7.\r\n\r\n#### 7") == "7.\n\n#### 7"
