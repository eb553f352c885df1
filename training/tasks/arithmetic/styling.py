"""What is done to a rendered question: an irrelevant sentence now and then, 'If ..., how many', the question first."""

from __future__ import annotations

import re

from training.tasks.arithmetic.templates import Names, Scene, compile_text

DISTRACTOR_SHARE = 0.13

_NAMES = Names(frozenset("z"), frozenset())
_ABOUT_LEAD = [
    compile_text(text, _NAMES)
    for text in """{A} is {z} years old.
{A} has {z} cousins.
{A} lives {z} miles from the school.
{A} got up at {z} o'clock.
{A} is in room {z}.
{A} has known {his} best friend for {z} years.
{A} lives on floor {z} of a tall building.
{A's} house has {z} windows.
{A} slept for {z} hours the night before.
{A} has a cat that is {z} years old.
{A's} birthday is in {z} days.
{A} waited {z} minutes for a bus that day.""".splitlines()
]
_GENERAL = [
    compile_text(text, _NAMES)
    for text in """It was {z} o'clock.
The temperature was {z} degrees.
It rained for {z} days before that.
The day was {@day}, the {z}th of {@month}.
The place opened {z} years ago.
There was a clock that was {z} minutes slow.
It took {z} minutes to get there.
A radio was on for {z} hours.
The weather had been sunny for {z} days.
A bus ticket costs {z} cents.""".splitlines()
]
_COMPARED = re.compile(r"\b(each|Each|as|than|it|them|one|others?)\b")
_OPENERS = re.compile(r"^(If|Then|Now|After|When|How|What|Each|By|Half|At|On|In|Later|Of|Soon|So) ")
_KEEP_CAPITAL = re.compile(r"^(I|Mr\.|Mrs\.|Ms\.)\b")
_COMMON = re.compile(
    r"^(He|She|They|There|The|A|An|You|Your|My|His|Her|It|"
    r"One|Some|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten|Eleven|Twelve|Half|Rain|All|[A-Z][a-z]+ [a-z]*s were)\b"
)
_BACKWARD = re.compile(r"\b(he|she|they|them|it|his|her|left|rest|now|others|each|that|you|the|those|these)\b", re.IGNORECASE)


def restyle(scene: Scene, sentences: list[str]) -> str:
    """The question's text from its sentences, sometimes with a distractor, joined by 'If' or turned round."""
    rng = scene.rng
    parts = [" ".join(sentence.split()).replace(" .", ".").replace(" ?", "?").replace(" ,", ",") for sentence in sentences]
    roll = rng.random()
    if len(parts) > 1:
        if roll < DISTRACTOR_SHARE:
            early = rng.random() < 0.3 and not _COMPARED.search(parts[1])
            parts.insert(1 if early else len(parts) - 1, _distractor(scene))
        elif roll < DISTRACTOR_SHARE + 0.16:
            _join_if(parts)
        elif roll < DISTRACTOR_SHARE + 0.21 and parts[-1][:3] in ("How", "Wha") and not _BACKWARD.search(parts[-1]):
            parts.insert(0, parts.pop())
    return " ".join(parts)


def _distractor(scene: Scene) -> str:
    rng = scene.rng
    about_lead = "A" in scene.people and not scene.second_person and rng.random() < 0.65
    options = _ABOUT_LEAD if about_lead else _GENERAL
    scene.numbers["z"] = 4 + int(rng.random() * 9)
    sentence = options[int(rng.random() * len(options))](scene)
    return sentence[0].upper() + sentence[1:]


def _join_if(parts: list[str]) -> None:
    """Turn 'He sells 5. How many are left?' into 'If he sells 5, how many are left?'."""
    statement, question = parts[-2], parts[-1]
    if not statement.endswith(".") or not question.startswith("How ") or _OPENERS.match(statement):
        return
    if _KEEP_CAPITAL.match(statement) or not _COMMON.match(statement):
        joined = statement
    else:
        joined = statement[0].lower() + statement[1:]
    parts[-2:] = [f"If {joined[:-1]}, how {question[4:]}"]
