"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_RUN, _POLICY = "Model", "Policy"

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="Settings file; without it ./controller.toml, if there is one.")
]
Model = Annotated[
    str | None,
    typer.Option(help="Model: 'embedded', a folder or a Hub name; of a server its name there.", rich_help_panel=_RUN),
]
LocalModel = Annotated[str | None, typer.Option(help="Model: 'embedded', a folder or a Hub name.", rich_help_panel=_RUN)]
Estimator = Annotated[
    str | None,
    typer.Option(
        help="Confidence estimator that reads the model: a folder; of a server its name there, or NAME=FOLDER.",
        rich_help_panel=_RUN,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(metavar="local|vllm", help="Where the model runs: here, or on a vLLM server.", rich_help_panel=_RUN),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address of the vLLM server (key: CONTROLLER_API_KEY).", rich_help_panel=_RUN),
]
Seed = Annotated[int | None, typer.Option(help="Seed of all sampling.", rich_help_panel=_RUN)]
PolicyFile = Annotated[Path | None, typer.Option("--policy", metavar="FILE.toml", help="Policy file, as 'tune' writes it.")]
StartPolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="START.toml",
        help="Policy to start from; without --choose-on only its accept changes.",
        rich_help_panel="Start policy",
    ),
]
RunPolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE.toml",
        help="Thresholds and bounds; the options below change it.",
        rich_help_panel=_POLICY,
    ),
]
Position = Annotated[
    str | None,
    typer.Option(help="Where to read confidence: paragraph, periodic:TOKENS, entropy:NATS.", rich_help_panel=_POLICY),
]
Opinions = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Hold a complete answer in doubt against N fresh ones, 0 for none.", rich_help_panel=_POLICY
    ),
]
Lookahead = Annotated[
    str | None,
    typer.Option(metavar="W,D", help="Look ahead with W branches, D segments deep.", rich_help_panel=_POLICY),
]
Temperature = Annotated[
    float | None, typer.Option(help="Sampling temperature; 0 is greedy, without fresh answers.", rich_help_panel=_POLICY)
]
Budget = Annotated[int | None, typer.Option(help="Most tokens for one question.", rich_help_panel=_POLICY)]
Accept = Annotated[float | None, typer.Option(help="Confidence from which an answer is given out.", rich_help_panel=_POLICY)]
