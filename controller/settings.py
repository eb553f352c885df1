"""Settings of a run: flags over the environment (``CONTROLLER_*``) over ``controller.toml``."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from estimator.positions import parse_position

PREFIX = "CONTROLLER_"
DEFAULT_FILE = Path("controller.toml")
EMBEDDED = "embedded"


class SettingsError(ValueError):
    """A setting is unknown or out of range; the message names it (exit code 2)."""


class Settings(BaseSettings):
    """What a run needs besides its question. None leaves a value of the policy as it is."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    model: str = EMBEDDED
    estimator: str | None = None
    policy: Path | None = None
    seed: int = Field(0, ge=0)
    threads: int = Field(1, ge=1, le=256)
    position: str | None = None
    lookahead: str | None = None
    temperature: float | None = None
    budget: int | None = None
    accept: float | None = None

    @field_validator("position")
    @classmethod
    def _known_position(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_position(value))

    @field_validator("lookahead")
    @classmethod
    def _width_and_depth(cls, value: str | None) -> str | None:
        return None if value is None else ",".join(map(str, parse_lookahead(value)))

    @property
    def policy_changes(self) -> dict[str, Any]:
        """What the settings override in the policy, by the policy's own names."""
        named = {k: getattr(self, k) for k in ("position", "temperature", "budget", "accept")}
        changes = {k: v for k, v in named.items() if v is not None}
        if self.lookahead is not None:
            changes["width"], changes["depth"] = parse_lookahead(self.lookahead)
        return changes


def parse_lookahead(text: str) -> tuple[int, int]:
    """``W,D`` as width and depth (``0,0`` is off); ValueError otherwise."""
    width, comma, depth = text.partition(",")
    if not (comma and width.strip().isdecimal() and depth.strip().isdecimal()):
        raise ValueError(f"{text!r} is no look-ahead: give width and depth as W,D, for example 4,1 (0,0 is off)")
    return int(width), int(depth)


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """The settings in force; a flag that is None was not given."""
    path = config or DEFAULT_FILE
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
    except tomllib.TOMLDecodeError as e:
        raise SettingsError(f"{path} is not valid TOML: {e}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text") from None


def _check_environment() -> None:
    """A misspelt variable would be ignored silently otherwise."""
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable.upper() not in known:
            raise SettingsError(f"environment: {_unknown(variable, known)}")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return _unknown(name, list(Settings.model_fields))
    return f"setting {name}: {first['msg'].removeprefix('Value error, ')}"


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown setting {name!r}" + (f": did you mean {close[0]!r}?" if close else f" (known: {', '.join(known)})")
