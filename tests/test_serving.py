"""Starting and stopping a server: the right command, a reason where it does not start, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from controller import serving
from controller.errors import Failure
from controller.serving import Service
from estimator.loading import embedded_dir
from tests.cli_double import invoke
from tests.vllm_server import free_port

ROOT = Path(__file__).parents[1]
# In the place of vLLM's interpreter: it answers at --port after a moment, with a child of its own.
ANSWERING = """#!{python}
import http.server, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
print("loading", flush=True); time.sleep(0.3)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
FAILING = """#!{python}
print("INFO starting"); print("ValueError: the KV cache does not fit"); print("bye"); raise SystemExit(1)
"""


@pytest.fixture
def script(tmp_path: Path):
    def make(text: str) -> str:
        path = tmp_path / "python"
        path.write_text(text.format(python=sys.executable))
        path.chmod(0o755)
        return str(path)

    return make


def service(**changes) -> Service:
    folder = embedded_dir()
    return Service(folder / "base", "embedded", **({"adapters": {"finece": folder / "adapter"}, "cpu": True} | changes))


def value_of(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_the_command_shuts_the_traps() -> None:
    command = serving.command_of(service(dtype="float32", context=512, kv_bytes=1 << 27, extra=("--seed", "3")))
    assert value_of(command, "--max-loras") == "2"  # adapters + 1
    assert value_of(command, "--max-lora-rank") == "32"
    assert [value_of(command, o) for o in ("--dtype", "--max-model-len", "--block-size")] == ["float32", "512", "32"]
    assert value_of(command, "--kv-cache-memory-bytes") == str(1 << 27)
    assert value_of(command, "--host") == "127.0.0.1"
    assert value_of(command, "--generation-config") == "vllm"
    assert {
        "--enable-prompt-tokens-details",
        "--enable-prefix-caching",
        "--enforce-eager",
        "--no-enable-chunked-prefill",
    } <= set(command)
    assert command[-2:] == ["--seed", "3"]
    several = service(adapters={"a": embedded_dir() / "adapter", "b": embedded_dir() / "adapter"})
    assert value_of(serving.command_of(several), "--max-loras") == "3"


def test_a_key_is_in_no_command_line() -> None:
    secret = service(api_key="s3cret")
    assert "s3cret" not in " ".join(serving.command_of(secret)) + serving.as_shell(secret)
    assert serving.environment_of(secret)["VLLM_API_KEY"] == "s3cret"


def test_dry_run_prints_a_command_and_starts_nothing() -> None:
    result = invoke("serve", "--dry-run", "--port", "8123", "--", "--tensor-parallel-size", "2")
    assert result.exit_code == 0 and result.stdout.count("\n") == 1
    assert "--port 8123" in result.stdout and result.stdout.rstrip().endswith("--tensor-parallel-size 2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--context", "999999"), "1024"),
        (("--dtype", "float8"), "float32"),
        (("--model", "no/such/folder/"), "--model"),
        (("--estimator", "no/such/folder/"), "--estimator"),
    ],
)
def test_what_could_not_work_is_refused_at_once(arguments: tuple[str, str], said: str) -> None:
    result = invoke("serve", "--dry-run", *arguments)
    assert result.exit_code in (1, 2) and said in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"alora_invocation_tokens": [1]}, "activated"),
        ({"modules_to_save": ["lm_head"]}, "lm_head"),
    ],
)
def test_adapters_that_vllm_does_not_serve(change: dict, why: str) -> None:
    plain = json.loads((embedded_dir() / "adapter" / "adapter_config.json").read_text())
    assert serving.unservable(plain) == "" and why in serving.unservable(plain | change)


def test_the_cache_holds_several_whole_contexts() -> None:
    shape = {"num_hidden_layers": 28, "num_key_value_heads": 4, "head_dim": 128, "hidden_size": 3584, "num_attention_heads": 28}
    assert serving.default_kv_bytes(shape, 4096, "bfloat16") == 16 * 4096 * 2 * 28 * 4 * 128 * 2
    assert serving.default_kv_bytes(shape | {"num_hidden_layers": 1}, 64, "float32") == 128 << 20


def test_it_waits_until_the_server_answers_and_leaves_nothing_behind(script, tmp_path: Path) -> None:
    made, log = service(port=free_port(), python=script(ANSWERING)), tmp_path / "log"
    with serving.started(made, log) as process:
        assert serving.wait_until_ready(made, process, log, 60) > 0.2
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
        assert len(family) == 2
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_it_says_why_the_server_did_not_start(script, tmp_path: Path) -> None:
    made, log = service(port=free_port(), python=script(FAILING)), tmp_path / "log"
    with serving.started(made, log) as process, pytest.raises(Failure, match="KV cache does not fit"):
        serving.wait_until_ready(made, process, log, 60)
    with pytest.raises(Failure, match="--python"), serving.started(service(python="/no/such/python"), log):
        pass


def test_it_does_not_wait_for_ever(script, tmp_path: Path) -> None:
    made, log = service(port=free_port(), python=script("#!/bin/sh\nsleep 60\n")), tmp_path / "log"
    with serving.started(made, log) as process, pytest.raises(Failure, match="within 1 s"):
        serving.wait_until_ready(made, process, log, 1)
    assert process.poll() is not None


def test_a_port_that_is_taken_is_no_server_of_ours(script, tmp_path: Path) -> None:
    made = service(port=free_port(), python=script(ANSWERING))
    with serving.started(made, tmp_path / "log") as process:
        serving.wait_until_ready(made, process, tmp_path / "log", 60)
        with pytest.raises(Failure, match="--port"), serving.started(made, tmp_path / "other"):
            pass


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_stops_the_server(script, tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "controller", "serve", "--port", str(free_port()), "--python", script(ANSWERING)]
    running = subprocess.Popen(
        [*command, "--log", str(tmp_path / "log")], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert running.stderr is not None
    assert "serves embedded and finece" in running.stderr.readline()
    children = psutil.Process(running.pid).children(recursive=True)
    time.sleep(0.2)
    running.send_signal(how)
    assert running.wait(60) == 0 and "stopped" in running.stderr.read()
    assert psutil.wait_procs(children, timeout=10)[1] == []
