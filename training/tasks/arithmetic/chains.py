"""Stories in which one quantity evolves through several events, sometimes with a closing sale or packing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TypeVar

from training.tasks.arithmetic import language
from training.tasks.arithmetic.engine import (
    CONTINUED,
    NounDraws,
    Step,
    draw_nouns,
    parse_nouns,
    parse_step,
)
from training.tasks.arithmetic.templates import Names, Render, Scene, compile_text

# A domain: nouns; starts (^); events by operation; question sentences (?); solution sentences by operation (=+ and =-).
DOMAINS = """
@ x=small
^ {A} had {s x}. | {A} started with {s x}. | In the beginning {A} had {s x}. | {A} has a collection of {s x}.
+ {he} [bought|found|got] {n more} [{@when}|]. | {B} gave {him} {n more x}. | Then {he} [found|won|got] {n x}. | {he}
    got another {n} {@gift}.
+ {n more} came in the mail. | {his} friends gave {him} {n more}. | After that {he} bought {n x} at {@store}.
- {he} gave {n} [of them|] to {B}. | {he} lost {n} {@when}. | Then {he} sold {n} of them. | {n} of them broke. | {he}
    dropped {n} in the river.
- {B} borrowed {n x}. | {he} used {n} for {@event}. | {he} traded away {n x}. | {he} threw away {n} old ones.
* Then {he} [bought|got] enough to [double|have twice] {his} number of {x}. | By the next week {he} had {k.times} as
    many.
/ {he} gave half of {his} {x} away. | {he} sold half of the {x}. | Half of the {x} were lost.
? How many {x} does {A} have [now|left|in the end|]? | How many {x} are there now? | How many {x} did {he} have in the
    end?
=+ Then {A} has {eq x}. | Adding {n} makes {eq x}. | With {n} more there are {eq x}.
=- Then {A} has {eq x}. | Taking away {n} leaves {eq x}. | So {eq x} are left.

@ x=thing
^ {A} [has|begins with] {s x}. | {A} has {s x} in a box.
+ {he} [buys|gets|finds] {n more}. | {B} gives {A} {n x}. | Then {he} [makes|finds|buys] another {n}.
- {he} [gives|sells] {n} to {B}. | {he} loses {n x}. | Then {he} uses {n} of them. | {he} throws {n} away.
* Then the number doubles. | Soon {he} has {k.times} as many.
/ {he} gives half of them to {C}. | Then half of the {x} are sold.
? How many {x} does {A} [finish with|end up with]? | How many {x} does {he} have now? | How many {x} are left?
=+ Then there are {eq x}. | Now {A} has {eq x}.
=- Then there are {eq x}. | That leaves {eq x}.

@ x=food
^ {A} had {s x} in the kitchen. | {A} put {s x} on the table. | {A} [baked|bought] {s x}.
+ {he} [brought|made|bought] {n more}. | {B} brought {n more x}. | Then {n more} were added.
- {he} ate {n} of them. | {B} took {n x}. | The guests ate {n}. | {n x} went bad. | {he} used {n} for a salad.
* Then {he} made enough to have {k.times} as many.
/ Then the children ate half of the {x}. | Half of them were given away.
? How many {x} are left? | How many {x} were there in the end? | How many {x} does {A} have now?
=+ Then there were {eq x}. | Adding {n} gives {eq x}.
=- Then there were {eq x}. | That left {eq x}.

@
^ {A} had {$s}. | {A} saved {$s}. | {A} has {$s} in {his} bank. | {A} started the week with {$s}.
+ {he} earned {$n} for {@chore}. | {he} got {$n} {@gift}. | {B} gave {him} {$n}. | Then {he} found {$n}. | {he} made
    {$n} by selling an old game.
- {he} spent {$n} on {@buy}. | {he} paid {$n} for {@buy}. | {he} lent {$n} to {B}. | {he} gave {$n} to a charity. |
    {he} lost {$n}.
