"""The errors of a registry.

    RegistryError
    ├── InvalidNameError      an invalid name                             (err.kind, err.name)
    ├── NotFoundError         nothing of that name is committed           (err.kind, err.name)
    │   └── NoRegistryError   the store holds no registry                 (err.name: the store)
    ├── ConflictError         changed since it was read                  (err.kind, err.name)
    │   └── ClaimLostError    the claim of a publication expired        (err.name)
    ├── InvalidError          an invalid manifest, document or route    (err.problems)
    ├── RefusedError          a rule of the registry forbids the change   (err.problems)
    ├── GateError             a version that failed a check before publication (err.problems)
    ├── CorruptError          stored bytes that are not what was committed (err.key)
    ├── SchemaVersionError    written by a newer Scoreline                (err.key, err.found)
    ├── MissingExtraError     an extra's libraries are not installed     (err.what, err.extra)
    └── StorageError          the store itself failed                     (err.key)
        └── MissingKeyError   the store has no such key

Facts are attributes. This module knows no transport.
"""

from collections.abc import Sequence


class RegistryError(Exception):
    """The base of every error that this package raises on purpose."""


class InvalidNameError(RegistryError, ValueError):
    """An invalid name; also a ValueError, so that pydantic reports it with its place."""

    def __init__(self, kind: str, name: str, rule: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind} {_short(name)} is not a valid name: {rule}")


class NotFoundError(RegistryError):
    """Nothing with that name is committed."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind} {_short(name)} is not in the registry{': ' + hint if hint else ''}")


class NoRegistryError(NotFoundError):
    """The store holds no registry."""

    def __init__(self, name: str) -> None:
        self.kind, self.name = "registry", name
        RegistryError.__init__(self, f"there is no registry at {name}: make one with `scoreline init`")


class ConflictError(RegistryError):
    """The document was changed after it was read."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind} {_short(name)} was changed by someone else; read it again and repeat the change")


class ClaimLostError(ConflictError):
    """The claim of a publication expired before it was committed."""

    def __init__(self, name: str) -> None:
        self.kind, self.name = "version", name
        RegistryError.__init__(
            self,
            f"version {_short(name)} was not committed in time and its number given up; publish again for a new one",
        )


class _ProblemsError(RegistryError):
    """One subject and the list of its errors."""

    def __init__(self, subject: str, problems: Sequence[str]) -> None:
        self.subject, self.problems = subject, tuple(problems)
        super().__init__(f"{subject}: {'; '.join(self.problems)}")


class InvalidError(_ProblemsError):
    """An invalid manifest, document or route."""


class RefusedError(_ProblemsError):
    """A rule of the registry forbids the change."""


class GateError(_ProblemsError):
    """A version that failed a check before publication."""


class CorruptError(RegistryError):
    """Stored bytes that differ from what was committed."""

    def __init__(self, key: str, detail: str) -> None:
        self.key = key
        super().__init__(f"{key} is damaged: {detail}")


class SchemaVersionError(RegistryError):
    """A file that a newer Scoreline wrote."""

    def __init__(self, key: str, found: object, supported: int) -> None:
        self.key, self.found = key, found
        super().__init__(
            f"{key} has schema {found!r}, this Scoreline reads up to {supported}: install a newer scoreline"
        )


class MissingExtraError(RegistryError):
    """Something needs libraries that an extra brings."""

    def __init__(self, what: str, extra: str) -> None:
        self.what, self.extra = what, extra
        super().__init__(f"{what} need more libraries: pip install 'scoreline[{extra}]'")


class StorageError(RegistryError):
    """The store itself failed; the operation may or may not have happened."""

    def __init__(self, key: str, detail: str) -> None:
        self.key = key
        super().__init__(f"storage failed on {key}: {detail}")


class MissingKeyError(StorageError):
    """The store has no such key."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "it is not there")


def first_line(error: BaseException, *, most: int = 300) -> str:
    """The first line of an exception's text, or its type where the text is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]


def _short(name: str) -> str:
    """Quotes a name for a message: ASCII only, at most 80 characters."""
    return ascii(name if len(name) <= 80 else name[:77] + "...")
