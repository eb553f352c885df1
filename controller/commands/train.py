"""``controller train``: from labels to an estimator that ``solve`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.commands import options
from controller.errors import UsageError, reported

EXAMPLE = "Example, with the labels of the example of label:\n\ncontroller train labels --out my-estimator"
TECHNIQUES = ("soft", "ift", "value-head")
MIXED = 0.2
_DATA, _RECIPE = "Data", "Recipe"


def command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labels, as 'label' writes them: its folder or a Parquet file.")],
    out: Annotated[Path, typer.Option(metavar="ADAPTER", help="Folder for the estimator; with several seeds one in it each.")],
    json: options.Json = False,
    technique: Annotated[
        str, typer.Option(help="How confidence is said: soft (one token), ift (the text Conf:0.8) or value-head.")
    ] = "soft",
    combine: Annotated[
        Path | None,
        typer.Option(
            metavar="QUESTIONS",
            help="Questions with answers, none trained on: fits the reading with the free signals, and second opinions.",
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers to replay: JSONL of prompt, response.", rich_help_panel=_DATA),
    ] = None,
    general: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="General instruction data: JSONL of prompt and response.", rich_help_panel=_DATA),
    ] = None,
    mixed: Annotated[
        float | None, typer.Option(help=f"Share of steps on replayed and general answers: {MIXED}.", rich_help_panel=_DATA)
    ] = None,
    transfer: Annotated[
        bool,
        typer.Option("--transfer", help="Take labels that another model with this tokenizer made.", rich_help_panel=_DATA),
    ] = False,
    seeds: Annotated[str, typer.Option(metavar="N,N,..", help="One estimator a seed.", rich_help_panel=_RECIPE)] = "5",
    epochs: Annotated[float, typer.Option(min=0.001, max=1000, help="Passes over the labels.", rich_help_panel=_RECIPE)] = 1.2,
    lr: Annotated[float | None, typer.Option(min=1e-9, max=1, help="Peak learning rate.", rich_help_panel=_RECIPE)] = None,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the LoRA.", rich_help_panel=_RECIPE)] = 32,
    dropout: Annotated[
        float, typer.Option(min=0, max=0.9, help="Dropout on the LoRA's inputs.", rich_help_panel=_RECIPE)
    ] = 0.0,
    tokens_per_step: Annotated[int, typer.Option(min=64, help="Tokens of a step.", rich_help_panel=_RECIPE)] = 8_000,
    every: Annotated[int, typer.Option(min=1, help="Steps between looks at held-out questions.", rich_help_panel=_RECIPE)] = 50,
    patience: Annotated[
        int, typer.Option(min=0, help="Looks without a better score that end it; 0 is never.", rich_help_panel=_RECIPE)
    ] = 5,
    paper: Annotated[
        bool,
        typer.Option("--paper", help="The paper's optimiser: AdamW, lr 1e-4, beta2 0.5, warm-up 300.", rich_help_panel=_RECIPE),
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes; without it 1 on a GPU, 2 on a CPU.", rich_help_panel=_RECIPE)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the estimator in ADAPTER.")] = False,
    model: options.LocalModel = None,
    config: options.Config = None,
) -> None:
    """Train the estimator of a model on its labels. It can be killed at any time and goes on with --resume."""
    with reported(go_on="--resume goes on from the last checkpoint, where one was written"):
        from controller import train_view
        from controller.training import Request, run

        request = Request(
            data=data,
            out=out,
            technique=_technique(technique),
            seeds=_seeds(seeds),
            combine=combine,
            mixtures=tuple(p for p in (replay, general) if p is not None),
            transfer=transfer,
            resume=resume,
            overwrite=overwrite,
            changes={
                "epochs": epochs,
                "rank": rank,
                "alpha": 2 * rank,
                "dropout": dropout,
                "tokens_per_step": tokens_per_step,
                "every": every,
                "patience": patience,
                "mixed": _mixed(mixed, given=bool(replay or general)),
            },
            lr=lr,
            paper=paper,
            processes=processes,
        )
        train_view.result(run(request, model, config), json)


def _technique(text: str) -> str:
    if text not in TECHNIQUES:
        raise UsageError(f"unknown technique {text!r}: use {', '.join(TECHNIQUES)}")
    return text.replace("-", "_")


def _seeds(text: str) -> tuple[int, ...]:
    parts = [p.strip() for p in text.split(",")]
    seeds = tuple(int(p) for p in parts if p.isdecimal() and len(p) < 19)
    if len(set(seeds)) < len(parts):
        raise UsageError(f"{text[:80]!r} is no list of different seeds: give whole numbers such as 5 or 5,6,7")
    return seeds


def _mixed(share: float | None, *, given: bool) -> float:
    """``given``: whether there are answers to mix in."""
    if not given and share is not None:
        raise UsageError("--mixed is the share of steps on other answers: give --replay or --general")
    if share is not None and not 0 < share < 1:
        raise UsageError(f"--mixed is a share between 0 and 1, not {share:g}")
    return (MIXED if share is None else share) if given else 0.0
