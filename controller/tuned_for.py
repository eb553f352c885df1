"""Whether the policy in force was tuned on the estimator in use: a tuned threshold promises something about that one alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from controller import screen
from controller.assemble import policy_path, read_policy
from controller.certificate import certificate_path
from controller.settings import EMBEDDED, Settings
from estimator.loading import Check

if TYPE_CHECKING:
    from estimator.loading import Loaded

NAME = "tuned policy"
REMEDY = "tune it again with controller tune, or name the policy of this estimator"


def tuned_for(settings: Settings, model: str, hashes: Mapping[str, str]) -> Check:
    """By the hashes of base, adapter, prompt and combination in the policy's certificate (older ones have none of the last).
    A policy that promises nothing is no fault."""
    if _is_borrowed(settings, model):
        told = "no policy named: the one in force is the embedded model's, and promises nothing here; controller tune makes one"
        return Check(NAME, True, told)
    path = policy_path(settings)
    certificate = None if path is None else certificate_path(path)
    if certificate is None or not certificate.is_file():
        return Check(NAME, True, "the policy has no certificate, so it promises nothing about this estimator")
    try:
        tuned = dict(json.loads(certificate.read_bytes())["hashes"])
    except (ValueError, KeyError, TypeError):
        return Check(NAME, False, f"backed by {certificate}, which cannot be read", REMEDY)
    compared = ["base", "adapter", "prompt", *(["combination"] if "combination" in tuned else [])]
    differ = [k for k in compared if tuned.get(k) != hashes.get(k)]
    told = ", ".join(f"{k} {tuned.get(k)} there, {hashes.get(k)} here" for k in differ)
    detail = f"tuned on another one ({told})" if differ else f"tuned on this estimator ({hashes['adapter']})"
    return Check(NAME, not differ, detail, REMEDY)


def warn_of_other_tuning(settings: Settings, loaded: Loaded) -> None:
    """A line on stderr where a threshold is about to be used that was tuned on something else, or otherwise."""
    found = tuned_for(settings, loaded.model, loaded.hashes)
    if not found.ok:
        screen.warn(f"the policy was {found.detail}, so its threshold promises nothing here: {REMEDY}")
    elif _is_borrowed(settings, loaded.model) and policy_path(settings) is not None:
        screen.warn(found.detail)
    elif changed := _changed(settings):
        screen.warn(f"the policy was tuned with {changed}, so its threshold promises nothing here: tune it again as it is used")


def _changed(settings: Settings) -> str:
    """What the settings change in a tuned policy, by its own values; empty where its threshold still means what it did. Another
    ``accept`` is another promise that nobody made."""
    path = policy_path(settings)
    if path is None or not certificate_path(path).is_file():
        return ""
    tuned = read_policy(path)
    changes = {k: getattr(tuned, k) for k, v in settings.policy_changes.items() if v != getattr(tuned, k) and k != "accept"}
    return ", ".join(f"{k} = {v}" for k, v in changes.items())


def _is_borrowed(settings: Settings, model: str) -> bool:
    """Where no policy is named the embedded model's is taken for any model."""
    return settings.policy is None and model != EMBEDDED
