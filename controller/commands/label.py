"""``controller label``: a model's own success counts on questions with known answers, to train an estimator on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.commands import options
from controller.errors import UsageError, reported

EXAMPLE = "Example, in a checkout:\n\ncontroller label examples/questions.jsonl --out labels --k 8 --one-sample 8 --threads 2"
_LABELS = "Labels"


def _option(text: str, panel: str = _LABELS, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=panel, **more)


def command(
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help="JSONL with answers: GSM8K, MultiArith, AIME24, MMLU, OpenBookQA, TriviaQA, NQ-Open, CommonsenseQA or "
            '{"question": "...", "answer": "..."}; - is stdin.',
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the labels go. A run that was cut off goes on there.")],
    json: options.Json = False,
    k: Annotated[int, _option("Samples of each text (Algorithm 1); 0 leaves Algorithm 1 out.")] = 30,
    clusters: Annotated[int, _option("Partial answers a question goes on from: m.")] = 2,
    truncations: Annotated[int, _option("Truncations of each of them: T.")] = 3,
    one_sample: Annotated[
        int,
        _option(
            "Answers a question that label all of their prefixes with their outcome, beside Algorithm 1 or with --k 0 alone."
        ),
    ] = 0,
    answers: Annotated[int, _option("Complete answers a question, half right and half wrong at most.")] = 4,
    held_out: Annotated[float, _option("Share of the questions in the held-out split.")] = 0.1,
    kind: Annotated[str | None, _option("Call all questions of this kind.")] = None,
    embed: Annotated[str | None, _option("sentence-transformers model that compares partial answers.")] = None,
    llama_factory: Annotated[bool, _option("Also write the labels as LLaMA-Factory reads them.")] = False,
    temperature: Annotated[float, _option("Sampling temperature.", "Model")] = 1.0,
    max_tokens: Annotated[int, _option("Most tokens of one sample.", "Model")] = 256,
    position: options.Position = None,
    chunk: Annotated[int, _option("Questions that share batches; a cut-off run loses one chunk at most.", "Model")] = 64,
    threads: Annotated[int | None, _option("Threads that sample.", "Model")] = None,
    seed: options.Seed = None,
    model: options.Model = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Sample answers and count how often each question and partial answer leads to the right one."""
    wanted = {
        "k": k, "clusters": clusters, "truncations": truncations, "one_sample": one_sample, "answers": answers,
        "held_out": held_out, "embed": embed, "temperature": temperature, "max_tokens": max_tokens, "chunk": chunk,
    }  # fmt: skip
    flags = {
        "position": position, "seed": seed, "model": model, "engine": engine, "base_url": base_url, "threads": threads,
    }  # fmt: skip
    with reported(go_on="the same command goes on from here"):
        _label(questions, out, kind, wanted, flags, json, llama_factory, config)


def _label(
    path: Path,
    out: Path,
    kind: str | None,
    wanted: dict[str, Any],
    flags: dict[str, Any],
    json: bool,
    llama_factory: bool,
    config: Path | None,
) -> None:
    from dataclasses import replace

    from controller import label_view, screen
    from controller.references import distinct_questions_from_file
    from controller.settings import load_settings
    from training.label_chunk import LabelSettings
    from training.label_run import LabelRun, RunError

    settings = load_settings(config, **flags)
    try:
        label = LabelSettings(**wanted, position=settings.position or "paragraph", seed=settings.seed)
    except ValueError as error:
        raise UsageError(str(error)) from None
    asked, left_out = distinct_questions_from_file(path)
    if kind is not None:
        asked = [replace(q, kind=kind) for q in asked]
    if left_out:
        screen.warn(f"{left_out} questions of {path} are left out: they came before, or have no answer to grade by")
    with screen.waiting("loading the model"):
        engine, hashes = load_engine_for(settings)
    fitting = _fitting(engine, asked)
    asked, left_out = fitting, left_out + len(asked) - len(fitting)
    run = LabelRun(engine, hashes, asked, label, out, settings.threads, llama_factory)
    try:
        with label_view.progress(len(asked)) as notify:
            report = run.run(notify)
    except RunError as error:
        raise UsageError(str(error)) from None
    for warning in report["warnings"]:
        screen.warn(warning)
    if json:
        screen.print_json({"out": str(out), "left_out": left_out, **report})
    else:
        label_view.show(report, str(out), screen.output())


def _fitting(engine: Any, asked: list[Any]) -> list[Any]:
    """The questions that leave room for an answer; a line on stderr names the others. UsageError where there are none."""
    from controller import screen

    too_long = {q.id for q in asked if len(engine.prompt_ids(q.text)) >= engine.max_context}
    if too_long:
        first = next(q.id for q in asked if q.id in too_long)
        told = f"too long for the context of {engine.max_context} (first {first!r})"
        if len(too_long) == len(asked):
            raise UsageError(f"none of the questions can be labelled: {told}")
        screen.warn(f"{len(too_long)} questions are left out: {told}")
    return [q for q in asked if q.id not in too_long]


def load_engine_for(settings: Any) -> Any:
    """The engine that the settings name, without an estimator, and its hashes. The seam where tests put in doubles."""
    if settings.server_url is not None:
        from controller.assemble import client_for
        from estimator.served import load_served_engine

        return load_served_engine(client_for(settings), settings.model)
    from estimator.loading import load_engine

    return load_engine(settings.model, threads=settings.threads)
