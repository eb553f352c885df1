"""A vLLM server for a model and its estimator: the command that starts it, and the process from start to stop."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from controller.errors import Failure, UsageError

MIB = 1 << 20
BLOCK_TOKENS = 32  # of the prefix cache: a score computes its new paragraph and at most this much of the text before
BATCH_TOKENS = 4096  # computed in one step on a CPU, prompts included
ROWS = 16  # sequences at full context that the KV cache of a CPU server is made for
STOP_SECONDS = 20.0
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WORKER = Path(__file__).parent / "vllm_worker"
STARTED = "controller serve:"  # begins the messages of each start in a log
REASONS = ("Error", "error:", "Exception")
CODE = re.compile(r"\braise [\w.]+(\(| from |$)")  # which a traceback shows before the error itself
ELSEWHERE = "root cause"  # in the errors of vLLM's other processes, which only say that the reason was written above
KEY_IN_SHELL = "${CONTROLLER_API_KEY:?}"  # unset or empty it ends the command: vLLM takes an empty key for none


@dataclass(frozen=True)
class Service:
    """What is served and how. ``adapters`` maps names to folders; ``kv_bytes`` None leaves the size to vLLM (on a GPU it
    takes its share of the memory); ``cpu`` says that there is no GPU; ``extra`` goes to vLLM as it is."""

    base: Path
    name: str
    adapters: Mapping[str, Path] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8000
    dtype: str = "auto"
    context: int = 4096
    kv_bytes: int | None = None
    api_key: str | None = None
    cpu: bool = False
    python: str = sys.executable
    extra: Sequence[str] = ()

    @property
    def url(self) -> str:
        """Where it is reached from this machine."""
        return f"http://{LOOPBACK if self.host == EVERYWHERE else self.host}:{self.port}"


def command_of(service: Service) -> list[str]:
    """The command line. The key is not in it, where every user of the machine could read it: see ``environment_of``."""
    command = [service.python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(service.base)]
    command += ["--served-model-name", service.name, "--host", service.host, "--port", str(service.port)]
    command += ["--dtype", service.dtype, "--max-model-len", str(service.context), "--block-size", str(BLOCK_TOKENS)]
    command += ["--enable-prefix-caching", "--enable-prompt-tokens-details", "--generation-config", "vllm"]
    if service.kv_bytes is not None:
        command += ["--kv-cache-memory-bytes", str(service.kv_bytes)]
    if service.cpu:
        # A seeded request whose prompt is computed in two steps ends a CPU server: its generator cannot be set back.
        whole = max(service.context, BATCH_TOKENS)
        command += ["--enforce-eager", "--no-enable-chunked-prefill", "--max-num-batched-tokens", str(whole)]
    if service.adapters:
        # A batch mixes base and adapters. With fewer slots than this the base's tokens come out of an adapter.
        command += ["--enable-lora", "--max-loras", str(len(service.adapters) + 1)]
        command += ["--max-lora-rank", str(_max_rank(service.adapters.values()))]
        command += ["--lora-target-modules", *_targets(service.adapters.values())]
        if service.cpu:
            command += ["--worker-extension-cls", "cpu_worker.CpuWorker"]
        command += ["--lora-modules", *(f"{name}={path}" for name, path in service.adapters.items())]
    return [*command, *service.extra]


def environment_of(service: Service) -> dict[str, str]:
    """What the command needs in its environment besides what is there."""
    set_ = {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    if service.cpu:
        set_ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "TORCH_COMPILE_DISABLE": "1", "OMP_NUM_THREADS": "1"}
        set_["PYTHONPATH"] = os.pathsep.join([str(WORKER), *filter(None, [os.environ.get("PYTHONPATH")])])
    if service.api_key is not None:
        set_ |= {"VLLM_API_KEY": service.api_key}
    return set_


def as_shell(service: Service) -> str:
    """Both as a line for a shell; a key stays out of it."""
    shown = {k: shlex.quote(v) for k, v in environment_of(service).items()}
    if service.api_key is not None:
        shown["VLLM_API_KEY"] = f'"{KEY_IN_SHELL}"'
    return " ".join([*(f"{k}={v}" for k, v in shown.items()), shlex.join(command_of(service))])


def check_service(service: Service) -> None:
    """UsageError for what vLLM would refuse after a minute of loading, or serve wrongly without a word."""
    config = read_json(service.base / "config.json")
    for name, path in service.adapters.items():
        adapter = read_json(path / "adapter_config.json")
        if reason := unservable(adapter):
            raise UsageError(f"the estimator {name} at {path} cannot be served: {reason}")
    limit = config.get("max_position_embeddings")
    if isinstance(limit, int) and service.context > limit:
        raise UsageError(f"the model at {service.base} has a context of {limit} tokens: give --context {limit} or less")
    if service.cpu and head_size(config) % 32:
        raise UsageError(f"heads of {head_size(config)} are refused on a CPU (multiples of 32 work): use a GPU")


def unservable(adapter: Mapping[str, Any]) -> str:
    """Why vLLM refuses an adapter (its ``adapter_config.json``); empty where it does not."""
    if adapter.get("use_dora"):
        return "it is a DoRA adapter, and vLLM serves plain LoRA"
    if adapter.get("alora_invocation_tokens"):
        return "it is an activated LoRA, and vLLM serves plain LoRA"
    if adapter.get("modules_to_save"):
        return f"it replaces whole modules ({', '.join(adapter['modules_to_save'])}), and vLLM serves plain LoRA"
    return ""


def default_kv_bytes(config: Mapping[str, Any], context: int, dtype: str) -> int:
    """Room for ``ROWS`` sequences of the whole context, in whole MiB: a CPU server would otherwise take gigabytes."""
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    token = 2 * config["num_hidden_layers"] * heads * head_size(config) * BYTES.get(dtype, 4)
    return max(128 * MIB, -(-ROWS * context * token // MIB) * MIB)


def head_size(config: Mapping[str, Any]) -> int:
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def vllm_python(named: str | None) -> str:
    """The interpreter that has vLLM: the one named, else the project's own second environment, else this one's."""
    beside = Path(sys.prefix).parent / ".venv-vllm" / "bin" / "python"
    return named or (str(beside) if beside.exists() else sys.executable)


def has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None


@contextmanager
def started(service: Service, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process; what it says goes to the end of ``log``. On leaving it is stopped, with all that it started."""
    if not _free(service):  # whoever listens there would be taken for the server
        raise Failure(f"something listens at {service.url} already: stop it, or give another --port")
    with log.open("ab") as sink:  # whatever else is in the file stays there
        sink.write(f"{STARTED} {service.name}\n".encode())
        sink.flush()
        process = _start(service, sink)
        try:
            yield process
        finally:
            stop(process)


