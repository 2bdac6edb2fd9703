"""Reads the newest state and writes the next revision, beside concurrent writers and with an unreliable store."""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from scoreline_registry.decisions.checks.validation import own_warnings
from scoreline_registry.decisions.specs.policy_plan import PolicyPlan, policy_plan
from scoreline_registry.documents.documents import document_key
from scoreline_registry.errors import ConflictError, CorruptError, InvalidError
from scoreline_registry.history.changes import Change, Signature
from scoreline_registry.history.differences import Event, HistoryEntry, events_between
from scoreline_registry.history.document_store import DocumentStore
from scoreline_registry.history.policy_checks import fit_warnings
from scoreline_registry.history.revision import LogEntry, next_entry
from scoreline_registry.history.revision_log import RevisionLog
from scoreline_registry.history.route_checks import serving_warnings, users_of
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.history.state import State
from scoreline_registry.profiles.profile_plan import ProfilePlan, profile_plan
from scoreline_registry.routing.route_plan import RoutePlan, route_plan
from scoreline_registry.routing.section_validation import section_warnings
from scoreline_registry.storage import Storage, put_same

# A writer that loses a race applies its change again. Each loss is another writer's success, so this many in a row
# have another cause.
MAX_ATTEMPTS = 200
MAX_MESSAGE_LENGTH = 2000


def system_clock() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def random_id() -> str:
    """32 random hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Commit:
    """The result of a change, or with a dry run of trying it.

    Attributes:
        before: the revision that it was applied to.
        state: the state after it.
        revision: the newest revision then.
        written: whether that revision is its own; False where nothing changed and for a dry run.
        at: when it was made, by its author's clock.
    """

    before: Snapshot
    state: State
    revision: int
    written: bool
    at: datetime

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The differences between the two states."""
        return events_between(self.before.state, self.state, at=self.at)

    def route_plan(self, route: str, *, revision: int | None = None) -> RoutePlan:
        """The plan that the change carried out for one route; ``revision`` is None for a dry run."""
        after = self.state.routes[route]
        return route_plan(
            route,
            before=self.before.routes.get(route),
            after=after,
            etag=self.before.route_digests.get(route, ""),
            revision=revision,
            at=self.at,
            warnings=[*serving_warnings(self.state, after), *section_warnings(after)],
        )

    def profile_plan(self, profile: str, *, revision: int | None = None) -> ProfilePlan:
        """The plan that the change carried out for one profile; ``revision`` is None for a dry run."""
        return profile_plan(
            self.before.profiles.get(profile),
            self.state.profiles[profile],
            etag=self.before.profile_digests.get(profile, ""),
            routes=users_of(self.state, [profile]),
            revision=revision,
        )

    def policy_plan(self, policy: str, *, revision: int | None = None) -> PolicyPlan:
        """The plan that the change carried out for one policy; ``revision`` is None for a dry run."""
        after = self.state.policies[policy]
        return policy_plan(
            self.before.policies.get(policy),
            after,
            etag=self.before.policy_digests.get(policy, ""),
            warnings=[*own_warnings(after), *fit_warnings(self.state, after)],
            revision=revision,
        )


