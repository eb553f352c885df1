"""The fitted combination: it finds what depends on two inputs together, and means the same after it was written and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from estimator.calibration import Combiner, CombinerError, Logistic, Mass, Terms, adapter_inputs, read_combiner, stage_of
from estimator.engines.base import SampleRequest, Sampling
from estimator.engines.scripted import ScriptedEngine
from estimator.levels import LEVEL_VALUES, interval_around, tilt
from estimator.metrics import auroc, ece
from estimator.positions import cut, parse_position
from estimator.scorers.finece import CombinedScorer
from estimator.signals import SIGNALS, state_of
from estimator.types import Answer
from training.combine import Reading, fit, read

NOTHING = np.zeros(len(SIGNALS))


def readings(count: int, seed: int) -> list[Reading]:
    """The adapter is right in long answers and worthless in short ones."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        chance, trust = rng.uniform(0.05, 0.95), rng.integers(2)
        read = chance if trust else rng.uniform(0.05, 0.95)
        free = rng.normal(size=len(SIGNALS))
        free[SIGNALS.index("log_tokens")] = trust
        state = ("question", "partial", "complete")[i % 3]
        levels = tilt(np.full(len(LEVEL_VALUES), 0.1), read)
        out.append(Reading(state, levels, free if state != "question" else np.zeros(0), int(rng.random() < chance), 1))
    return out


@pytest.fixture(scope="module")
def combiner() -> Combiner:
    return fit(readings(12_000, 0), base_hash="b", adapter_hash="a", data_hash="d", seed=0)


def applied(combiner: Combiner, rows: list[Reading]) -> np.ndarray:
    inputs = np.array([np.concatenate([adapter_inputs(r.levels), r.signals]) for r in rows])
    return combiner.combined["partial"](inputs)


def test_it_trusts_the_adapter_where_it_was_right(combiner: Combiner) -> None:
    rows = [r for r in readings(6000, 1) if r.state == "partial"]
    values, right = applied(combiner, rows), np.array([r.correct for r in rows])
    trusted = np.array([r.signals[SIGNALS.index("log_tokens")] == 1 for r in rows])
    assert auroc(values[trusted], right[trusted]) > 0.75
    assert values[trusted].std() > 1.5 * values[~trusted].std()  # without products they would be equal
    assert ece(values, right) < 0.08


@pytest.mark.parametrize("position", ["paragraph", "periodic:5"])
def test_it_is_fitted_on_what_the_scorer_reads(position: str, combiner: Combiner) -> None:
    """However the answers were cut while they were sampled, and whatever they say of themselves."""
    engine = ScriptedEngine({"Why?": [["It is so.", "Conf: 1.0", "#### 4"]]}, logprob=lambda text: -0.01 * len(text))
    prompt = engine.prompt_ids("Why?")
    [[whole]] = engine.sample([SampleRequest(prompt, seed=0)], Sampling(1.0, 200))
    answer = Answer(prompt, tuple(cut(whole, parse_position(position), engine.table)))
    prefixes = [answer.upto(i) for i in range(len(answer.segments) + 1)]
    readout = _Flat()
    scorer = CombinedScorer(engine, combiner, readout)
    for row, prefix in zip(read(engine, [(a, 1, 1) for a in prefixes], readout), prefixes, strict=True):
        np.testing.assert_array_equal(row.signals, scorer.free_signals(prefix))
        assert row.state == state_of(prefix)
    assert len(readout.heard) == len(prefixes) and not any(": 1" in engine.decode(a.token_ids) for a in readout.heard)


class _Flat:
    """A readout that knows nothing, and keeps what it was given."""

    def __init__(self) -> None:
        self.heard: list[Answer] = []

    def levels(self, answers: Sequence[Answer]) -> list[tuple[float, ...]]:
        self.heard += answers
        return [(0.1,) * len(LEVEL_VALUES)] * len(answers)


def test_it_means_the_same_after_it_was_written(combiner: Combiner) -> None:
    rows = [r for r in readings(60, 2) if r.state == "partial"]
    again = Combiner.model_validate_json(combiner.model_dump_json())
    np.testing.assert_array_equal(applied(again, rows), applied(combiner, rows))


def test_terms_are_inputs_hinges_and_products_of_a_modifier_with_every_other_input() -> None:
    found = Terms(3, [[1.5, 2.5], [], [1.0]], [1])(np.array([[2.0, 3.0, 5.0]]))
    np.testing.assert_array_equal(found, [[2.0, 3.0, 5.0, 0.5, 0.0, 4.0, 6.0, 15.0]])


