"""From settings to what a run needs: the policy in force, and the engine and scorer. Heavy imports stay inside."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from controller import screen
from controller.errors import UsageError
from controller.settings import DEFAULT_FILE, Settings, load_settings
from graphs.policy import Policy
from graphs.validation import first_problem

if TYPE_CHECKING:
    from estimator.engines.client import ServerClient
    from estimator.loading import Loaded

REQUESTS_A_QUESTION = 8  # at most, at the same time: a look-ahead samples and scores several branches


@dataclass(frozen=True)
class Run:
    """All that is fixed before the first question."""

    loaded: Loaded
    policy: Policy
    seed: int


@dataclass(frozen=True)
class Plan:
    """What is quick to check: done first, so that a refusal costs nothing."""

    settings: Settings
    policy: Policy

    def load(self) -> Run:
        """Load the model; its warnings go to stderr."""
        with screen.waiting("loading the model"):
            run = load_run(self.settings, self.policy)
        for warning in run.loaded.warnings:
            screen.warn(warning)
        return run

    def load_to_decide(self) -> Run:
        """``load``, where answers are sampled and decided on as the policy says: without more second opinions than the
        estimator can weigh, where the policy is the shipped one. UsageError where somebody asked for them."""
        from graphs.instruments import check_opinions, weighable

        run = self.load()
        if self.policy.temperature != run.loaded.temperature:
            screen.warn(
                f"the estimator was trained on answers sampled at temperature {run.loaded.temperature:g}: at "
                f"{self.policy.temperature:g} its confidences are off until the policy is tuned there"
            )
        if self.settings.policy is None and self.settings.opinions is None:
            policy = weighable(self.policy, run.loaded.scorer)
            if policy != self.policy:
                screen.warn(
                    f"the shipped policy has opinions = {self.policy.opinions} and this estimator can weigh {policy.opinions}: "
                    "train --combine fits more"
                )
            return replace(run, policy=policy)
        try:
            check_opinions(self.policy, run.loaded.scorer)
        except ValueError as e:
            raise UsageError(f"policy: {e}") from None
        return run


def at_once(settings: Settings, loaded: Loaded) -> int:
    """How many questions are worked on at the same time; in this process each would only wait for the others."""
    if settings.at_once > 1 and loaded.fork is None:
        screen.warn("a model in this process answers one question at a time: --concurrency is for a server")
        return 1
    return settings.at_once


def plan(config: Path | None, flags: dict[str, Any], *, default: Path | None = DEFAULT_FILE) -> Plan:
    """Settings and policy from flags, environment and files (``default`` where no ``config`` is named)."""
    settings = load_settings(config, default=default, **flags)
    return Plan(settings, policy_for(settings))


def load_run(settings: Settings, policy: Policy) -> Run:
    """A run of a policy on what the settings name."""
    loaded = load_for(settings)
    gc.freeze()  # what is loaded stays: to look through it for garbage takes a tenth of a busy client's time
    return Run(loaded, policy, settings.seed)


def load_for(settings: Settings) -> Loaded:
    """The engine and the scorer that the settings name. The one seam where tests put in doubles."""
    if settings.server_url is not None:
        from estimator.served import load_served

        return load_served(client_for(settings), settings.model, settings.estimator)
    from estimator.loading import load

    return load(settings.model, settings.estimator, threads=settings.threads)


def client_for(settings: Settings) -> ServerClient:
    """The connection to the server that the settings name."""
    from estimator.engines.client import ServerClient

    key = None if settings.api_key is None else settings.api_key.get_secret_value()
    return ServerClient(
        str(settings.server_url),
        key,
        timeout=settings.timeout,
        patience=settings.patience,
        concurrency=REQUESTS_A_QUESTION * settings.at_once,
    )


def policy_for(settings: Settings) -> Policy:
    """The policy file (or the shipped default, or the built-in one) with the settings' changes, checked as a whole."""
    base = read_policy(policy_path(settings))
    try:
        return Policy.model_validate(base.model_dump() | settings.policy_changes)
    except ValidationError as e:
        raise UsageError(f"policy: {first_problem(e)}") from None


def policy_path(settings: Settings) -> Path | None:
    """The file the policy comes from: the named one, else the default shipped with the embedded weights."""
    return settings.policy if settings.policy is not None else shipped_policy_path()


def shipped_policy_path() -> Path | None:
    """The default policy beside the embedded weights, if there is one."""
    from estimator.loading import default_policy_path

    return default_policy_path()


def default_policy(loaded: Loaded | None = None) -> Policy:
    """The policy that holds where none is named; for a model of your own (``loaded``) with at most as many second opinions as
    its estimator can weigh."""
    from graphs.instruments import weighable

    policy = read_policy(shipped_policy_path())
    return policy if loaded is None else weighable(policy, loaded.scorer)


def read_policy(path: Path | None) -> Policy:
    """A policy file's contents; without one the built-in policy."""
    if path is None:
        return Policy.model_validate({})
    from graphs.policy_file import load_policy

    return load_policy(path)
