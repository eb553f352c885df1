"""Starting and stopping a server: the right command, a reason where it does not start, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

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
# It takes its time to stop, whatever asks it to.
SLOW_TO_STOP = ANSWERING.replace(
    "class Handler",
    """import signal
signal.signal(signal.SIGINT, lambda *_: (time.sleep(2), sys.exit()))
class Handler""",
)
# It answers until it is asked for anything but its health, and then ends and leaves its child behind.
MORTAL = ANSWERING.replace(
    "self.send_response(200)",
    """"health" in self.path or __import__("os")._exit(3)
        self.send_response(200)""",
)
FAILING = """#!{python}
print("INFO starting"); print("ValueError: the KV cache does not fit"); print("bye"); raise SystemExit(1)
"""
# The end of a log of vLLM with its core in a process of its own.
CORE_FAILED = """\
(EngineCore pid=7) ERROR 01-01 00:00:01 [core.py:1510]     raise ValueError(
(EngineCore pid=7) ERROR 01-01 00:00:01 [core.py:1510] ValueError: No available memory for the cache blocks.
Traceback (most recent call last):
  File "vllm/v1/engine/utils.py", line 1431, in wait_for_engine_startup
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 1 leaked shared_memory objects to clean up
"""
CORE_DIED = """\
(EngineCore pid=7) ERROR 01-01 00:00:01 [core.py:1200] torch.OutOfMemoryError: CUDA out of memory.
(APIServer pid=3) vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the \
root cause.
(APIServer pid=3) asyncio.exceptions.CancelledError
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


@pytest.mark.parametrize(("key", "runs"), [("s3cret", True), ("", False), (None, False)])
def test_the_printed_command_does_not_run_without_its_key(key: str | None, runs: bool) -> None:
    """Where the variable is unset or empty vLLM would ask for no key at all."""
    printed = serving.as_shell(service(api_key="s3cret", python="true"))
    environment = {"PATH": os.environ["PATH"]} | ({} if key is None else {"CONTROLLER_API_KEY": key})
    done = subprocess.run(["sh", "-c", printed], env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) is runs and ("CONTROLLER_API_KEY" in done.stderr) is not runs


def test_a_key_in_the_settings_file_is_asked_for_too(tmp_path: Path) -> None:
    (tmp_path / "key.toml").write_text('api_key = "s3cret"\n')
    printed = invoke("serve", "--dry-run", "--python", sys.executable, "--config", tmp_path / "key.toml")
    assert printed.exit_code == 0 and "VLLM_API_KEY=" in printed.stdout and "s3cret" not in printed.stdout


@pytest.mark.parametrize("key", ["", "  ", "sk-\u00e9"])
def test_a_key_that_no_client_can_show_is_refused(key: str, tmp_path: Path) -> None:
    (tmp_path / "key.toml").write_text(f'api_key = "{key}"\n', encoding="utf-8")
    refused = invoke("serve", "--dry-run", "--python", sys.executable, "--config", tmp_path / "key.toml")
    assert refused.exit_code == 2 and "API key" in refused.stderr and "sk-" not in refused.output


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


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (CORE_FAILED, "ValueError: No available memory for the cache blocks."),
        (CORE_DIED, "torch.OutOfMemoryError: CUDA out of memory."),
        ("INFO loading\nEngineDeadError: see the root cause\n", "EngineDeadError: see the root cause"),
        ("ValueError: too small, raise the limit\n", "raise the limit"),
        ("INFO loading\n", "INFO loading"),
        ("", "it said nothing"),
    ],
)
def test_the_reason_is_where_the_errors_point_to(said: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(said)
    assert serving.reason_in(tmp_path / "log").endswith(why)


def test_a_log_keeps_what_was_in_it_and_the_reason_is_of_the_last_start(tmp_path: Path) -> None:
    log = tmp_path / "notes.txt"
    log.write_text("ValueError: an old one, see the root cause above\n")
    with serving.started(service(python="/bin/false"), log) as process, pytest.raises(Failure) as raised:
        serving.wait_until_ready(service(), process, log, 20)
    assert log.read_text().startswith("ValueError: an old one") and "an old one" not in str(raised.value)


@contextmanager
def serving_with(vllm: str, log: Path, *before: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process], int]]:
    """``controller serve`` in a process of its own, when it serves, with all the processes that it started and its port."""
    port = free_port()
    command = [*before, sys.executable, "-m", "controller", "serve", "--port", str(port), "--python", vllm, "--log", str(log)]
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may themselves run under nohup
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGHUP, inherited)
    assert running.stderr is not None
    assert any("serves embedded and finece" in line for line in running.stderr)
    family = psutil.Process(running.pid).children(recursive=True)
    try:
        yield running, family, port
    finally:
        running.kill()
        for process in (p for p in family if p.is_running()):
            process.kill()
        running.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_end_it_stops_the_server(script, tmp_path: Path, how: signal.Signals) -> None:
    with serving_with(script(ANSWERING), tmp_path / "log") as (running, family, _):
        time.sleep(0.2)
        running.send_signal(how)
        assert running.wait(60) == 0 and running.stderr is not None and "stopped" in running.stderr.read()
        assert len(family) == 2 and psutil.wait_procs(family, timeout=10)[1] == []


def test_asked_again_while_it_stops_it_stops_all_the_same(script, tmp_path: Path) -> None:
    with serving_with(script(SLOW_TO_STOP), tmp_path / "log") as (running, family, _):
        for how in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            time.sleep(0.3)
            running.send_signal(how)
        assert running.wait(60) == 0
        assert len(family) == 2 and psutil.wait_procs(family, timeout=10)[1] == []


def test_what_a_server_leaves_behind_is_ended_too(script, tmp_path: Path) -> None:
    with serving_with(script(MORTAL), tmp_path / "log") as (running, family, port):
        with pytest.raises(OSError):
            urlopen(f"http://127.0.0.1:{port}/end", timeout=10)
        assert running.wait(60) == 1 and running.stderr is not None and "ended with code 3" in running.stderr.read()
        assert len(family) == 2 and psutil.wait_procs(family, timeout=10)[1] == []


def test_who_ignores_the_end_of_the_terminal_goes_on(script, tmp_path: Path) -> None:
    with serving_with(script(ANSWERING), tmp_path / "log", "nohup") as (running, family, _):
        running.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert running.poll() is None and all(p.is_running() for p in family)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
