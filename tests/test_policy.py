"""The policy: every decision ends somewhere, and what it says is what its thresholds say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from graphs.policy import Action, Policy, Standing, decide, worst_step
from graphs.policy_file import PolicyError, load_policy, save_policy
from tests.scenarios import policies

confidences = st.floats(0, 1)


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    scores = tuple(draw(st.lists(confidences, min_size=1, max_size=6)))
    return Standing(
        scores=scores,
        finished=len(scores) > 1 and draw(st.booleans()),
        spent=draw(st.integers(0, 700)),
        revisions=draw(st.integers(0, 5)),
        stated=draw(st.booleans()),
        full=draw(st.booleans()),
        consulted=draw(st.booleans()),
    )


@given(standings(), policies())
def test_a_decision_respects_its_bounds(standing: Standing, policy: Policy):
    decision = decide(standing, policy)
    assert decision == decide(standing, policy)
    assert decision.reason and "\n" not in decision.reason
    if decision.action in (Action.CONTINUE, Action.REVISE):
        assert standing.spent < policy.budget
    if decision.action is Action.CONTINUE:
        assert not standing.finished
    if decision.action is Action.REVISE:
        assert standing.revisions < policy.max_revisions
        assert decision.cut is not None and 0 <= decision.cut < len(standing.scores) - 1
    else:
        assert decision.cut is None
    if decision.action is Action.CONSULT:
        assert standing.finished and standing.stated and policy.opinions and not standing.consulted
        assert policy.hopeless <= standing.scores[-1] < policy.sure
    else:
        acceptable = standing.finished and standing.stated and standing.scores[-1] >= policy.accept
        assert (decision.action is Action.FINISH) == acceptable
    assert not decision.budget_spent or decision.action is Action.ABSTAIN


@given(standings(), policies(), confidences)
def test_more_confidence_never_turns_an_accepted_answer_down(standing: Standing, policy: Policy, more: float):
    if decide(standing, policy).action is Action.FINISH:
        surer = replace(standing, scores=(*standing.scores[:-1], max(more, standing.scores[-1])))
        assert decide(surer, policy).action in (Action.FINISH, Action.CONSULT)  # out of what is hopeless it may leave doubt
        assert decide(replace(surer, consulted=True), policy).action is Action.FINISH


@given(st.lists(confidences, min_size=2, max_size=8))
def test_the_worst_step_lost_most(scores: list[float]):
    cut = worst_step(scores)
    assert all(scores[cut] - scores[cut + 1] >= scores[i] - scores[i + 1] for i in range(len(scores) - 1))


@pytest.mark.parametrize(
    ("standing", "action", "reason"),
    [
        (Standing((0.05,), False, 0, 0), Action.ABSTAIN, "the question itself"),
        (Standing((0.5,), False, 0, 0), Action.CONTINUE, "nothing is written"),
        (Standing((0.5, 0.6), False, 9, 0), Action.CONTINUE, "good enough"),
        (Standing((0.9, 0.4), False, 9, 0), Action.REVISE, "this step lost 0.50"),
        (Standing((0.3, 0.15), False, 9, 0), Action.REVISE, "0.15 is below 0.20"),
        (Standing((0.3, 0.15), False, 9, 1), Action.CONTINUE, "no revision left"),
        (Standing((0.3, 0.09), False, 9, 0), Action.ABSTAIN, "0.09 is below 0.10: beyond revising"),
        (Standing((0.3, 0.09), False, 9, 1), Action.ABSTAIN, "0.09 is below 0.10"),
        (Standing((0.3, 0.3), False, 99, 0), Action.ABSTAIN, "budget"),
        (Standing((0.3, 0.7), True, 99, 0), Action.FINISH, "acceptance"),
        (Standing((0.3, 0.4), True, 9, 0), Action.REVISE, "complete, but"),
        (Standing((0.3, 0.4), True, 9, 1), Action.ABSTAIN, "no revision is left"),
        (Standing((0.3, 0.09), True, 9, 0), Action.ABSTAIN, "complete, but 0.09 is below 0.10: beyond revising"),
        (Standing((0.3, 0.4), True, 99, 0), Action.ABSTAIN, "budget"),
        (Standing((0.3, 0.9), True, 9, 0, stated=False), Action.ABSTAIN, "no final answer"),
    ],
)
def test_each_rule(standing: Standing, action: Action, reason: str):
    decision = decide(standing, Policy(give_up=0.1, max_revisions=1, budget=99))
    assert decision.action is action and reason in decision.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"accept": 0.1},
        {"width": 2},
        {"position": "sometimes"},
        {"budget": 0},
        {"typo": 1},
        {"accept": float("nan")},
        {"temperature": 1e-300},
        {"temperature": 0.0099},
    ],
)
def test_an_impossible_policy_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        Policy.model_validate(wrong)


@pytest.mark.parametrize(
    ("spelt", "kept"), [("periodic", "periodic:30"), (" entropy ", "entropy:1.5"), ("entropy:2.0", "entropy:2")]
)
def test_a_position_has_one_spelling(spelt: str, kept: str):
    assert Policy(position=spelt) == Policy(position=kept) and Policy(position=spelt).position == kept
    assert Policy(position=kept).position == kept and Policy.model_validate({}).position == "paragraph"


@given(policies())
def test_a_saved_policy_is_read_back_equal(policy: Policy):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.toml"
        save_policy(policy, path, comment="tuned\non 400 questions")
        assert load_policy(path) == policy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("acept = 0.5", "unknown key 'acept', did you mean 'accept'?"),
        ("accept = 0.05", "thresholds out of order"),
        ("accept = 1.5", "accept: Input should be less than or equal to 1"),
        ("temperature = 1e-300", "temperature 1e-300 is too low to sample at: give 0 (greedy) or 0.01 at least"),
        ("accept = true", "accept: Input should be a valid number"),
        ("accept = ", "not a TOML file"),
        ("position = 'never'", "unknown position"),
        ("[accept]\nx = 1", "accept: Input should be a valid number"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str, says: str):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert says in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_told(tmp_path: Path):
    with pytest.raises(PolicyError, match="No such file"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="not a TOML file"):
        load_policy(tmp_path / "binary.toml")
    with pytest.raises(PolicyError, match="cannot write"):
        save_policy(Policy(), tmp_path / "no" / "policy.toml")


@given(st.floats(0, 1), st.floats(0, 1))
def test_what_is_said_to_be_below_a_threshold_looks_so(now: float, accept: float) -> None:
    policy = Policy(accept=accept, revise=0, abstain=0, max_revisions=0)
    decision = decide(Standing((0.5, now), finished=True, spent=1, revisions=0), policy)
    if now < accept:
        shown, limit = re.findall(r"\d[\d.e-]*", decision.reason)[:2]
        assert float(shown) < float(limit)


def test_the_settings_page_names_every_key_with_the_value_that_holds_without_it():
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")
    told = {}
    for line in page.partition("| key |")[2].splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[0].startswith("`"):
            values = [value.strip(" `") for value in cells[1].split(",")]
            told |= dict(zip((key.strip(" `") for key in cells[0].split(",")), values, strict=True))
    assert told == {name: str(value) for name, value in Policy().model_dump().items()}
