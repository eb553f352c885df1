"""Whether the policy in force was tuned as it is used, on the estimator in use: a tuned threshold promises nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from controller import screen
from controller.assemble import policy_path, read_policy
from controller.certificate import Certified, claimed_certificate, read_certificate
from controller.settings import EMBEDDED, Settings
from estimator.loading import Check
from graphs.policy_file import PolicyError
from graphs.trace import fingerprint

if TYPE_CHECKING:
    from estimator.loading import Loaded

NAME = "tuned policy"
REMEDY = "tune it again with controller tune, or name the policy of this estimator"
AS_USED = "tune it again as it is used, with controller tune"


def tuned_for(settings: Settings, model: str, hashes: Mapping[str, str]) -> Check:
    """By the certificate of the policy: the hashes of base, adapter, prompt and combination (older ones have none of the last),
    and the policy's own values. A policy that promises nothing is no fault."""
    if _is_borrowed(settings, model):
        told = "no policy named: the one in force is the embedded model's, and promises nothing here; controller tune makes one"
        return Check(NAME, True, told)
    path = policy_path(settings)
    certificate = None if path is None else claimed_certificate(path)
    if path is None or certificate is None:
        return Check(NAME, True, "the policy has no certificate, so it promises nothing about this estimator")
    if not certificate.is_file():
        return Check(NAME, False, f"copied without its certificate {certificate.name}", f"copy that along, or {AS_USED}")
    tuned = read_certificate(certificate)
    if tuned is None:
        return Check(NAME, False, f"backed by {certificate}, which cannot be read", REMEDY)
    if other := _other_estimator(tuned, hashes):
        return Check(NAME, False, f"tuned on another one ({other})", REMEDY)
    try:
        changed = _changed(tuned, read_policy(path).model_dump(), settings.policy_changes)
    except PolicyError as e:
        return Check(NAME, False, str(e), "correct the file, or name another one with --policy")
    if changed:
        return Check(NAME, False, f"tuned with {changed}", AS_USED)
    return Check(NAME, True, f"tuned on this estimator ({hashes['adapter']})")


def warn_of_other_tuning(settings: Settings, loaded: Loaded) -> None:
    """A line on stderr where a threshold is about to be used that was tuned on something else, or otherwise."""
    found = tuned_for(settings, loaded.model, loaded.hashes)
    if not found.ok:
        screen.warn(f"the policy was {found.detail}, so its threshold promises nothing here: {found.remedy}")
    elif _is_borrowed(settings, loaded.model) and policy_path(settings) is not None:
        screen.warn(found.detail)


def _other_estimator(tuned: Certified, hashes: Mapping[str, str]) -> str:
    """By which hashes the estimator in use is another one; empty where it is the same."""
    compared = ["base", "adapter", "prompt", *(["combination"] if "combination" in tuned.hashes else [])]
    differ = [k for k in compared if tuned.hashes.get(k) != hashes.get(k)]
    return ", ".join(f"{k} {tuned.hashes.get(k)} there, {hashes.get(k)} here" for k in differ)


def _changed(tuned: Certified, file: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
    """What is not in force as it was tuned, by the tuned values; empty where the threshold still means what it did. ``file``
    holds the policy's values and ``changes`` what the settings make of them. A stricter ``accept`` is let pass, wherever it
    comes from: that is asking for more than was promised."""
    before, now = {**file, "accept": tuned.threshold}, {**file, **changes}
    if fingerprint(before) != tuned.policy_hash:
        return "other values than its file has now"
    differ = {k: v for k, v in before.items() if (now[k] < v if k == "accept" else now[k] != v)}
    return ", ".join(f"{k} = {v}" for k, v in differ.items())


def _is_borrowed(settings: Settings, model: str) -> bool:
    """Where no policy is named the embedded model's is taken for any model."""
    return settings.policy is None and model != EMBEDDED
