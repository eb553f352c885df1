"""What ``controller doctor`` finds out: what is installed, what is in force, and whether it fits together."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from controller.assemble import policy_for, policy_path
from controller.errors import code_of
from controller.settings import Settings
from controller.tuned_for import tuned_for
from estimator.loading import Check, check, hashes_of
from graphs.policy import Policy

NEEDED = (
    "torch", "transformers", "peft", "safetensors", "tokenizers", "numpy", "langgraph", "langchain-core",
    "pydantic", "pydantic-settings", "httpx", "httpx-aiohttp", "aiohttp", "orjson", "mcp", "tenacity", "typer", "rich",
    "typing-extensions",
)  # fmt: skip
TRAINING = ("scikit-learn", "pyarrow", "matplotlib", "jinja2")  # the extra [train]
OPTIONAL = ("vllm",)


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found."""

    python: str
    packages: dict[str, str | None]
    model: str
    estimator: str
    policy_file: Path | None
    policy: Policy | None
    findings: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(f.ok for f in self.findings)

    @property
    def reached(self) -> bool:
        """Whether the server, where one is named, answered at all."""
        return all(f.ok for f in self.findings if f.name == "server")

    def report(self) -> dict[str, Any]:
        """The object of ``doctor --json``."""
        return {
            "ok": self.ok,
            "python": self.python,
            "packages": self.packages,
            "model": self.model,
            "estimator": self.estimator,
            "policy_file": None if self.policy_file is None else str(self.policy_file),
            "policy": None if self.policy is None else self.policy.model_dump(),
            "checks": [asdict(f) for f in self.findings],
        }


def diagnose(settings: Settings) -> Diagnosis:
    """Look at everything, and go on where something is not right."""
    packages = {name: _installed(name) for name in (*NEEDED, *TRAINING, *OPTIONAL)}
    findings = [
        Check(name, False, "not installed", f"install it: pip install {name}") for name in NEEDED if packages[name] is None
    ]
    findings.append(_training(packages))
    policy, policy_finding = _policy(settings)
    findings.append(policy_finding)
    if all(f.ok for f in findings if f.name in NEEDED):
        findings += check_for(settings)
    return Diagnosis(
        python=platform.python_version(),
        packages=packages,
        model=settings.model,
        estimator=settings.estimator or "the model's own",
        policy_file=policy_path(settings),
        policy=policy,
        findings=tuple(findings),
    )


def check_for(settings: Settings) -> list[Check]:
    """Whether model and estimator fit together, here or on a server. Tests put in doubles here."""
    if settings.server_url is not None:
        from controller.server_checks import check_server

        return check_server(settings)
    checks = check(settings.model, settings.estimator)
    if not all(c.ok for c in checks):
        return checks
    return [*checks, tuned_for(settings, settings.model, hashes_of(settings.model, settings.estimator))]


def _training(packages: Mapping[str, str | None]) -> Check:
    """No fault where it is missing: whoever solves alone does without."""
    missing = ", ".join(name for name in TRAINING if packages[name] is None)
    detail = f"not installed: {missing}; pip install '.[train]' in a checkout of this repository" if missing else ""
    return Check("label, train and evaluate", True, detail or "what they need is installed")


def _policy(settings: Settings) -> tuple[Policy | None, Check]:
    path = policy_path(settings)
    source = "built in" if path is None else str(path)
    try:
        return policy_for(settings), Check("policy", True, source)
    except (ValueError, OSError) as e:
        if code_of(e) is None:
            raise
        return None, Check("policy", False, str(e), "correct the file, or name another one with --policy")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
