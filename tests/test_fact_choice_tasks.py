"""The fact and multiple-choice generators: reproducible, true to their tables, and honest about what is held out."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice, product

import pytest

from estimator.types import Demonstration, Grader
from training.tasks import choice, choice_base, choice_categories, choice_others, facts
from training.tasks.choice_base import Request

GENERATORS = (facts.generate, choice.generate)
DRAWS = 4000


def _options(text: str) -> dict[str, str]:
    """The options of a question in either layout, by letter."""
    if "\n" in text:
        return {line[0]: line[3:] for line in text.split("\n")[1:]}
    starts = [(letter, text.index(f"({letter}) ")) for letter in choice.LETTERS if f"({letter}) " in text]
    ends = [at for _, at in starts[1:]] + [len(text) + 1]
    return {letter: text[at + 4 : end - 1] for (letter, at), end in zip(starts, ends, strict=True)}


def _draws(generate, seed: int, count: int = DRAWS, **settings) -> list[Demonstration]:
    rng = random.Random(seed)
    return [generate(rng, **settings) for _ in range(count)]


@pytest.mark.parametrize("generate", GENERATORS)
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_seed_determines_the_draws(generate, split):
    assert _draws(generate, 7, 200, split=split) == _draws(generate, 7, 200, split=split)
    assert _draws(generate, 7, 200, split=split) != _draws(generate, 8, 200, split=split)


@pytest.mark.parametrize("generate", GENERATORS)
def test_an_unknown_split_raises(generate):
    with pytest.raises(KeyError):
        generate(random.Random(0), split="test")


@pytest.mark.parametrize("generate", GENERATORS)
def test_worked_answers_are_short_and_end_with_the_answer(generate):
    for split in ("train", "heldout"):
        for shown in _draws(generate, 1, 1000, split=split):
            assert 3 <= len(shown.paragraphs) <= 4
            final = shown.paragraphs[-1].removeprefix("#### ")
            assert final in shown.question.answers
            assert all(p and "{" not in p and "\n" not in p for p in shown.paragraphs)
            assert "{" not in shown.question.text


def test_fact_ids_are_unique_and_no_field_is_empty():
    table = facts.load_facts()
    assert len({fact.id for fact in table}) == len(table) > 4000
    for fact in table:
        assert all(text.strip() == text and text for text in (fact.relation, fact.subject, *fact.answers))
        assert len(set(fact.answers)) == len(fact.answers)
        assert fact.id == f"{fact.relation}:{fact.subject}"
        assert "#" not in fact.id


def test_every_relation_has_its_sentences():
    for relation in {fact.relation for fact in facts.load_facts()}:
        assert len(set(facts.PHRASINGS[relation])) >= 6
        assert all("{subject}" in phrasing for phrasing in facts.PHRASINGS[relation])
        assert facts.CLAIMS[relation] and facts.RESTATEMENTS[relation]


def test_all_sentences_of_all_facts_can_be_made_and_state_the_answer():
    for fact in facts.load_facts():
        assert all(fact.answer.casefold() in claim.casefold() for claim in facts.claims(fact))
        assert facts.restatements(fact) is not None
        assert all(facts.exposures()[item] > 0 and item != fact.id for c in facts.contexts(fact) for item in c.reveals)


def test_a_question_carries_its_fact_and_phrasing():
    fact = facts.facts_by_id()["capital:France"]
    question = facts.ask(fact, 0)
    assert question.text == "What is the capital of France?"
    assert (question.answers[0], question.grader, question.kind) == ("Paris", Grader.ALIAS, "fact")
    assert question.id == "capital:France#0"
    assert facts.item_id(question.id) == "capital:France"


def test_exposure_is_skewed_and_some_facts_are_never_trained_on():
    weights = facts.exposures()
    share = sum(weight == 0 for weight in weights.values()) / len(weights)
    assert 0.06 < share < 0.10
    capitals = [facts.exposure(fact) for fact in facts.load_facts() if fact.relation == "capital"]
    assert max(capitals) / min(weight for weight in capitals if weight) > 50


@pytest.mark.parametrize("module", [facts, choice])
def test_untrained_items_are_never_drawn_in_training(module):
    drawn = {facts.item_id(shown.question.id) for shown in _draws(module.generate, 2)}
    assert all(module.exposures()[item] > 0 for item in drawn)
    held = {facts.item_id(shown.question.id) for shown in _draws(module.generate, 2, split="heldout")}
    assert any(module.exposures()[item] == 0 for item in held)


def test_held_out_fact_phrasings_stay_out_of_training():
    for split in ("train", "heldout"):
        for shown in _draws(facts.generate, 3, split=split):
            item, _, index = shown.question.id.partition("#")
            border = len(facts.PHRASINGS[facts.facts_by_id()[item].relation]) - 2
            assert (int(index) >= border) == (split == "heldout")


def test_held_out_stems_stay_out_of_training():
    stems = [choice_base.WORDING[key] for key in choice_base.WORDING if key[1] == "ask"]
    assert all(len(set(texts)) == len(texts) >= 6 for texts in stems)
    for form, texts in ((key[0], texts) for key, texts in choice_base.WORDING.items() if key[1] == "ask"):
        rng = random.Random(form)
        slots = {"category": "x", "a_category": "a x", "cue": "y", "factor": 3, "letter": "q"}
        seen = {split: {choice_base.ask(rng, form, split, **slots) for _ in range(200)} for split in ("train", "heldout")}
        assert not seen["train"] & seen["heldout"]
        assert len(seen["heldout"]) == 2 and len(seen["train"]) == len(texts) - 2


def test_a_missing_template_slot_raises():
    with pytest.raises(KeyError):
        choice_base.ask(random.Random(0), "category", "train")


@pytest.mark.parametrize("module", [facts, choice])
def test_items_restrict_the_draws_and_what_is_told(module):
    known = [item for item in module.all_ids() if module.exposures()[item] > 0]
    some = frozenset(known[::97])
    for split in ("train", "heldout"):
        shown = _draws(module.generate, 4, 500, split=split, items=some)
        assert {facts.item_id(one.question.id) for one in shown} <= some
    with pytest.raises(ValueError, match="no item"):
        module.generate(random.Random(0), items=())


def test_a_context_outside_the_items_is_not_told():
    fact = facts.facts_by_id()["capital:Greece"]
    assert facts.tellable_contexts(fact, None)
    assert not facts.tellable_contexts(fact, frozenset({fact.id}))


def test_choice_ids_are_unique_and_tables_have_no_empty_fields():
    assert len(set(choice.all_ids())) == len(choice.all_ids())
    for category in choice_categories.categories().values():
        assert len(category.members) >= 5 or category.name == "season"
        assert all(noun.strip() == noun and noun and ":" not in noun for noun in category.members)
        assert category.conflicts <= {*choice_categories.categories(), "*"}
    answers = {(p.relation, p.answer) for p in choice_others.properties().values()}
    for entry in choice_others.properties().values():
        assert entry.cue and entry.answer and 1 <= entry.prominence <= 5 and entry.answer not in entry.also
        assert all((entry.relation, other) in answers for other in entry.also)


def _categories_of(noun: str) -> set[str]:
    return {c.name for c in choice_categories.categories().values() if noun in c.members}


def test_members_of_categories_are_never_offered_as_wrong():
    for name in choice_categories.categories():
        for related in (True, False):
            outside = choice_categories.outsiders(name, related)
            assert len({noun for _, noun in outside}) >= 5
            for other, noun in outside:
                assert name not in _categories_of(noun)
                assert not choice_categories.categories()[other].conflicts & {name}


@pytest.mark.parametrize("wrong_count", [2, 3, 4])
def test_every_item_makes_a_question_with_one_right_option(wrong_count):
    rng = random.Random(wrong_count)
    for family in choice.FAMILIES:
        for item, split in islice(product(family.weights(), ("train", "heldout")), 0, None, 3):
            made = family.build(rng, Request(item, wrong_count, split, None))
            assert 2 <= len(made.wrong) <= wrong_count
            assert len({made.gold, *made.wrong}) == len(made.wrong) + 1
            _check_truth(item, made)


def _check_truth(item: str, made: choice_base.Choice) -> None:
    kind, *rest = item.split(":")
    if kind == "category":
        shared = {name for name in choice_categories.categories() if all(name in _categories_of(w) for w in made.wrong)}
        assert made.gold == rest[1]
        assert not shared & _categories_of(made.gold)
        assert shared or all(rest[0] not in _categories_of(wrong) for wrong in made.wrong)
    elif item in choice_others.properties():
        entry = choice_others.properties()[item]
        assert made.gold == entry.answer and not {*made.wrong} & {entry.answer, *entry.also}
    elif kind == "number":
        _check_number(rest[0], int(made.gold), [int(wrong) for wrong in made.wrong])
    elif kind == "word":
        starts = rest[0] == "starts"
        assert all(w[0] != made.gold[0] if starts else len(w) < len(made.gold) for w in made.wrong)
    else:
        accepted = facts.facts_by_id()[item].answers
        assert made.gold == accepted[0] and not {*made.wrong} & {*accepted}


def _check_number(rule: str, gold: int, wrong: list[int]) -> None:
    if rule in ("largest", "smallest"):
        assert gold == (max if rule == "largest" else min)([gold, *wrong])
        return
    factor = int(rule.removeprefix("multiple of ")) if rule.startswith("multiple") else 2
    rest = 1 if rule == "uneven" else 0
    assert gold % factor == rest
    assert all((other % factor == rest) is False for other in wrong)


def test_an_odd_one_out_is_the_only_one():
    assert choice_categories.is_odd("hammer", ("apple", "banana", "pear"))
    assert not choice_categories.is_odd("hammer", ("saw", "drill", "pear"))


def test_letters_are_uniform_and_name_the_gold_option():
    letters: Counter[str] = Counter()
    for shown in _draws(choice.generate, 5):
        options = _options(shown.question.text)
        letter = shown.question.answers[0]
        assert shown.question.grader is Grader.CHOICE and shown.question.kind == "choice"
        assert shown.question.answers == (letter, options[letter])
        assert shown.paragraphs[-2].endswith(f" {options[letter]}.")
        if len(options) == 4:
            letters[letter] += 1
    total = sum(letters.values())
    assert set(letters) == set("ABCD")
    assert all(abs(count / total - 0.25) < 0.04 for count in letters.values())
