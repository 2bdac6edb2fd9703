"""The BentoML service: HTTP endpoints beside the gRPC server, both before the same pipeline."""

# BentoML is not there where the server alone is checked, and its decorators then have no types.
# mypy: disable-error-code="untyped-decorator"

import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import bentoml
import grpc
from bentoml.images import Image
from google.protobuf.message import Message
from starlette.responses import JSONResponse

from scoreline.v1 import decisions_pb2
from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.bento import decisions, messages
from scoreline_server.bento.context import REGISTRY, REQUIREMENTS, WHEELS, Facts, read_facts
from scoreline_server.bento.decisions import Case, Decision
from scoreline_server.bento.examples import example_entity, example_policy, with_example
from scoreline_server.bento.hosting import Hosted, in_one_line, prepare, settings_of
from scoreline_server.bento.messages import Answer, Answers, Assignment, Health, Many, One, Problem, Schema, Unit
from scoreline_server.bento.middleware import Bounded, Closing
from scoreline_server.processes.exposition import counted, rendered
from scoreline_server.rpc.methods import DECIDE, SCORE
from scoreline_server.rpc.pipeline import Call

_SCHEMA = "/scoreline.v1.ScoringService/GetSchema"
_ASSIGNMENT = "/scoreline.v1.ScoringService/GetAssignment"

_UNIT = with_example(Unit, {"entity_id": "customer-1"})

_STATUS: Mapping[grpc.StatusCode, HTTPStatus] = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}

_R = TypeVar("_R", bound=Message)
_M = TypeVar("_M")


def service_of(folder: Path) -> "bentoml.Service[Any]":
    """The service of a Bento's folder: a frozen registry, its facts, and requirements."""
    known, place = read_facts(folder), folder / REGISTRY
    with in_one_line():
        settings = settings_of(place)
    entity = example_entity(Registry.open(place), known.route)
    one, many = with_example(One, entity), with_example(Many, {"entities": [entity]})
    case = with_example(Case, {**entity, "policy": example_policy(Registry.open(place), known.route)})

    class Scoring(_Endpoints):
        """Scores through one route, over HTTP here and over gRPC on another port."""

        facts, registry = known, place

        @bentoml.on_deployment
        @staticmethod
        def prepare() -> None:
            """Once, before the workers."""
            with in_one_line():
                prepare(place)

        @bentoml.api(route="/score")
        def score(self, question: one, /) -> Answer:  # type: ignore[valid-type]
            """Scores one entity; one that cannot be scored fails the call."""
            return self._score(cast("One", question))

        @bentoml.api(route="/score_many")
        def score_many(self, question: many, /) -> Answers:  # type: ignore[valid-type]
            """Scores 1 to 1,024 entities; among several, each fails alone."""
            return self._score_many(cast("Many", question))

        @bentoml.api(route="/decide")
        def decide(self, question: case, /) -> Decision:  # type: ignore[valid-type]
            """Scores one entity and decides what to do about it by a policy of the route."""
            return self._decide(cast("Case", question))

    service = bentoml.service(
        name=f"scoreline-{known.route}",
        workers="cpu_count" if settings.workers == "auto" else settings.workers,
        threads=settings.threads,
        image=_image(folder),
        labels={"scoreline.revision": str(known.revision), "scoreline.route": known.route},
    )(Scoring)
    service.add_asgi_middleware(Bounded, most_bytes=settings.max_message_bytes)
    service.add_asgi_middleware(Closing, is_draining=lambda: Scoring.hosted is not None and Scoring.hosted.draining)
    return service


class _Endpoints:
    """The lifecycle of a worker and the endpoints that every route has. A process has one instance."""

    facts: ClassVar[Facts]
    registry: ClassVar[Path]
    hosted: ClassVar[Hosted | None] = None

    def __init__(self) -> None:
        self._hosted = type(self).hosted = Hosted(self.registry, worker=bentoml.server_context.worker_index or 0)

    @bentoml.on_startup
    def start(self) -> None:
        """In every worker, before HTTP is answered."""
        self._hosted.start()

    @bentoml.on_shutdown
    def stop(self) -> None:
        """In every worker, once HTTP has ended."""
        self._hosted.stop()

    def __is_ready__(self) -> bool:
        return self._hosted.ready

    def __metrics__(self, page: str) -> str:
        return page + rendered(counted(self._hosted.counts())).decode()

    @bentoml.api(route="/schema")
    def schema(self) -> Schema:
        """The schema of the route."""
        request = pb.GetSchemaRequest(route=self.facts.route)
        return self._answer(_SCHEMA, request, pb.GetSchemaResponse, messages.schema)

    @bentoml.api(route="/assignment")
    def assignment(self, unit: _UNIT, /) -> Assignment:  # type: ignore[valid-type]
        """Which arm a unit would get, and why; scores nothing."""
        request = messages.assignment_request(self.facts.route, cast("Unit", unit))
        return self._answer(_ASSIGNMENT, request, pb.GetAssignmentResponse, messages.assignment)

    @bentoml.api(route="/health")
    def health(self) -> Health:
        """Whether to send calls, and what is served. Probes use GET /readyz and /livez."""
        server, catalog = self._hosted.server, self._hosted.server.watcher.catalog
        return Health(
            ready=self._hosted.ready,
            draining=self._hosted.draining,
            problem="; ".join(filter(None, (catalog.problem, server.problem))),
            registry_id=self.facts.registry_id,
            revision=catalog.revision,
            route=self.facts.route,
            grpc_address=server.address,
            models={f"{version.model}@{version.version}": version.sha256 for version in self.facts.versions},
        )

    def _score(self, asked: One) -> Answer:
        request = messages.score_request(self.facts.route, asked)
        return self._answer(SCORE, request, pb.ScoreResponse, messages.answer)

    def _score_many(self, asked: Many) -> Answers:
        request = messages.score_request(self.facts.route, asked)
        return self._answer(SCORE, request, pb.ScoreResponse, messages.answers)

    def _decide(self, asked: Case) -> Decision:
        return self._answer(DECIDE, decisions.decide_request(asked), decisions_pb2.DecideResponse, decisions.decision)

    def _answer(self, method: str, request: Message, kind: type[_R], read: Callable[[_R], _M]) -> _M:
        """Asks the pipeline as a gRPC call does. A refusal becomes an HTTP answer with the reason that gRPC gives."""
        answer = self._hosted.server.pipeline.handle(Call(method, request.SerializeToString()))
        if answer.error is None:
            return read(kind.FromString(answer.message))
        problem = Problem(error=answer.details, reason=answer.reason, metadata=dict(answer.error.metadata))
        status = _STATUS.get(answer.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        # BentoML hands a Response on as it is; an exception would lose its reason.
        return cast("_M", JSONResponse(problem.model_dump(), status))


def _image(folder: Path) -> Image:
    """The container image. All versions are pinned, so BentoML resolves none."""
    return Image(
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        lock_python_packages=False,
        python_requirements=(folder / REQUIREMENTS).read_text(),
        build_include_paths=[WHEELS],
    )
