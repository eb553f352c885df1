"""Settings of a run: flags over the environment (``CONTROLLER_*``) over ``controller.toml``."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from estimator.engines.address import read_address
from estimator.positions import parse_position
from graphs.validation import first_problem

PREFIX = "CONTROLLER_"
DEFAULT_FILE = Path("controller.toml")
EMBEDDED = "embedded"
DEFAULT_URL = "http://127.0.0.1:8000"
SEEDS = range(2**63)  # engines mix a seed with token ids as 64-bit numbers


class SettingsError(ValueError):
    """A setting is unknown or out of range; the message names it (exit code 2)."""


class Settings(BaseSettings):
    """What a run needs besides its question. None leaves a value of the policy as it is.

    With a server, ``timeout`` (seconds) bounds the wait for its next byte and ``patience`` (seconds) all attempts of one
    request together.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    model: str = EMBEDDED
    estimator: str | None = None
    engine: Literal["local", "vllm"] | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    timeout: float = Field(120.0, gt=0)
    patience: float = Field(180.0, ge=0)
    concurrency: int | None = Field(None, ge=1, le=1024)
    processes: int = Field(1, ge=1, le=64)
    policy: Path | None = None
    seed: int = Field(0, ge=SEEDS.start, lt=SEEDS.stop)
    threads: int = Field(1, ge=1, le=256)
    position: str | None = None
    lookahead: str | None = None
    temperature: float | None = None
    budget: int | None = None
    accept: float | None = None
    opinions: int | None = None

    @field_validator("position")
    @classmethod
    def _known_position(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_position(value))

    @field_validator("lookahead")
    @classmethod
    def _width_and_depth(cls, value: str | None) -> str | None:
        return None if value is None else ",".join(map(str, parse_lookahead(value)))

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            read_address(value)
        return value

    @model_validator(mode="after")
    def _address_for_a_server(self) -> Settings:
        if self.engine == "local" and self.base_url is not None:
            raise ValueError("base_url belongs to the vllm engine, and engine is local")
        return self

    @property
    def server_url(self) -> str | None:
        """The server's address; None where the model runs in this process. An address alone says that there is a server."""
        return (self.base_url or DEFAULT_URL) if self.engine == "vllm" else self.base_url

    @property
    def at_once(self) -> int:
        """How many questions of a file are worked on at the same time: a server works best on many."""
        return self.concurrency or (16 if self.server_url else 1)

    @property
    def policy_changes(self) -> dict[str, Any]:
        """What the settings override in the policy, by the policy's own names."""
        named = {k: getattr(self, k) for k in ("position", "temperature", "budget", "accept", "opinions")}
        changes = {k: v for k, v in named.items() if v is not None}
        if self.temperature == 0:
            changes.setdefault("opinions", 0)  # greedy answers are all the same one
        if self.lookahead is not None:
            changes["width"], changes["depth"] = parse_lookahead(self.lookahead)
        return changes


def parse_lookahead(text: str) -> tuple[int, int]:
    """``W,D`` as width and depth (``0,0`` is off); ValueError otherwise."""
    width, comma, depth = text.partition(",")
    if not (comma and width.strip().isdecimal() and depth.strip().isdecimal()):
        raise ValueError(f"{text!r} is no look-ahead: give width and depth as W,D, for example 4,1 (0,0 is off)")
    return int(width), int(depth)


def load_settings(config: Path | None = None, *, default: Path | None = DEFAULT_FILE, **flags: Any) -> Settings:
    """The settings in force; a flag that is None was not given. ``default`` is read where no ``config`` is named."""
    path = config or default
    if config is not None and not config.is_file():
        raise SettingsError(f"no settings file {config}")
    _check_environment()

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    try:
        return Sourced(**{k: v for k, v in flags.items() if v is not None})
    except ValidationError as e:
        raise SettingsError(_explain(e)) from None
    except ValueError as e:  # no TOML, no UTF-8, or a number of thousands of digits
        raise SettingsError(f"{path} is not valid TOML: {e}") from None


def _check_environment() -> None:
    """A misspelt variable would be ignored silently otherwise."""
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable.upper() not in known:
            raise SettingsError(f"environment: {_unknown(variable, known)}")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "extra_forbidden":
        return _unknown(str(first["loc"][0]), list(Settings.model_fields))
    return f"settings: {first_problem(error)}"


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown setting {name!r}" + (f": did you mean {close[0]!r}?" if close else f" (known: {', '.join(known)})")