class Commits:
    """The revisions of one registry, old and new."""

    def __init__(
        self, storage: Storage, empty: LogEntry, *, clock: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._storage, self._clock, self._new_id = storage, clock, new_id
        self._first = empty.number
        self._log = RevisionLog(storage, empty)
        self._lock = threading.Lock()
        self._known = empty
        self.documents = DocumentStore(storage)
        self._log.check_whole(self._newest())

    def known(self) -> Snapshot:
        """The newest revision that was ever read or written here; asks the store for nothing."""
        return self._snapshot(self._known)

    def latest(self) -> Snapshot:
        """The newest revision: two reads from the store when nothing is new."""
        return self._snapshot(self._newest())

    def at(self, revision: int) -> Snapshot:
        """The state after commit ``revision``; 0 is the empty registry. Raises NotFoundError."""
        return self._snapshot(self._log.entry(revision))

    def history(self, limit: int | None, *, before: int | None = None) -> Iterator[HistoryEntry]:
        """The revisions below ``before`` with what each changed, newest first, read as they are asked for."""
        entry = self._newest() if before is None else self._log.entry(before - 1)
        while entry.number > self._first and (limit is None or limit > 0):
            parent = self._log.parent(entry)
            yield self._history_entry(parent, entry)
            entry, limit = parent, None if limit is None else limit - 1

    def preview(self, change: Change, *, author: str = "", message: str = "", if_match: str | None = None) -> Commit:
        """What ``commit`` would do now; raises what it would raise."""
        before = self.latest()
        signature = Signature(author, message, self._clock(), before.revision)
        return Commit(
            before, _applied(change, before, signature, if_match), before.revision, written=False, at=signature.at
        )

    def commit(self, change: Change, *, author: str, message: str, if_match: str | None = None) -> Commit:
        """Applies a change to the newest state and writes the next revision.

        A change that changes nothing writes nothing. Raises what the change raises, and ConflictError when the
        document is not ``if_match``, or others commit faster for MAX_ATTEMPTS attempts.
        """
        commit_id, stored = self._new_id(), set[str]()
        for _ in range(MAX_ATTEMPTS):
            before = self.latest()
            signature = Signature(author, message, self._clock(), before.revision)
            state = _applied(change, before, signature, if_match)
            if state.same_as(before.state):
                return Commit(before, before.state, before.revision, written=False, at=signature.at)
            self._store(state.unwritten, stored)
            if self._append(before.entry, state, signature, commit_id):
                after = self.at(before.revision + 1)
                return Commit(before, after.state, after.revision, written=True, at=signature.at)
        raise ConflictError("registry", str(self._storage))

    def _store(self, documents: Mapping[str, bytes], stored: set[str]) -> None:
        """Writes documents by digest, but for those that an earlier attempt of the same commit stored."""
        for digest, data in documents.items():
            if digest not in stored and not put_same(self._storage, document_key(digest), data):
                raise CorruptError(document_key(digest), "it does not hold what its name says")
            stored.add(digest)

    def _append(self, parent: LogEntry, state: State, signature: Signature, commit_id: str) -> bool:
        entry, data = next_entry(
            parent,
            commit_id=commit_id,
            now=signature.at,
            author=signature.author,
            message=signature.message,
            models=state.models.digests,
            routes=state.routes.digests,
            profiles=state.profiles.digests,
            policies=state.policies.digests,
        )
        return self._log.append(entry, data)

    def _newest(self) -> LogEntry:
        newest = self._log.last(self._known)
        with self._lock:
            if newest.number > self._known.number:
                self._known = newest
                self.documents.keep(newest.revision)
        return newest

    def _snapshot(self, entry: LogEntry) -> Snapshot:
        return Snapshot(entry, self.documents.state(entry.revision))

    def _history_entry(self, parent: LogEntry, entry: LogEntry) -> HistoryEntry:
        revision = entry.revision
        events = events_between(
            self.documents.state(parent.revision), self.documents.state(revision), at=revision.created_at
        )
        return HistoryEntry(entry.number, revision.created_at, revision.author, revision.message, events)


def _applied(change: Change, before: Snapshot, signature: Signature, if_match: str | None) -> State:
    """The state that a change leads to. Raises ConflictError when the document's digest is not ``if_match``."""
    if if_match is not None:
        if change.document is None:
            raise InvalidError("if_match", ["it is the digest of one document, and this change may be of several"])
        kind, name = change.document
        if before.state.by_kind[kind].digests.get(name, "") != if_match:
            raise ConflictError(kind, name)
    return change.signed(signature).apply(before.state)


def check_signature(author: str, message: str) -> None:
    """Raises InvalidError for a missing or too long author, or a too long message."""
    errors = []
    if not author.strip() or not author.isprintable() or len(author) > 200:
        errors.append("the author is 1 to 200 printable characters")
    if len(message) > MAX_MESSAGE_LENGTH or not message.replace("\n", "").replace("\t", "").isprintable():
        errors.append(f"the message is at most {MAX_MESSAGE_LENGTH} printable characters and line ends")
    if errors:
        raise InvalidError("commit", errors)
