"""What ``scoreline doctor`` finds: one verdict and one line each."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is: WARN works, but not as well or not for long; FAIL does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. ``detail`` is one line, which also says what to do about a problem."""

    check: str
    verdict: Verdict
    detail: str


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, detail)


def warn(check: str, detail: str) -> Finding:
    """It works, but."""
    return Finding(check, Verdict.WARN, detail)


def fail(check: str, detail: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAIL, detail)


def graded(check: str, amount: float, *, least: float, enough: float, found: str, advice: str) -> Finding:
    """Fails below ``least``, warns below ``enough``."""
    if amount >= enough:
        return ok(check, found)
    return Finding(check, Verdict.FAIL if amount < least else Verdict.WARN, f"{found}: {advice}")


def bytes_text(count: float) -> str:
    """A size for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
