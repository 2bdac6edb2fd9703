"""Callers who come at the same time, as tasks of one client and as threads of one."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import grpc

import scoreline
from scoreline import Score, ScorelineError
from scoreline.v1 import scoring_pb2 as pb
from tests.clients.sums import Sums, fail

Question: TypeAlias = dict[str, Any]
"""The keywords of a call of ``score``."""

Ask: TypeAlias = Callable[..., list[Any]]


def ask_as_tasks(target: str, questions: Sequence[Question], **options: Any) -> list[Any]:
    """What each caller gets, a score or an error."""

    async def ask(client: scoreline.AsyncClient, question: Question) -> Any:
        try:
            return await client.score("credit", **question)
        except ScorelineError as error:
            return error

    async def crowd() -> list[Any]:
        async with scoreline.AsyncClient(target, **options) as client:
            await client.schema("credit")
            return await asyncio.gather(*(ask(client, question) for question in questions))

    return asyncio.run(crowd())


def ask_as_threads(target: str, questions: Sequence[Question], **options: Any) -> list[Any]:
    """The same by a thread for each caller; the first two are under way before the others come."""
    others_come = threading.Event()

    def ask(client: scoreline.Client, place: int) -> Any:
        if place > 1:
            others_come.wait()
        try:
            return client.score("credit", **questions[place])
        except ScorelineError as error:
            return error

    with scoreline.Client(target, **options) as client, ThreadPoolExecutor(len(questions)) as pool:
        client.schema("credit")
        threading.Timer(0.02, others_come.set).start()
        return list(pool.map(lambda place: ask(client, place), range(len(questions))))


def shown(outcome: Any) -> dict[str, Any]:
    """A score or an error as values that can be compared; what names the call is left out."""
    if isinstance(outcome, ScorelineError):
        facts = (outcome.message, outcome.code, outcome.reason, outcome.metadata, getattr(outcome, "row", None))
        return {"error": type(outcome), "facts": facts}
    assert isinstance(outcome, Score), outcome
    facts_of_score = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    del facts_of_score["prediction_id"]
    return facts_of_score | {"extras": {name: value.tolist() for name, value in outcome.extras.items()}}


@dataclass(repr=False)
class Moody(Sums):
    """Sums that does what an entity's id says."""

    target: str = ""

    def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:  # noqa: N802
        ids = request.packed.entity_ids
        if "poison" in ids:
            self.requests.append(request)
            fail(grpc.StatusCode.INVALID_ARGUMENT, "WRONG_INDEX", text="poison")(context)
        if "fat" in ids and len(ids) > 1:
            self.requests.append(request)
            fail(grpc.StatusCode.RESOURCE_EXHAUSTED, text="message larger than max")(context)
        if list(ids) == ["bad"]:
            # As the real server does: a call with a single entity fails as a whole.
            self.requests.append(request)
            fail(grpc.StatusCode.INVALID_ARGUMENT, "MISSING_FEATURE", text="'age' is required", feature="age")(context)
        return super().Score(request, context)
