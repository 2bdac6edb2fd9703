"""Every setting of the server, in one frozen object that is read once at start.

Precedence: command-line flags, then ``SCORELINE_*`` environment variables, then the TOML file, then the defaults here.
``docs/reference/settings.md`` lists them; a test compares that page with this class.
"""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from scoreline_server.errors import StartError

OFF = ("", "off")
"""The values of an address or a folder that turn it off."""


class Settings(BaseSettings):
    """Settings of one server."""

    model_config = SettingsConfigDict(env_prefix="SCORELINE_", frozen=True, extra="forbid")

    registry: str = Field(default="registry", description="Folder or URI of the registry.")
    listen: str = Field(
        default="127.0.0.1:50051",
        description="Address and port for gRPC; port 0 takes a free one. Use 0.0.0.0:50051 to serve other hosts.",
    )
    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        default=1, description="Processes that serve; auto is one per core that this process may use."
    )
    ops_listen: str = Field(
        default="127.0.0.1:9464",
        description="Address and port for metrics and probes over HTTP; port 0 takes a free one, off has none.",
    )
    threads: int = Field(default=4, ge=1, le=256, description="Threads of each worker that serve calls.")
    poll_seconds: float = Field(default=0.5, gt=0, description="How often to look for a new revision of the registry.")
    max_message_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="The largest request that is read; larger ones are refused.",
    )
    drain_delay_seconds: float = Field(
        default=0.0,
        ge=0,
        description="After SIGTERM, how long to serve on with health NOT_SERVING before stopping.",
    )
    drain_seconds: float = Field(default=10.0, ge=0, description="How long open calls may take to end at a stop.")
    hot_lane: bool = Field(
        default=True, description="Serve Score on a thread of its own; off for ordinary gRPC handlers."
    )
    flush_seconds: float = Field(
        default=0.002, gt=0, description="About how much work the hot lane scores before it receives new calls."
    )
    heavy_seconds: float = Field(
        default=0.005,
        gt=0,
        description="Calls whose estimated time is longer are scored on threads beside the hot lane.",
    )
    heavy_threads: int = Field(default=1, ge=1, le=64, description="Threads that score those calls.")
    receive_seconds: float = Field(
        default=20.0, gt=0, description="How long a call may be open before its message is received."
    )
    max_queue_seconds: float = Field(
        default=1.0,
        gt=0,
        description="Longest queue, in estimated seconds; calls beyond it get OVERLOADED.",
    )
    stream_threads: int = Field(
        default=16, ge=1, le=1024, description="How many streams may be open; each holds a thread."
    )
    journal_dir: str = Field(
        default="auto",
        description="Folder of the journal; auto is the registry's folder with -journal behind, off writes none.",
    )
    journal_fsync_seconds: float = Field(
        default=1.0, gt=0, description="Longest time between a row's write and its sync to disk."
    )
    journal_rotate_bytes: int = Field(
        default=256 * 1024 * 1024, ge=4096, description="Size at which a new journal file is begun."
    )
    journal_rotate_seconds: float = Field(default=3600.0, gt=0, description="Age at which a new journal file is begun.")
    journal_keep_days: float = Field(
        default=180.0,
        ge=0,
        description="How long the journal keeps inputs; rows without them stay until outcomes came. 0 for ever.",
    )
    journal_keep_bytes: int = Field(
        default=10 * 1024 * 1024 * 1024,
        ge=0,
        description="Largest size of the journal folder: above it the oldest files lose their inputs; 0 for no limit.",
    )
    journal_queue_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024 * 1024,
        description="Largest queue of the journal; rows beyond it are dropped and counted.",
    )
    journal_hmac_key_file: Path | None = Field(
        default=None, description="Key that hashes sensitive features in the journal; without one they are left out."
    )
    outcome_keep_days: float = Field(
        default=730.0, ge=0, description="How long reported outcomes are kept beside the journal; 0 for ever."
    )
    profile_store: str = Field(
        default="auto",
        description="Store of profiles: auto is a file in the journal's folder; or off, sqlite:PATH, redis://HOST:PORT/DB.",
    )
    profile_read_seconds: float = Field(
        default=0.05,
        gt=0,
        description="How long scoring waits for a read of profiles; then entities are scored as without events.",
    )
    limit_store: str = Field(
        default="auto",
        description="Store of limits of policies: auto is a file in the journal's folder; or off, sqlite:PATH, redis://HOST:PORT/DB.",
    )
    limit_seconds: float = Field(
        default=1.0,
        gt=0,
        description="How long a decision waits for that store; then actions are held back, or not counted.",
    )
    shadow_queue_rows: int = Field(
        default=4096, ge=1, description="Largest queue of the shadows, in rows; rows beyond it are dropped and counted."
    )
    answer_cache_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=0,
        description="Memory of each worker for the answers of routes with a section cache; 0 keeps none there.",
    )
    answer_cache_url: str = Field(
        default="",
        description="Redis that workers and hosts share for those answers, redis://HOST:PORT; empty for none.",
    )
    answer_cache_read_seconds: float = Field(
        default=0.02, gt=0, description="How long a look into that Redis may take."
    )
    controllers: bool = Field(
        default=False,
        description="Run ramps, allocations and learning policies in a process beside the workers, at a low priority.",
    )
    controller_seconds: float = Field(
        default=5.0, gt=0, description="How often that process looks at running ramps and at allocations."
    )
    memory_budget_bytes: int = Field(
        default=0,
        ge=0,
        description="Memory of all models above which versions loaded on request go; 0 for no limit.",
    )
    admin_listen: str = Field(
        default="", description="Address and port that takes changes from other hosts; empty for none."
    )
    policy_file: Path | None = Field(default=None, description="TOML file of the callers allowed each action.")
    tls_certificate_file: Path | None = Field(default=None, description="PEM certificate chain; turns TLS on.")
    tls_key_file: Path | None = Field(default=None, description="PEM private key of the certificate.")
    tls_client_ca_file: Path | None = Field(
        default=None, description="PEM roots of client certificates; turns mutual TLS on."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="How logs look; auto is console on a terminal and JSON elsewhere."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file go together")
        if self.tls_client_ca_file is not None and self.tls_certificate_file is None:
            raise ValueError("tls_client_ca_file needs tls_certificate_file")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


# Kubernetes sets variables such as SCORELINE_REGISTRY_PORT for a service of that name: they are not near enough.
_NEAR = 0.8


def read_settings(*, config: Path | None = None, **flags: Any) -> Settings:
    """Reads the settings; ``flags`` that are None were not given.

    Raises StartError with one line per wrong setting.
    """

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = FromFile(**given)
        return Settings.model_construct(**dict(settings))
    except ValidationError as error:
        raise StartError("; ".join(_explained(error, config, given))) from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StartError(f"{config}: {error}") from error


def misspelled(variables: Iterable[str]) -> dict[str, str]:
    """Environment variables that are nearly a setting's, which is not read from them, with the right name of each."""
    found: dict[str, str] = {}
    for variable in variables:
        prefix, _, name = variable.lower().partition("_")
        if prefix == "scoreline" and name not in Settings.model_fields:
            near = get_close_matches(name, Settings.model_fields, n=1, cutoff=_NEAR)
            found |= {variable: f"SCORELINE_{near[0].upper()}"} if near else {}
    return found


def _explained(error: ValidationError, config: Path | None, flags: Mapping[str, Any]) -> Iterator[str]:
    """One line per wrong setting: where it is set, its value, and what is accepted."""
    found = {str(detail["loc"][0]) if detail["loc"] else "": detail for detail in error.errors()}
    for name, detail in found.items():
        if not name:
            yield detail["msg"].removeprefix("Value error, ")
        elif name not in Settings.model_fields:
            near = get_close_matches(name, Settings.model_fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{config}: unknown setting {name!r}{hint}"
        else:
            yield f"{_origin(name, config, flags)} must be {accepted(name)}, not {_value(detail['input'])}"


def _value(value: object) -> str:
    return repr(value) if isinstance(value, str) else json.dumps(value, default=str)


def _origin(name: str, config: Path | None, flags: Mapping[str, Any]) -> str:
    """Where a setting was given."""
    if name in flags:
        return f"--{name.replace('_', '-')}"
    variable = f"SCORELINE_{name.upper()}"
    if any(set_.upper() == variable for set_ in os.environ):
        return f"the environment variable {variable}"
    return f"{config}: {name}"


def accepted(name: str) -> str:
    """The values that a setting takes, in words."""
    schema = Settings.model_json_schema()["properties"][name]
    return " or ".join(_described(each) for each in schema.get("anyOf", [schema]) if each.get("type") != "null")


_TYPES = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}


def _described(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if "const" in schema:
        return repr(schema["const"])
    low, high, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    words = _TYPES.get(schema["type"], "a path" if schema.get("format") == "path" else "a text")
    if above is not None:
        return f"{words} above {above:g}"
    if low is not None:
        return f"{words} from {low:g} to {high:g}" if high is not None else f"{words} of at least {low:g}"
    return words
