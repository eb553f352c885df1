"""What a tuning leaves behind: the tuned policy, and the record of what its guarantee rests on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.errors import Failure, UsageError
from controller.questions import check_spared
from controller.tune import METHOD, Tuning
from estimator.types import Question
from graphs.policy import Policy
from graphs.policy_file import PolicyError, load_policy, save_policy
from graphs.trace import fingerprint

if TYPE_CHECKING:
    from controller.choosing import Choice
    from controller.trials import Runs

SUFFIX = ".certificate.json"
TUNED, SEE = "controller tune: ", "; see "  # in the first line of a policy that was tuned
ASSUMPTION = (
    "The questions are independent and come from the same source as those that the policy will meet (exchangeable); "
    "they are used for this one tuning only, and start policy, seed and limits were not chosen on them; "
    "model, adapter and policy stay as recorded here; and surer answers are not wrong more often than less sure ones "
    "(used only for where the test begins)."
)


@dataclass(frozen=True)
class Tuned:
    """A tuning with what it was done with: the ``start`` policy, the source of its ``runs`` and, if that was chosen, how."""

    tuning: Tuning
    start: Policy
    runs: Runs
    questions: Sequence[Question]
    choice: Choice | None = None

    @property
    def policy(self) -> Policy | None:
        """The start policy with the chosen threshold; None where none qualified."""
        chosen = self.tuning.chosen
        return None if chosen is None else self.start.model_copy(update={"accept": chosen.threshold})

    def report(self) -> dict[str, Any]:
        """The object of ``tune --json``. Where nothing qualified the numbers are those of the threshold that came
        closest; ``error`` is None where not one answer was accepted."""
        return {
            "qualified": self.policy is not None,
            "policy": None if self.policy is None else self.policy.model_dump(),
            "error": self.tuning.closest.error,
            "bound": self.tuning.bound,
            "coverage": self.tuning.coverage,
            "n": self.tuning.n,
            "certificate": self.certificate(),
        }

    def certificate(self) -> dict[str, Any]:
        """Everything that another person needs to check the threshold. ``policy_hash`` is the one that traces carry."""
        tuning, names, chosen = self.tuning, self.runs.names, self.tuning.chosen
        return {
            "method": METHOD,
            "max_error": tuning.max_error,
            "risk": tuning.risk,
            "threshold": None if chosen is None else chosen.threshold,
            "accepted": tuning.closest.accepted,
            "wrong": tuning.closest.wrong,
            "p_value": tuning.p_value,
            "tested": [{**asdict(t.count), "p": t.p} for t in tuning.tested],
            "questions_hash": questions_hash(self.questions),
            "policy_hash": None if self.policy is None else fingerprint(self.policy.model_dump()),
            "model": names.model,
            "estimator": names.estimator,
            "hashes": dict(names.hashes),
            "seed": self.runs.seed,
            "assumption": ASSUMPTION,
            "choice": None if self.choice is None else self.choice.record(),
        }

    def save(self, out: Path) -> None:
        """Write policy and certificate. Raises ``Failure`` or ``PolicyError``; call only where one qualified."""
        policy = self.policy
        assert policy is not None, "a policy that did not qualify is not written"
        beside = certificate_path(out)
        # The certificate goes first: a tuned policy should never lie there without what it rests on. Where the policy then
        # cannot be written, the hash tells that the two are not of each other.
        try:
            beside.write_text(json.dumps(self.certificate(), indent=2) + "\n", encoding="utf-8")
        except OSError as e:
            raise Failure(f"cannot write {beside}: {e.strerror}") from None
        tuning = self.tuning
        comment = f"{TUNED}error at most {tuning.max_error:g} at risk {tuning.risk:g}{SEE}{beside.name}"
        save_policy(policy, out, comment)


@dataclass(frozen=True)
class Certified:
    """What a certificate vouches for: a whole policy (``policy_hash``) at its ``threshold``, on the estimator of ``hashes``."""

    threshold: float
    policy_hash: str
    hashes: Mapping[str, str]


def read_certificate(path: Path) -> Certified | None:
    """None where it cannot be read, or is no certificate."""
    try:
        read = json.loads(path.read_bytes())
        return Certified(float(read["threshold"]), str(read["policy_hash"]), dict(read["hashes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def certificate_path(policy: Path) -> Path:
    """Where the certificate of a policy file lies: beside it. Only .toml gives way to its suffix, so that tuned-0.1 and
    tuned-0.2 have one each."""
    return policy.with_name(policy.name.removesuffix(".toml") + SUFFIX)


def claimed_certificate(policy: Path) -> Path | None:
    """The certificate that a policy file claims, there or not: the one beside it, else the one that its first line names, of
    which it may be a copy under another name. None where it claims none."""
    beside = certificate_path(policy)
    if beside.is_file():
        return beside
    try:
        with policy.open(encoding="utf-8") as file:
            first = file.readline().strip()
    except (OSError, ValueError):
        return None
    _, tuned, rest = first.partition(TUNED)
    name = Path(rest.rpartition(SEE)[2]).name
    return policy.with_name(name) if tuned and name.endswith(SUFFIX) else None


def check_writable(out: Path, questions: Path) -> None:
    """Raises ``Failure`` where ``out`` could not be written later, and ``QuestionError`` or ``UsageError`` where the questions
    or something else than a policy would be lost; leaves no trace of having looked."""
    if out.is_dir() or not out.name:
        raise Failure(f"cannot write {out}: it is a folder")
    if not out.parent.is_dir():
        raise Failure(f"cannot write {out}: there is no folder {out.parent}")
    for path in (out, certificate_path(out)):
        check_spared(questions, path)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise Failure(f"cannot write {path}: permission denied")
    if out.is_file() and out.stat().st_size and not _is_policy(out):
        raise UsageError(f"{out} holds something else than a policy: name another file for --out")


def _is_policy(path: Path) -> bool:
    """Whether a file can be read as a policy and names at least one value; a text may be all comments to TOML."""
    try:
        return bool(load_policy(path).model_fields_set)
    except PolicyError:
        return False


def questions_hash(questions: Sequence[Question]) -> str:
    """Fingerprint of what was asked and what counted as right."""
    return fingerprint([[q.text, list(q.answers), q.grader.value] for q in questions])