def test_it_bends_where_an_input_stops_to_matter() -> None:
    rng = np.random.default_rng(3)
    rows, flat = [], tilt(np.full(len(LEVEL_VALUES), 0.1), 0.5)
    for _ in range(6000):
        free = rng.normal(size=len(SIGNALS))
        chance = 0.2 if free[0] < 0 else 0.2 + 0.3 * min(free[0], 2)
        rows.append(Reading("partial", flat, free, int(rng.random() < chance), 1))
    model = fit(rows, base_hash="b", adapter_hash="a", data_hash="d", seed=0).signals["partial"]
    low, zero, high = model(np.array([[x, *[0.0] * (len(SIGNALS) - 1)] for x in (-2.0, 0.0, 2.0)]))
    assert abs(zero - low) < 0.1 and high - zero > 0.4


def test_what_differs_between_engines_is_no_edge() -> None:
    """Most tokens are certain to some digits, so that quantiles of log-probabilities can be anything below 1e-5 apart."""
    rng = np.random.default_rng(4)
    rows, flat = [], tilt(np.full(len(LEVEL_VALUES), 0.1), 0.5)
    for _ in range(3000):
        sure = rng.random() < 0.6
        free = np.full(len(SIGNALS), -rng.uniform(0, 1e-6)) if sure else -rng.exponential(size=len(SIGNALS))
        rows.append(Reading("partial", flat, free, int(rng.random() < (0.9 if sure else 0.2)), 1))
    model = fit(rows, base_hash="b", adapter_hash="a", data_hash="d", seed=0).signals["partial"]
    x = np.array([r.signals for r in rows])
    assert np.ptp(model(x)) > 0.3
    np.testing.assert_allclose(model(x - 1e-5), model(x), atol=1e-3)


def held(fitted: Combiner, rows: list[Reading], mass: Callable[[Reading, float], float]) -> list[bool]:
    """Whether each row's interval of that mass around its confidence holds its share."""
    read = zip(rows, applied(fitted, rows).tolist(), strict=True)
    ends = [(r.correct / r.k, interval_around(r.levels, v, mass(r, v))) for r, v in read]
    return [low <= share <= high for share, (low, high) in ends]


def own_mass(fitted: Combiner) -> Callable[[Reading, float], float]:
    return lambda row, value: fitted.mass[stage_of(row.state, row.signals)](value, row.signals)


def inside(levels: np.ndarray, segments: int, chance: float, rng: np.random.Generator) -> Reading:
    free = np.zeros(len(SIGNALS))
    free[SIGNALS.index("num_segments")] = segments
    return Reading("partial", levels, free, int(rng.binomial(4096, chance)), 4096)


def test_an_interval_holds_the_chance_as_often_as_it_says_where_the_adapter_is_vaguer_than_it_need_be() -> None:
    """In the first paragraph as in later ones, where it knows better and says so no more clearly."""
    noise = {1: 0.1, 2: 0.03}

    def vague(count: int, seed: int) -> list[Reading]:
        rng = np.random.default_rng(seed)
        shape, rows = np.array([1, 2, 4, 8, 16, 16, 8, 4, 2, 1]) / 62, []
        for i, chance in enumerate(rng.uniform(0.2, 0.8, count)):
            segments = 1 + i % 2
            read = float(np.clip(chance + rng.normal(scale=noise[segments]), 0.05, 0.95))
            rows.append(inside(tilt(shape, read), segments, chance, rng))
        return rows

    fitted = fit(vague(1200, 0), base_hash="b", adapter_hash="a", data_hash="d", seed=0)
    assert fitted.mass["later"](0.5, NOTHING) < fitted.mass["first"](0.5, NOTHING) < 0.8
    for first in (True, False):
        rows = vague(1200, 1)[0 if first else 1 :: 2]
        assert np.mean(held(fitted, rows, lambda *_: 0.8)) > 0.9 and 0.7 <= np.mean(held(fitted, rows, own_mass(fitted))) <= 0.9
    later = vague(1200, 1)[1::2]
    assert np.mean(held(fitted, later, lambda r, v: fitted.mass["first"](v, r.signals))) > 0.9  # one mass for both would not do
    few_first = [r for i, r in enumerate(vague(1200, 0)) if i % 2 or i < 60]
    both = fit(few_first, base_hash="b", adapter_hash="a", data_hash="d", seed=0).mass
    assert both["first"](0.5, NOTHING) < 0.6, "too few take the mass of all inside an answer"
    assert both["complete"] == both["question"] == Mass.constant(0.8) and Mass.constant(0.8)(0.3, NOTHING) == pytest.approx(0.8)


