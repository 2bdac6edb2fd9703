"""The state after a commit as a value: models, routes, profiles and policies by name, loaded when first read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.documents.documents import encode, sha256_hex
from scoreline_registry.documents.manifest import MANIFEST_FILE, Manifest
from scoreline_registry.documents.model import Model
from scoreline_registry.documents.model_versions import LoadPart
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.names import ModelRef, hint
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.routing.route import RouteDocument

D = TypeVar("D", Model, RouteDocument, Profile, Policy)

Kind: TypeAlias = Literal["model", "route", "profile", "policy"]

LoadManifest = Callable[[str, int, str], Manifest]
NO_PARTS: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Documents(Mapping[str, D], Generic[D]):
    """Documents by name. ``digests`` are known from the start; ``load`` gets a document by its digest.

    ``unwritten`` holds the bytes, by digest, of documents added by ``put``, which a commit stores.
    """

    kind: Kind
    digests: Mapping[str, str]
    load: Callable[[str], D]
    unwritten: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    _put: Mapping[str, D] = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, name: str) -> D:
        digest = self.digests[name]
        return self._put[digest] if digest in self._put else self.load(digest)

    def __iter__(self) -> Iterator[str]:
        return iter(self.digests)

    def __len__(self) -> int:
        return len(self.digests)

    def __contains__(self, name: object) -> bool:
        return name in self.digests

    def require(self, name: str) -> D:
        """The document with this name. Raises NotFoundError with the nearest names."""
        if name not in self.digests:
            raise NotFoundError(self.kind, name, hint(name, self.digests, self.kind))
        return self[name]

    def put(self, name: str, document: D, data: bytes, parts: Mapping[str, bytes] = NO_PARTS) -> "Documents[D]":
        """The same with one document added or replaced, given its bytes and those of its new parts by digest."""
        digest = sha256_hex(data)
        return replace(
            self,
            digests={**self.digests, name: digest},
            unwritten={**self.unwritten, **parts, digest: data},
            _put={**self._put, digest: document},
        )

    def without(self, name: str) -> "Documents[D]":
        """The same without one document."""
        return replace(self, digests={known: digest for known, digest in self.digests.items() if known != name})


@dataclass(frozen=True, eq=False)
class State:
    """Every model, route, profile and policy. A change of the registry is a function from one State to the next."""

    models: Documents[Model]
    routes: Documents[RouteDocument]
    profiles: Documents[Profile]
    policies: Documents[Policy]
    load_manifest: LoadManifest
    load_part: LoadPart

    def resolve(self, ref: ModelRef | str) -> tuple[str, int]:
        """The model and version that a reference means now. Raises NotFoundError, InvalidNameError."""
        parsed = ModelRef.parse(ref) if isinstance(ref, str) else ref
        document = self.models.require(parsed.model)
        if parsed.version is None:
            return parsed.model, document.alias(parsed.alias or "")
        document.entry(parsed.version)
        return parsed.model, parsed.version

    def manifest(self, model: str, version: int) -> Manifest:
        """The manifest of a committed version. Raises NotFoundError, CorruptError."""
        facts = self.models.require(model).file(version, MANIFEST_FILE)
        return self.load_manifest(model, version, facts.sha256)

    def manifest_of(self, ref: str) -> Manifest:
        """The manifest of the version that a reference means now. Raises NotFoundError, CorruptError."""
        return self.manifest(*self.resolve(ref))

    def usable(self, ref: str) -> Manifest:
        """The manifest of the version that a reference means, when routes may use it.

        Raises NotFoundError, CorruptError, and RefusedError for a retired version.
        """
        return self.manifest(*self.in_use(ref))

    def in_use(self, ref: str) -> tuple[str, int]:
        """The model and version of a reference. Raises NotFoundError, and RefusedError for a retired version."""
        model, version = self.resolve(ref)
        retired = self.models.require(model).entry(version).retired
        if retired is not None:
            raise RefusedError(ref, [f"{retired.author} retired it on {retired.at:%Y-%m-%d}; use another version"])
        return model, version

    def model_or_new(self, name: str) -> Model:
        """The model with this name, or a new one without versions."""
        return self.models.get(name) or Model.new(name, self.load_part)

    def with_model(self, model: Model) -> "State":
        """The same with one model added or replaced."""
        if model.digest is not None and model.digest == self.models.digests.get(model.name):
            return self
        return replace(self, models=self.models.put(model.name, model, *model.stored()))

    def with_route(self, document: RouteDocument) -> "State":
        """The same with one route added or replaced."""
        return replace(self, routes=self.routes.put(document.route, document, encode(document)))

    def without_route(self, name: str) -> "State":
        """The same without one route."""
        return replace(self, routes=self.routes.without(name))

    def with_profile(self, document: Profile) -> "State":
        """The same with one profile added or replaced."""
        return replace(self, profiles=self.profiles.put(document.profile, document, encode(document)))

    def without_profile(self, name: str) -> "State":
        """The same without one profile."""
        return replace(self, profiles=self.profiles.without(name))

    def with_policy(self, document: Policy) -> "State":
        """The same with one policy added or replaced."""
        return replace(self, policies=self.policies.put(document.policy, document, encode(document)))

    def without_policy(self, name: str) -> "State":
        """The same without one policy."""
        return replace(self, policies=self.policies.without(name))

    @property
    def by_kind(self) -> Mapping[Kind, Documents[Any]]:
        """The documents of each kind."""
        return {each.kind: each for each in (self.models, self.routes, self.profiles, self.policies)}

    @property
    def unwritten(self) -> Mapping[str, bytes]:
        """The bytes, by digest, of documents that a commit stores."""
        return {digest: data for each in self.by_kind.values() for digest, data in each.unwritten.items()}

    def same_as(self, other: "State") -> bool:
        """Whether nothing differs."""
        return all(each.digests == other.by_kind[kind].digests for kind, each in self.by_kind.items())