def _free(service: Service) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((str(urlsplit(service.url).hostname), service.port)) != 0


def _start(service: Service, sink: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: Ctrl-C reaches this process alone, which then stops the server in good order.
        return subprocess.Popen(
            command_of(service),
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=dict(os.environ) | environment_of(service),
            start_new_session=True,
        )
    except OSError as error:
        raise Failure(f"cannot start {service.python}: {error.strerror}; give --python of an environment with vLLM") from None


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole process group to end, and end what does not, or what its leader left behind."""
    try:
        for how, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGTERM, STOP_SECONDS / 4)):
            if process.poll() is None:
                os.killpg(process.pid, how)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
    finally:  # also where the wait is interrupted; a group keeps its number as long as there is anyone in it
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS / 4)


def wait_until_ready(service: Service, process: subprocess.Popen[bytes], log: Path, seconds: float) -> float:
    """Seconds until the server answers. ``Failure`` with the log's reason where it ends, or takes longer than ``seconds``."""
    import httpx

    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if process.poll() is not None:
            raise Failure(f"vLLM ended with code {process.returncode}: {reason_in(log)} (all of it: {log})")
        try:
            if httpx.get(f"{service.url}/health", timeout=5).is_success:
                return time.monotonic() - begun
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise Failure(f"vLLM did not answer within {seconds:.0f} s: {reason_in(log)} (all of it: {log})")


def watch(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the server's end, which only an interruption should bring. ``Failure`` where it ends by itself."""
    code = process.wait()
    raise Failure(f"vLLM ended with code {code}: {reason_in(log)} (all of it: {log})")


def reason_in(log: Path) -> str:
    """The last line of a log's last start that names an error, before any that points to one above; else its last line."""
    said = log.read_text(errors="replace").rpartition(f"{STARTED} ")[2]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line for line in lines if any(r in line for r in REASONS) and not CODE.search(line)]
    before = list(takewhile(lambda line: ELSEWHERE not in line, named))
    return (before or named or lines or ["it said nothing"])[-1]


def read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise UsageError(f"{path} is missing or no JSON: check the path") from None


def _max_rank(adapters: Any) -> int:
    """The smallest rank that vLLM can be set to which holds all adapters."""
    rank = max(read_json(path / "adapter_config.json")["r"] for path in adapters)
    return next((r for r in (8, 16, 32, 64, 128, 256, 320, 512) if r >= rank), rank)


def _targets(adapters: Any) -> list[str]:
    named = {t for path in adapters for t in read_json(path / "adapter_config.json").get("target_modules", [])}
    return sorted(named) or list(LORA_TARGETS)
