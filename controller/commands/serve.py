"""``controller serve``: a vLLM server for a model and its estimator, started so that none of its silent traps is open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.commands import options
from controller.errors import ExitCode, reported

EXAMPLE = "Example (without --dry-run it starts):\n\ncontroller serve --port 8000 --dry-run"


def command(
    model: options.LocalModel = None,
    estimator: Annotated[str | None, typer.Option(metavar="FOLDER", help="Confidence estimator that reads the model.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; other machines reach 0.0.0.0.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 8000,
    dtype: Annotated[
        str, typer.Option(metavar="auto|float32|bfloat16|float16", help="auto: float32 on a CPU, else the checkpoint's.")
    ] = "auto",
    context: Annotated[
        int | None, typer.Option(min=64, help="Most tokens of a prompt and its answer (the model's own, up to 8192).")
    ] = None,
    kv_memory: Annotated[
        int | None, typer.Option(metavar="MIB", min=16, help="Size of the KV cache; on a GPU what vLLM finds free.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="CONTROLLER_API_KEY", help="Key that clients must show; best in the environment.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter of the environment that has vLLM.")] = None,
    wait: Annotated[float, typer.Option(min=1, help="Seconds until the server must answer.")] = 900.0,
    log: Annotated[Path, typer.Option(help="Where the server's own messages go.")] = Path("vllm.log"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command and start nothing.")] = False,
    extra: Annotated[list[str] | None, typer.Argument(metavar="[-- VLLM OPTIONS]", help="Handed to vLLM as they are.")] = None,
    config: options.Config = None,
) -> None:
    """Serve a model and its estimator with vLLM until Ctrl-C."""
    given = {
        "host": host, "port": port, "dtype": dtype, "context": context, "kv_memory": kv_memory, "python": python,
        "extra": tuple(extra or ()),
    }  # fmt: skip
    with reported():
        _serve({"model": model, "estimator": estimator, "api_key": api_key}, config, given, wait, log, dry_run)
    raise typer.Exit(ExitCode.DONE)


def _serve(flags: dict[str, Any], config: Path | None, given: dict[str, Any], wait: float, log: Path, dry_run: bool) -> None:
    from controller import serving
    from controller.service import service_for
    from controller.settings import load_settings

    service = service_for(load_settings(config, **flags), **given)
    if dry_run:
        print(serving.as_shell(service))
        return
    _run(service, wait, log)


def _run(service: Any, wait: float, log: Path) -> None:
    from controller import screen, serving
    from controller.errors import say

    _interrupt_once()
    try:
        with serving.started(service, log) as process:
            with screen.waiting("starting vLLM"):
                seconds = serving.wait_until_ready(service, process, log, wait)
            names = " and ".join([service.name, *service.adapters])
            say(f"{service.url} serves {names} after {seconds:.0f} s; Ctrl-C stops it (its messages: {log})")
            serving.watch(process, log)
    except KeyboardInterrupt:
        say("stopped")


def _interrupt_once() -> None:
    """The first signal that asks for an end interrupts; later ones would only interrupt the stopping."""
    import signal

    # A shell's background job starts with SIGINT ignored. Who ignores SIGHUP (nohup) wants the server to outlive the terminal.
    asked = [signal.SIGINT, signal.SIGTERM]
    asked += [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]

    def interrupt(*_: object) -> None:
        for each in asked:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in asked:
        signal.signal(each, interrupt)
