"""The local engine against the plain definition: whatever is batched, cached or dropped, the text is the same."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import astuple
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from estimator.engines import decode, local, network
from estimator.engines.base import ContextTooLong, EngineError, SampleRequest, Sampling
from estimator.engines.decode import Decoder
from estimator.engines.local import LocalEngine, split
from estimator.engines.recorded import Extension
from estimator.levels import level_ids
from estimator.loading import adapted
from estimator.positions import Position, PositionKind, cut
from estimator.types import StopReason
from tests.conftest import tiny_model


def engine_of(tiny: Any, **options: Any) -> LocalEngine:
    model, tokenizer = tiny
    return LocalEngine(model, tokenizer, name="tiny", **options)


def with_adapter(tiny: Any, merge: bool = False, **options: Any) -> LocalEngine:
    """An engine on the model with a random adapter beside it."""
    model, tokenizer = tiny
    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    with tempfile.TemporaryDirectory() as directory:
        get_peft_model(copy.deepcopy(model), config).save_pretrained(directory)
        reader = adapted(model, Path(directory), merge=merge)
    return LocalEngine(model, tokenizer, name="tiny", reader=reader, level_ids=level_ids(tokenizer), **options)


PROMPTS = [f"{'Please. ' * k}Tom has {k} apples and eats {k + 1}." for k in range(1, 24)]


@pytest.fixture(scope="module")
def requests(tiny: Any) -> list[SampleRequest]:
    engine = engine_of(tiny)
    return [SampleRequest(engine.prompt_ids(p), n=1 + k % 4, seed=3) for k, p in enumerate(PROMPTS)]


def test_a_sample_does_not_depend_on_its_company(tiny: Any, requests: list[SampleRequest]) -> None:
    sampling = Sampling(max_tokens=40)
    alone = [engine_of(tiny).sample([r], sampling)[0] for r in requests]
    for options in ({}, {"max_rows": 7}, {"threads": 2}):
        together = engine_of(tiny, **options).sample(requests, sampling)
        pairs = [(a, b) for x, y in zip(together, alone, strict=True) for a, b in zip(x, y, strict=True)]
        # Sums in another order differ in the last bit, which may tip a draw that falls between two tokens, once in thousands.
        assert np.mean([a.token_ids == b.token_ids for a, b in pairs]) > 0.95


def as_on_a_gpu(engine: LocalEngine) -> LocalEngine:
    """The engine with the passes of fixed shapes that a GPU records, here without being recorded."""
    engine.decoder = Decoder(engine.model, engine.vocabulary.end_ids, engine.table, engine.decoder.max_rows, fixed=True)
    for read in filter(None, (engine._base, engine._reads)):
        read.extension = Extension(read.net, read.head)
    return engine


def rooms_of(engine: LocalEngine) -> list[Any]:
    assert engine.decoder.rooms is not None
    return list(engine.decoder.rooms._kept.values())


@pytest.mark.parametrize("pool", [None, Position(PositionKind.PERIODIC, every=5)])
def test_passes_of_fixed_shapes_write_the_same(tiny: Any, requests: list[SampleRequest], pool: Position | None) -> None:
    sampling = Sampling(max_tokens=40, pool=pool)
    ordinary = engine_of(tiny, max_rows=24)
    fixed = as_on_a_gpu(engine_of(tiny, max_rows=24))
    expected = ordinary.sample(requests, sampling)
    for again in (requests, requests[:3], requests):  # what a batch leaves behind in the slots reaches no other
        got = fixed.sample(again, sampling)
        pairs = [(a, b) for x, y in zip(got, expected, strict=False) for a, b in zip(x, y, strict=True)]
        same = [(a, b) for a, b in pairs if a.token_ids == b.token_ids]
        assert len(same) >= len(pairs) - 2  # a draw that falls between two tokens may tip
        for a, b in same:
            np.testing.assert_allclose(a.logprobs, b.logprobs, atol=2e-4)
    if pool is not None:
        texts = [(r.prefix, s.token_ids[:5]) for r, x in zip(requests, got, strict=True) for s in x if len(s.token_ids) > 5]
        np.testing.assert_allclose(fixed.embed(texts), engine_of(tiny).embed(texts), atol=2e-3)


def test_extensions_of_fixed_shapes_read_the_same(tiny: Any) -> None:
    ordinary, fixed = with_adapter(tiny), as_on_a_gpu(with_adapter(tiny))
    prompt = ordinary.prompt_ids(PROMPTS[4])
    text = prompt
    for more in (3, 16, 1, 40, 64, 280):  # within a size, at its edge, beyond all of them
        text = (*text, *(10 + (7 * i) % 200 for i in range(more)))
        np.testing.assert_allclose(fixed.levels([text]), ordinary.levels([text]), atol=1e-4)
    assert fixed.usage == ordinary.usage
    other = (*prompt, 9, 8, 7)  # back to the prompt, with what the longer text left behind it in the columns
    np.testing.assert_allclose(fixed.levels([other]), ordinary.levels([other]), atol=1e-4)
    sampling = Sampling(max_tokens=30, position=Position(PositionKind.PERIODIC, every=6))
    for engine in (ordinary, fixed):
        engine.forget()
    prefix = prompt
    for _ in range(4):
        [[a]], [[b]] = (e.sample([SampleRequest(prefix, seed=2)], sampling) for e in (ordinary, fixed))
        assert a.token_ids == b.token_ids
        prefix = (*prefix, *a.token_ids)


def test_room_of_fixed_shapes_is_kept_for_one_row_and_for_many(tiny: Any) -> None:
    fixed, ordinary = as_on_a_gpu(engine_of(tiny)), engine_of(tiny)
    prompt, long = ordinary.prompt_ids(PROMPTS[0]), tuple(5 + i % 300 for i in range(ordinary.max_context - 40))
    sampling, rooms = Sampling(max_tokens=60, temperature=0.0), set()
    for request in (SampleRequest(prompt, n=6), SampleRequest(long), SampleRequest(prompt, n=5), SampleRequest(prompt)):
        [got], [expected] = fixed.sample([request], sampling), ordinary.sample([request], sampling)
        assert [s.token_ids for s in got] == [s.token_ids for s in expected]
        rooms |= {id(slots) for slots, _ in rooms_of(fixed)}
    assert len(rooms) == 2


def test_what_is_no_number_in_one_row_stays_there(tiny: Any) -> None:
    fixed = as_on_a_gpu(with_adapter(tiny))
    request, text = SampleRequest(fixed.prompt_ids(PROMPTS[3]), n=3, seed=4), fixed.prompt_ids(PROMPTS[5])
    before, read = fixed.sample([request], Sampling(max_tokens=20)), fixed.levels([(*text, 7), (*text, 7, 8)])
    assert fixed._reads is not None and fixed._reads.extension is not None and fixed._reads.extension._cache is not None
    with torch.inference_mode():
        for cache in (*(slots.cache for slots, _ in rooms_of(fixed)), fixed._reads.extension._cache):
            cache.values.fill_(float("nan"))
    assert fixed.sample([request], Sampling(max_tokens=20)) == before
    fixed._reads.cache.entries.popitem()
    assert fixed.levels([(*text, 7), (*text, 7, 8)]) == read


def test_fixed_shapes_reach_no_position_beyond_the_context(tiny_tokenizer: Any) -> None:
    """A model with a table of positions has none for rows and tokens that only fill a shape."""
    torch.manual_seed(3)
    config = AutoConfig.for_model("gpt2", vocab_size=len(tiny_tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64)
    model = AutoModelForCausalLM.from_config(config).eval()
    ordinary, fixed = (engine_of((model, tiny_tokenizer), max_rows=3) for _ in range(2))
    as_on_a_gpu(fixed)
    requests = [SampleRequest(tuple(range(5, 5 + n)), seed=1) for n in (50, 40, 20, 10, 5)]
    sampling = Sampling(max_tokens=50, temperature=0.0)
    pairs = zip(fixed.sample(requests, sampling), ordinary.sample(requests, sampling), strict=True)
    assert all(a[0].token_ids == b[0].token_ids for a, b in pairs)
    prefix, more = tuple(range(5, 60)), (7, 8, 9)
    for engine in (ordinary, fixed):
        engine.next_logprobs([prefix], [1])
        engine._base.cached([prefix])
    a, b = (engine._base.cached([(*prefix, *more)])[0].logits for engine in (ordinary, fixed))
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_a_context_is_no_longer_than_a_sliding_window(tiny_tokenizer: Any) -> None:
    model = tiny_model("mistral", len(tiny_tokenizer), tiny_tokenizer.eos_token_id)
    model.config.sliding_window = 40
    engine = engine_of((model, tiny_tokenizer))
    assert engine.max_context == 40
    with pytest.raises(ContextTooLong, match="40"):
        engine.sample([SampleRequest(tuple(range(5, 50)))], Sampling(max_tokens=4))


def test_a_row_keeps_its_own_limit_when_it_takes_anothers_slot(tiny: Any) -> None:
    """The context leaves the long prompt a few tokens; the short one, which moves into its slot, has room for more."""
    engine, sampling = engine_of(tiny), Sampling(max_tokens=60, temperature=0.0)
    engine.decoder.ends[:] = False
    short, long = (5, 6, 7), tuple(5 + i % 300 for i in range(engine.max_context - 8))
    [[a], [b]] = engine.sample([SampleRequest(long), SampleRequest(short)], sampling)
    assert (len(a.token_ids), len(b.token_ids)) == (8, 60)


def test_samples_of_a_prefix_differ_and_a_seed_repeats_them(tiny: Any) -> None:
    engine = engine_of(tiny)
    prefix = engine.prompt_ids(PROMPTS[0])
    first = engine.sample([SampleRequest(prefix, n=6, seed=1)], Sampling(max_tokens=20))[0]
    again = engine.sample([SampleRequest(prefix, n=2, seed=1, first_index=4)], Sampling(max_tokens=20))[0]
    other = engine.sample([SampleRequest(prefix, n=6, seed=2)], Sampling(max_tokens=20))[0]
    assert len({s.token_ids for s in first}) == 6
    assert [s.token_ids for s in again] == [s.token_ids for s in first[4:]]
    assert {s.token_ids for s in first}.isdisjoint(s.token_ids for s in other)


def test_sampling_draws_from_the_models_distribution(tiny: Any) -> None:
    model, _ = tiny
    engine = engine_of(tiny, max_rows=256)
    prefix = engine.prompt_ids(PROMPTS[2])
    with torch.inference_mode():
        for temperature in (1.0, 0.5):
            exact = (model(torch.tensor([prefix])).logits[0, -1] / temperature).softmax(-1).numpy()
            sampling = Sampling(max_tokens=1, temperature=temperature)
            drawn = engine.sample([SampleRequest(prefix, n=4000, seed=5)], sampling)[0]
            counts = np.bincount([s.token_ids[0] for s in drawn], minlength=len(exact)) / 4000
            assert 0.5 * np.abs(counts - exact).sum() < 0.5 * np.sqrt(2 / np.pi * exact * (1 - exact) / 4000).sum() * 1.5 + 0.01


def test_logprobs_and_entropies_are_those_of_a_plain_pass(tiny: Any, requests: list[SampleRequest]) -> None:
    engine = engine_of(tiny)
    for request, segments in zip(requests, engine.sample(requests, Sampling(max_tokens=30)), strict=True):
        for s in segments[:1]:
            logprobs, entropies = engine.annotate(request.prefix, s.token_ids)
            np.testing.assert_allclose(s.logprobs, logprobs, atol=2e-4)
            np.testing.assert_allclose(s.entropies, entropies, atol=2e-4)


def test_greedy_text_is_that_of_transformers_generate(tiny: Any) -> None:
    model, _ = tiny
    engine = engine_of(tiny)
    for prompt in PROMPTS[:4]:
        prefix = engine.prompt_ids(prompt)
        expected = model.generate(torch.tensor([prefix]), max_new_tokens=25, do_sample=False, pad_token_id=0)[0, len(prefix) :]
        got = engine.sample([SampleRequest(prefix)], Sampling(temperature=0, max_tokens=25))[0][0]
        assert got.token_ids == tuple(expected.tolist())


@pytest.mark.parametrize(
    "position",
    [Position(), Position(PositionKind.PERIODIC, every=5), Position(PositionKind.ENTROPY, threshold=2.0, gap=3)],
    ids=str,
)
def test_going_from_position_to_position_is_cutting_one_long_segment(tiny: Any, position: Position) -> None:
    engine = engine_of(tiny)
    prefix = engine.prompt_ids(PROMPTS[1])
    whole = engine.sample([SampleRequest(prefix)], Sampling(temperature=0, max_tokens=60))[0][0]
    parts = cut(whole, position, engine.table)
    assert tuple(i for p in parts for i in p.token_ids) == whole.token_ids
    written = prefix
    for part in parts[:-1]:
        got = engine.sample([SampleRequest(written)], Sampling(temperature=0, max_tokens=60, position=position))[0][0]
        assert (got.token_ids, got.stop) == (part.token_ids, StopReason.POSITION)
        written = (*written, *got.token_ids)


def test_the_base_generates_the_same_bits_with_and_without_an_adapter(tiny: Any, requests: list[SampleRequest]) -> None:
    plain, loaded = engine_of(tiny), with_adapter(tiny)
    sampling = Sampling(max_tokens=25)
    prefixes = [r.prefix for r in requests]
    before = plain.sample(requests, sampling)
    mixed = []
    for i, request in enumerate(requests):  # scores in between must leave no trace either
        mixed += loaded.sample([request], sampling)
        loaded.levels(prefixes[: i + 1])
    alone = [plain.sample([r], sampling)[0] for r in requests]
    assert mixed == alone
    assert loaded.sample(requests, sampling) == before


def test_no_end_token_is_text(tiny: Any) -> None:
    """Chat models have several: the end of the turn, and the end of all text."""
    model, tokenizer = copy.deepcopy(tiny[0]), tiny[1]
    other = next(i for i in range(len(tokenizer)) if i != tokenizer.eos_token_id)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, other]
    engine = LocalEngine(model, tokenizer, name="tiny")
    written = engine.text_ids("so 4")
    assert engine.decode([*written, other]) == engine.decode([*written, engine.end_id]) == "so 4"


def test_the_adapter_does_read_something(tiny: Any) -> None:
    engine = with_adapter(tiny)
    levels = engine.levels([engine.prompt_ids(p) for p in PROMPTS[:3]])
    assert all(abs(sum(q) - 1) < 1e-5 for q in levels)
    assert len(set(levels)) == 3
    with pytest.raises(EngineError, match="estimator"):
        engine_of(tiny).levels([engine.prompt_ids(PROMPTS[0])])


def test_the_adapter_reads_the_same_beside_shared_weights_and_added_into_copies(tiny: Any) -> None:
    shared, merged = with_adapter(tiny), with_adapter(tiny, merge=True)
    prefixes = [shared.prompt_ids(p) for p in PROMPTS]
    np.testing.assert_allclose(shared.levels(prefixes), merged.levels(prefixes), atol=1e-5)
    held = {p.data_ptr() for p in shared.model.parameters()}
    assert held <= {p.data_ptr() for p in shared.reader.parameters()}
    assert not held & {p.data_ptr() for p in merged.reader.parameters()}


def test_levels_do_not_depend_on_batch_or_cache(tiny: Any) -> None:
    engine = with_adapter(tiny)
    base = [engine.prompt_ids(p) for p in PROMPTS]
    nested = [p[:n] for p in base for n in (len(p), len(p) - 3, len(p) - 7)]
    bulk = np.array(engine.levels(nested))
    single = np.array([with_adapter(tiny).levels([p])[0] for p in nested[:6]])
    stepwise = np.array([engine.levels([p])[0] for p in nested[::-1]])[::-1]
    np.testing.assert_allclose(bulk[:6], single, atol=1e-5)
    np.testing.assert_allclose(bulk, stepwise, atol=1e-5)


def test_a_score_costs_the_new_tokens_alone(tiny: Any) -> None:
    engine = with_adapter(tiny)
    prefix = engine.prompt_ids(PROMPTS[5])
    engine.levels([prefix])
    assert engine.usage.scored == len(prefix)
    for _ in range(3):
        paragraph = engine.sample([SampleRequest(prefix)], Sampling(max_tokens=11))[0][0].token_ids
        prefix = (*prefix, *paragraph)
        before = engine.usage
        engine.levels([prefix])
        assert engine.usage.scored - before.scored == len(paragraph)
        before = engine.usage
        engine.sample([SampleRequest(prefix)], Sampling(max_tokens=1))
        assert engine.usage.prefilled - before.prefilled == len(paragraph)


@pytest.mark.parametrize("n", [1, 3])
def test_going_on_from_a_position_costs_the_base_one_token(tiny: Any, n: int) -> None:
    engine, sampling = engine_of(tiny), Sampling(max_tokens=11, position=Position(PositionKind.PERIODIC, every=3))
    prefix = engine.prompt_ids(PROMPTS[5])
    for _ in range(3):
        segments = engine.sample([SampleRequest(prefix, n=n)], sampling)[0]
        prefix = (*prefix, *segments[-1].token_ids)
        before = engine.usage.prefilled
        went_on = engine.sample([SampleRequest(prefix)], sampling)[0][0]
        assert engine.usage.prefilled - before == 1
        afresh = engine_of(tiny).sample([SampleRequest(prefix)], sampling)[0][0]
        assert went_on.token_ids == afresh.token_ids
        np.testing.assert_allclose(went_on.logprobs, afresh.logprobs, atol=2e-4)


def test_a_prefix_is_computed_once_for_all_its_samples(tiny: Any, requests: list[SampleRequest]) -> None:
    engine = engine_of(tiny, max_rows=5)
    engine.sample(requests, Sampling(max_tokens=5))
    assert engine.usage.prefilled == sum(len(r.prefix) for r in requests)


def test_prefixes_computed_together_hold_no_more_than_their_bound_with_padding(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, passes = engine_of(tiny), []
    computed = engine._base.batch

    def watched(prefixes: Any) -> Any:
        passes.append(len(prefixes) * max(map(len, prefixes)))
        return computed(prefixes)

    monkeypatch.setattr(engine._base, "batch", watched)
    monkeypatch.setattr(decode, "PREFILL_TOKENS", 400)
    asked = [SampleRequest((5,) * 300), *(SampleRequest((6, *range(7, 7 + n))) for n in range(10, 40))]
    engine.sample(asked, Sampling(max_tokens=3))
    assert max(passes) <= 400 and len(passes) < 10


def test_where_memory_is_short_fewer_rows_are_written_at_once(
    tiny: Any, requests: list[SampleRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, sampling = as_on_a_gpu(engine_of(tiny)), Sampling(max_tokens=12)
    room = engine.decoder.slots

    def small(rows: int, *shape: Any) -> Any:
        if rows > most:
            raise torch.OutOfMemoryError("out of memory")
        return room(rows, *shape)

    monkeypatch.setattr(engine.decoder, "slots", small)
    most = 9
    few = engine.sample(requests, sampling)
    assert engine.decoder.max_rows == 8
    for got, wanted in zip(chain(*few), chain(*engine_of(tiny, max_rows=8).sample(requests, sampling)), strict=True):
        assert (got.token_ids, got.stop) == (wanted.token_ids, wanted.stop)
        np.testing.assert_allclose(got.logprobs, wanted.logprobs, atol=2e-4)  # rows and columns are rounded up on a GPU
    most = 0
    with pytest.raises(EngineError, match="memory"):
        engine.sample(requests, sampling)


def test_a_text_is_read_in_blocks(tiny: Any, requests: list[SampleRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the logits of a long one do not all exist at once."""
    engine = with_adapter(tiny)
    prefixes, text = [r.prefix for r in requests], (requests[0].prefix, tuple(range(20, 60)))

    def read() -> list[Any]:
        stats = engine.token_statistics([text])[0]
        return [*astuple(stats), *engine.levels(prefixes), *engine.next_logprobs(prefixes, [5, 6, 7]).tolist()]

    whole, blocks = read(), []
    monkeypatch.setattr(network, "HEAD_ROWS", 7)
    monkeypatch.setattr(local, "HEAD_ROWS", 7)
    for net in (engine._base, engine._reads):
        assert net is not None
        net.head = watching(net.head, blocks)
    for a, b in zip(read(), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert max(blocks) == 7 and sum(blocks) == 40 + 2 * len(prefixes)


def watching(head: Any, rows: list[int]) -> Any:
    def watched(states: torch.Tensor) -> torch.Tensor:
        rows.append(len(states))
        return head(states)

    return watched


def test_a_prefix_beyond_the_context_is_refused(tiny: Any) -> None:
    engine = engine_of(tiny)
    with pytest.raises(ContextTooLong, match="512"):
        engine.sample([SampleRequest((5,) * 600)], Sampling(max_tokens=5))


def test_an_answer_never_runs_beyond_the_context(tiny: Any) -> None:
    engine = engine_of(tiny)
    segment = engine.sample([SampleRequest((5,) * 500)], Sampling(max_tokens=100))[0][0]
    assert len(segment.token_ids) <= 12


def test_a_batch_that_empties_in_one_step_leaves_nothing_to_the_next(tiny_tokenizer: Any) -> None:
    """Every second token ends an answer, so that both rows often end at once, and a new one on its first token."""
    model = tiny_model("llama", len(tiny_tokenizer), tiny_tokenizer.eos_token_id)
    model.generation_config.eos_token_id = list(range(0, len(tiny_tokenizer), 2))
    two, one = (LocalEngine(model, tiny_tokenizer, name="tiny", max_rows=rows) for rows in (2, 1))
    asked = [SampleRequest(two.prompt_ids(f"{'Please. ' * (k % 23)}{k} and {k}?"), seed=k) for k in range(600)]
    together, alone = (engine.sample(asked, Sampling(max_tokens=12)) for engine in (two, one))
    assert [s.token_ids for [s] in together] == [s.token_ids for [s] in alone]


def test_threads_get_equal_rows_and_like_work() -> None:
    """Long prompts first, as a file of word problems and facts has them: each thread gets half of either."""
    requests = [SampleRequest((1,) * (60 if i < 10 else 20), n=13) for i in range(20)]
    parts = split(requests, 2)
    assert [sum(r.n for _, r in part) for part in parts] == [130, 130]
    assert [sum(r.n for _, r in part if len(r.prefix) == 60) for part in parts] == [65, 65]
    drawn = sorted((i, r.first_index + s) for part in parts for i, r in part for s in range(r.n))
    assert drawn == [(i, s) for i in range(20) for s in range(13)]


@pytest.mark.parametrize(("architecture", "change"), [("granite", {"logits_scaling": 8.0}), ("gemma2", {"pad_token_id": 0})])
def test_a_model_that_changes_its_logits_behind_its_output_layer_is_refused(
    tiny_tokenizer: Any, architecture: str, change: dict[str, Any]
) -> None:
    sizes = {"vocab_size": len(tiny_tokenizer), "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
    config = AutoConfig.for_model(architecture, **sizes, num_attention_heads=1, num_key_value_heads=1, head_dim=64, **change)
    model: Any = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight *= 40
    with pytest.raises(EngineError, match="vLLM"):
        LocalEngine(model, tiny_tokenizer, name=architecture)