* Then {his} uncle doubled {his} money. | Soon {he} had {k.times} as much.
/ {he} spent half of {his} money on {@goal}. | {he} gave half of it to {B}.
? How much money does {A} have [now|left]? | How many dollars are left? | How much does {he} have in the end?
=+ Then {A} has {eq $}. | With that, it is {eq $}.
=- Then {A} has {eq $}. | That leaves {eq $}.

@ v=ride
^ There were {s} people on a {v.one}. | A {v.one} started with {s} passengers.
+ At the [first|next|last] stop {n more} got on. | {n more} people got on. | Then {n} people joined.
- At the next stop {n} got off. | {n} people got off. | Then {n} people left.
* At the station the number of people doubled.
/ Then half of the people got off. | At the museum half of them left.
? How many people are on the {v.one} now? | How many people were left on it? | How many passengers are there now?
=+ Then there are {eq} people. | After {n} get on, there are {eq}.
=- Then there are {eq} people. | After {n} leave, there are {eq}.

@ x=sale
^ A store had {s x}. | The shop had {s x} on {@day}. | There were {s x} on the shelf of a shop.
+ A truck brought {n more}. | {n new x} were delivered. | Then the shop ordered {n more}. | {n} were returned.
- {n} were sold [{@when}|]. | The shop sold {n}. | A customer bought {n}. | {n x} were damaged.
* Then the stock was doubled.
/ Half of the {x} were sold. | In a sale the shop sold half of them.
? How many {x} are in the shop now? | How many {x} are left? | How many {x} does the store have?
=+ Then there are {eq x}. | The stock grows to {eq x}.
=- Then there are {eq x}. | That leaves {eq x}.