def test_an_interval_holds_the_chance_between_as_often_as_near_certainty() -> None:
    """Half of the answers are lost for certain; the others' chance is far from what the adapter reads. One mass for all would
    hold the first always and the others half the time."""

    def half_lost(count: int, seed: int) -> list[Reading]:
        rng, rows = np.random.default_rng(seed), []
        for i in range(count):
            read = 0.03 if i % 2 else rng.uniform(0.3, 0.7)
            chance = 0.0 if i % 2 else float(np.clip(read + rng.normal(scale=0.2), 0.05, 0.95))
            rows.append(
                inside(tilt(np.full(len(LEVEL_VALUES), 0.1) * np.exp(-((LEVEL_VALUES - read) ** 2) * 30), read), 2, chance, rng)
            )
        return rows

    fitted = fit(half_lost(1200, 0), base_hash="b", adapter_hash="a", data_hash="d", seed=0)
    rows = half_lost(1200, 1)
    assert all(held(fitted, rows[1::2], own_mass(fitted))) and 0.7 <= np.mean(held(fitted, rows[::2], own_mass(fitted))) <= 0.9
    assert fitted.mass["later"](0.5, NOTHING) > 0.8 > fitted.mass["later"](0.02, NOTHING)


def test_how_wide_intervals_are_is_no_part_of_what_identifies_a_combination(combiner: Combiner) -> None:
    wider = combiner.model_copy(update={"mass": {stage: Mass.constant(0.9) for stage in combiner.mass}})
    other = combiner.model_copy(update={"signals": {}})
    assert wider.identity() == combiner.identity() != other.identity()
    assert Combiner.model_validate_json(combiner.model_dump_json(indent=1)).identity() == combiner.identity()


def test_no_input_runs_away() -> None:
    model = Logistic(inputs=["a", "b"], centre=[0, 0], scale=[1, 1], weights=[0.5, 0.1, -1.0], bias=0.0, modifiers=["b"])
    np.testing.assert_array_equal(model(np.array([[4.0, 1.0]])), model(np.array([[1e9, 1.0]])))


def test_weights_that_do_not_fit_are_refused(combiner: Combiner) -> None:
    whole = combiner.combined["partial"].model_dump()
    for damage in ({"weights": whole["weights"][1:]}, {"scale": [1.0]}, {"knots": [[0.0]]}, {"modifiers": ["mood"]}):
        with pytest.raises(ValueError, match="do not fit|none of the inputs"):
            Logistic.model_validate(whole | damage)


def test_a_combination_of_other_inputs_is_refused(combiner: Combiner, tmp_path: Path) -> None:
    path = tmp_path / "combiner.json"
    path.write_text(combiner.model_dump_json())
    assert read_combiner(path) == combiner
    path.write_text(
        combiner.model_copy(
            update={"mass": dict.fromkeys(("question", "partial", "complete"), Mass.constant(0.8))}
        ).model_dump_json()
    )
    with pytest.raises(CombinerError, match="nothing fitted for first, later: fit it again"):
        read_combiner(path)
    path.write_text(combiner.model_dump_json().replace('"log_prompt_tokens"', '"mood"'))
    with pytest.raises(CombinerError, match="other inputs.*fit it again"):
        read_combiner(path)
    heard = combiner.model_copy(update={"opinions": {2: combiner.combined["question"]}})
    path.write_text(heard.model_dump_json())
    with pytest.raises(CombinerError, match="other inputs for second opinions: fit it again"):
        read_combiner(path)


@pytest.mark.parametrize("damage", ['{"schema_version": 1', '{"combined": {}, "pairs": []}'])
def test_a_combination_that_cannot_be_read_says_what_to_do(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "combiner.json"
    path.write_text(damage)
    with pytest.raises(CombinerError, match="no combination of this version .*: fit it again") as raised:
        read_combiner(path)
    assert "\n" not in str(raised.value)


def test_a_copy_with_other_weights_answers_with_them() -> None:
    model = Logistic(inputs=["a"], centre=[0], scale=[1], weights=[1.0], bias=0.0)
    before = model(np.array([1.0]))
    copied = model.model_copy(update={"weights": [3.0], "bias": 1.0})
    assert copied(np.array([1.0])) == Logistic(inputs=["a"], centre=[0], scale=[1], weights=[3.0], bias=1.0)(np.array([1.0]))
    assert model(np.array([1.0])) == before
