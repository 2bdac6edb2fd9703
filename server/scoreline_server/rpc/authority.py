"""Authorization: one decision, ``authorize(caller, action)``, by a static policy.

By default changes, outcomes, comparisons, events and profiles are accepted from this machine and on the admin address
only. A policy file allows other callers:

    [[allow]]
    actions = ["registry.write"]
    callers = ["cn:deploy-bot", "loopback"]

An action in the file is allowed to its callers only; the other actions keep their defaults. A decision tells the score
that it is based on, so ``decide`` is allowed to the callers of ``score`` where only that is named.
"""

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from scoreline_server.errors import CallError, ErrorReason, StartError
from scoreline_server.settings import Settings


class Action(StrEnum):
    """The kinds of calls that a policy allows or denies."""

    SCORE = "score"
    DECIDE = "decide"
    DESCRIBE = "describe"
    REGISTRY_READ = "registry.read"
    REGISTRY_WRITE = "registry.write"
    CONTROL = "control"
    OUTCOMES_REPORT = "outcomes.report"
    ANALYSIS_READ = "analysis.read"
    EVENTS_RECORD = "events.record"
    PROFILES_READ = "profiles.read"
    PROFILES_FORGET = "profiles.forget"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller: gRPC's peer, the common name of its client certificate, and whether it used the admin address."""

    peer: str = ""
    identity: str = ""
    by_admin_address: bool = False

    @classmethod
    def of(cls, peer: str, auth_context: Mapping[str, Any], *, by_admin_address: bool = False) -> "Caller":
        """The caller of a gRPC call, from its peer and auth context."""
        names: list[bytes] = list(auth_context.get("x509_common_name", ()))
        return cls(peer, names[0].decode() if names else "", by_admin_address)

    @property
    def is_local(self) -> bool:
        """True for loopback and Unix sockets."""
        kind, _, address = unquote(self.peer).partition(":")
        return kind == "unix" or address.startswith(("127.", "[::1]", "[::ffff:127."))


ANONYMOUS = Caller()

_DEFAULTS: Mapping[Action, tuple[str, ...]] = {
    Action.SCORE: ("*",),
    Action.DECIDE: ("*",),
    Action.DESCRIBE: ("*",),
    Action.REGISTRY_READ: ("*",),
    Action.REGISTRY_WRITE: ("loopback", "admin"),
    Action.CONTROL: ("loopback", "admin"),
    Action.OUTCOMES_REPORT: ("loopback", "admin"),
    Action.ANALYSIS_READ: ("loopback", "admin"),
    Action.EVENTS_RECORD: ("loopback", "admin"),
    Action.PROFILES_READ: ("loopback", "admin"),
    Action.PROFILES_FORGET: ("loopback", "admin"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The callers allowed each action: "*", "loopback", "admin", or "cn:" and a pattern of common names."""

    allowed: Mapping[Action, tuple[str, ...]]

    def is_open(self, action: Action) -> bool:
        """Whether every caller is allowed, so that callers need not be identified."""
        return "*" in self.allowed[action]

    def by_certificate_only(self) -> list[Action]:
        """The actions that only callers with a client certificate are allowed."""
        return [action for action, allowed in self.allowed.items() if allowed and all(map(_is_certificate, allowed))]

    def authorize(self, caller: Caller, action: Action) -> None:
        """Raises CallError with NOT_ALLOWED unless the caller may do it."""
        if not any(_matches(pattern, caller) for pattern in self.allowed[action]):
            raise CallError(
                ErrorReason.NOT_ALLOWED,
                f"{action} is not allowed to this caller; allowed: {', '.join(self.allowed[action]) or 'no caller'}",
                action=action,
            )


def _matches(pattern: str, caller: Caller) -> bool:
    if _is_certificate(pattern):
        return bool(caller.identity) and fnmatch.fnmatchcase(caller.identity, pattern[3:])
    return (
        pattern == "*"
        or (pattern == "loopback" and caller.is_local)
        or (pattern == "admin" and caller.by_admin_address)
    )


def _is_certificate(pattern: str) -> bool:
    return pattern.startswith("cn:")


def policy_of(settings: Settings) -> Policy:
    """The policy of the settings. Raises StartError where its callers cannot be identified."""
    policy = read_policy(settings.policy_file)
    if settings.tls_client_ca_file is None and (actions := policy.by_certificate_only()):
        named = ", ".join(actions)
        raise StartError(
            f"{settings.policy_file}: {named} would be refused to every caller: `cn:` needs client certificates, "
            "set tls_client_ca_file"
        )
    return policy


def read_policy(path: Path | None) -> Policy:
    """The policy of a file, or the default one. Raises StartError where the file is no policy."""
    if path is None:
        return Policy(_DEFAULTS)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        rules = document.pop("allow", [])
        if document or not isinstance(rules, list):
            raise StartError(f"{path}: a policy has [[allow]] tables and nothing else")
        allowed: dict[Action, tuple[str, ...]] = dict(_DEFAULTS)
        named: set[Action] = set()
        for rule in rules:
            for action in _actions(rule):
                allowed[action] = (*(allowed[action] if action in named else ()), *_callers(rule))
                named.add(action)
        if Action.SCORE in named and Action.DECIDE not in named:
            allowed[Action.DECIDE] = allowed[Action.SCORE]
        return Policy(allowed)
    except OSError as error:
        raise StartError(f"policy_file {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValueError) as error:
        raise StartError(f"{path}: {error}") from error


def _actions(rule: object) -> list[Action]:
    names = rule.get("actions") if isinstance(rule, dict) and rule.keys() == {"actions", "callers"} else None
    if not isinstance(names, list):
        raise ValueError("an [[allow]] table has `actions` and `callers`, both lists")  # noqa: TRY004  one kind of error
    known = [action.value for action in Action]
    for name in names:
        if name not in known:
            raise ValueError(f"unknown action {name!r}; there are {', '.join(known)}")
    return [Action(name) for name in names]


def _callers(rule: Mapping[str, object]) -> list[str]:
    patterns = rule["callers"]
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError("`callers` is a list of texts")
    for pattern in patterns:
        if pattern not in {"*", "loopback", "admin"} and not pattern.startswith("cn:"):
            raise ValueError(f'unknown caller {pattern!r}; write "*", "loopback", "admin" or "cn:NAME"')
    return patterns