@
^ {A} had {s} points in {@game}. | {A} scored {s} points in the first round. | {A's} team started with {s} points.
+ Then {he} scored {n more}. | {he} won {n} points in the next round. | {he} got {n} bonus points. | In the next level
    {he} got {n} points.
- {he} lost {n} points. | A mistake cost {him} {n} points. | In the next round {he} lost {n}.
* A bonus doubled the score.
/ A bad move cut the score in half.
? What is the score now? | How many points does {A} have [now|at the end]? | How many points are there in the end?
=+ Then the score is {eq}. | With {n} more, the score is {eq}.
=- Then the score is {eq}. | Without {n}, the score is {eq}.

@ u=vol
^ A tank held {s u} of {@liquid}. | There were {s u} in a barrel.
+ {A} poured in {n more}. | Then {n u} were added. | Rain added {n u}.
- {A} took out {n u}. | {n u} leaked out. | Then {n u} were used.
* Then the amount was doubled.
/ Half of it was used.
? How many {u} are in it now? | How much is left?
=+ Then it holds {eq u}.
=- Then it holds {eq u}. | That leaves {eq u}.

@ x=wild
^ There were {s x} {@outdoor}. | {s x} were playing {@outdoor}. | {A} counted {s x}.
+ {n more} came. | Then {n x} joined them. | Later {n more} arrived.
- {n} of them went away. | Then {n x} left. | A noise scared {n} away.
* By evening the number had doubled.
/ At night half of them left.
? How many {x} are there now? | How many {x} were there in the end? | How many {x} stayed?
=+ Then there are {eq x}.
=- Then there are {eq x}. | That leaves {eq x}.

@ x=book+media
^ A library had {s x}. | {A} had {s x} on {his} list.
+ {n new} ones were added. | {n more} came in {@month}. | {B} added {n}.
- {n} were taken out. | {n} of the {x} were removed. | {B} borrowed {n}.
* Over the year the number doubled.
/ Half of the {x} were given to a school.
? How many {x} are there now? | How many {x} are left?
=+ Then there are {eq x}. | Adding {n} gives {eq x}.
=- Then there are {eq x}. | That leaves {eq x}.
"""

# REST becomes 'the rest' after something was taken away, else 'all of them'.
ENDINGS = """
/ REST [are|were] packed into boxes of {n}. How many boxes are needed? => They fill {eq} boxes. |
    The number of boxes is {eq}.
/ REST are shared equally by {n} [friends|children]. How many does each get? => Each one gets {eq}. |
    Shared {n} ways, that is {eq}.
/ REST are put into {n} equal groups. How many are in each group? => Each group has {eq}.
/ REST are put in rows of {n}. How many rows are there? => There are {eq} rows.
* REST are sold for {n dollar} each. How much money does that bring? => They bring {eq} dollars. |
    The money is {eq} dollars.
* REST weigh {n pound} each. How much do they weigh in all? => They weigh {eq pound}.
"""

OPENINGS = """
* {A} had {a} [boxes|bags|packs] with {b x} in each. => At first {A} had {eq x}. | The start is {eq x}.
* {A} bought {a} packs of {b x}. => That is {eq x} to start with.
+ {A} had {a x} at home and {b} at school. => Together {A} had {eq x}.
+ {A} had {a} old {x} and {b} new ones. => At first that is {eq x}.
"""

T = TypeVar("T")

_NUMBERS = frozenset(("s", "n", "k", "r", "a", "b"))


@dataclass(frozen=True, slots=True)
class Domain:
    """The sentences of one kind of evolving quantity."""

    nouns: NounDraws
    texts: dict[str, list[Render]]
    steps: dict[str, Step]
    countable: bool


def _parse_domain(block: str) -> Domain:
    head, *lines = block.rstrip().replace(CONTINUED, " ").splitlines()
    nouns = parse_nouns(head)
    names = Names(_NUMBERS, frozenset(key for keys, _ in nouns for key in keys))
    texts: dict[str, list[Render]] = {}
    told: dict[str, str] = {}
    for line in lines:
        mark, _, body = line.partition(" ")
        if mark[0] == "=":
            told[mark[1]] = body
        else:
            texts.setdefault(mark, []).extend(compile_text(text, names) for text in body.split(" | "))
    told |= {"*": told["+"], "/": told["-"]}
    steps: dict[str, Step] = {}
    for op, body in told.items():
        choices = [text for text in body.split(" | ") if op in "+-" or "{n}" not in text]
        steps[op] = parse_step(f"s=s{op}n | " + " | ".join(choices), names)
    return Domain(nouns, texts, steps, "x" in names.nouns)


_DOMAINS = tuple(_parse_domain(block) for block in DOMAINS.split("\n@")[1:])
_NAMES = Names(_NUMBERS, frozenset("x"))


def _parse_pairs(table: str, result: str, operands: tuple[str, str]) -> dict[str, list[tuple[Render, Step]]]:
    pairs: dict[str, list[tuple[Render, Step]]] = {}
    for line in table.strip().replace(CONTINUED, " ").splitlines():
        text, _, told = line[2:].partition(" => ")
        op = line[0]
        step = parse_step(f"{result}={operands[0]}{op}{operands[1]} | {told}", _NAMES)
        pairs.setdefault(op, []).append((compile_text(text, _NAMES), step))
    return pairs


_ENDINGS = {
    taken: _parse_pairs(ENDINGS.replace("REST", rest), "s", ("s", "n"))
    for taken, rest in ((True, "[The rest|The others]"), (False, "All of them"))
}
_OPENINGS = _parse_pairs(OPENINGS, "s", ("a", "b"))


def _pick(rng: random.Random, options: list[T]) -> T:
    return options[int(rng.random() * len(options))]


def _start(scene: Scene, domain: Domain, steps: int) -> tuple[str, list[Step]]:
    """The opening sentence, and its solution step when the opening itself is a small computation."""
    rng, numbers = scene.rng, scene.numbers
    if domain.countable and domain is not _DOMAINS[5] and domain is not _DOMAINS[8] and steps > 1 and rng.random() < 0.3:
        text, step = _pick(rng, _OPENINGS["*" if rng.random() < 0.6 else "+"])
        top = 11 if step.op == "*" else 80
        numbers["a"], numbers["b"] = 2 + int(rng.random() * top), 2 + int(rng.random() * top)
        sentence = text(scene)
        return sentence, [step]
    numbers["s"] = 3 + int(rng.random() * (20 if rng.random() < 0.3 else 97))
    if rng.random() < 0.08:
        numbers["s"] = 100 + int(rng.random() * 900)
    return _pick(rng, domain.texts["^"])(scene), []


def _event(scene: Scene, domain: Domain, value: int, used: set[Render]) -> tuple[str, str, int]:
    """One event that suits the present value, in words not yet used: its operation, text and operand."""
    rng, numbers = scene.rng, scene.numbers
    roll = rng.random()
    if roll < 0.05 and value < 200:
        op, amount = "*", 2
    elif roll < 0.11 and value % 2 == 0 and value > 3:
        op, amount = "/", 2
    elif roll < 0.56 and value > 4:
        op, amount = "-", 2 + int(rng.random() * (value - 3))
        if amount > 12 and rng.random() < 0.4:
            amount = 2 + amount % 11
    else:
        op, amount = "+", 2 + int(rng.random() * (12 if rng.random() < 0.35 else 60))
    numbers["n"] = numbers["k"] = amount
    texts = domain.texts[op]
    fresh = [text for text in texts if text not in used] or texts
    text = _pick(rng, fresh)
    used.add(text)
    return op, text(scene), amount


def _ending(scene: Scene, value: int, *, taken: bool) -> tuple[str, Step, int] | None:
    rng = scene.rng
    op = "/" if rng.random() < 0.6 else "*"
    fits = [k for k in range(2, 13) if value % k == 0 and value > k] if op == "/" else [2, 3, 4, 5, 6, 10]
    if not fits or (op == "*" and value > 150):
        return None
    amount = _pick(rng, fits)
    scene.numbers["n"] = amount
    text, step = _pick(rng, _ENDINGS[taken][op])
    return text(scene), step, amount


def tell_chain(rng: random.Random, steps: int) -> tuple[Scene, list[str], list[str]]:
    """The scene, question sentences and solution steps of a story with this many operations."""
    while True:
        domain = _DOMAINS[int(rng.random() * len(_DOMAINS))]
        scene = Scene(rng)
        draw_nouns(scene, domain.nouns)
        opening, plan = _start(scene, domain, steps)
        texts = [opening]
        used: set[Render] = set()
        made: list[tuple[Step, int]] = [(step, 0) for step in plan]
        value = scene.numbers["s"] if not plan else _opened(scene, plan[0])
        ends = steps > 1 and domain.countable and rng.random() < 0.3
        while len(made) < steps - ends:
            op, text, amount = _event(scene, domain, value, used)
            texts.append(text)
            made.append((domain.steps[op], amount))
            value = {"+": value + amount, "-": value - amount, "*": value * amount, "/": value // max(amount, 1)}[op]
        if ends:
            if (ending := _ending(scene, value, taken=any(step.op in "-/" for step, _ in made))) is None:
                continue
            texts.append(ending[0])
            made.append((ending[1], ending[2]))
        else:
            texts.append(_pick(rng, domain.texts["?"])(scene))
        return scene, _question(texts), _solve(scene, made)


def _opened(scene: Scene, step: Step) -> int:
    a, b = scene.numbers["a"], scene.numbers["b"]
    scene.numbers["s"] = 0
    return a * b if step.op == "*" else a + b


def _question(texts: list[str]) -> list[str]:
    joined = [text.replace("  ", " ").replace(" .", ".") for text in texts]
    return [sentence for text in joined for sentence in language.polish(text, second_person=False)]


def _solve(scene: Scene, made: list[tuple[Step, int]]) -> list[str]:
    scene.start_solution()
    lines = []
    for step, amount in made:
        scene.numbers["n"] = amount
        line = step.tell(scene)
        if line is None:
            raise ValueError("a chain must stay within the nonnegative integers")
        lines.append(line)
    return lines
