"""The JSON bodies of the HTTP endpoints, and their conversion from and to protobuf messages."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.scoring.reasons.asking import MOST_REASONS
from scoreline_server.scoring.rows import MAX_ENTITIES

JsonValue = float | bool | str | None
Values = dict[str, JsonValue]
Row = dict[str, float | None]
StepRow = dict[str, float | str | None]


class _Sent(BaseModel):
    """A request body: unknown keys are refused. BentoML logs each refusal, hence without the input."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Unit(_Sent):
    """The unit whose arm is requested."""

    entity_id: str = Field(default="", description="What the route's split hashes.")
    context: Values = Field(default={}, description="Facts that rules read.")


class Event(_Sent):
    """Something that the entity does now, as a profile of the route declares it."""

    type: str = Field(description="One of the profile's event types.")
    time: Annotated[AwareDatetime, Strict(strict=False)] | None = Field(default=None, description="Now without one.")
    fields: Values = Field(default={}, description="Field values by name; null means missing.")


class Entity(Unit):
    """One entity; null means missing."""

    features: Values = Field(default={}, description="Feature values by name, as `schema` lists them.")
    sequence: list[StepRow] | None = Field(default=None, description="The entity's history, oldest step first.")
    neighbors: list[Row] = Field(default=[], description="The units around the entity.")
    event: Event | None = Field(default=None, description="The event at hand, where the route reads profiles.")


class One(Entity):
    """One entity to be scored."""

    reasons: int = Field(default=0, ge=0, le=MOST_REASONS, description="How many reasons of the score to return.")
    language: str = Field(default="", description="The language of the reasons' texts.")
    extras: list[str] = Field(default=[], description="Extra outputs to return, as `schema` lists them.")
    request_id: str = Field(default="", description="Equal on a retry, for readers of the journal.")


class Many(_Sent):
    """1 to 1,024 entities to be scored."""

    entities: list[Entity] = Field(max_length=MAX_ENTITIES, description="1 to 1,024 entities.")
    reasons: int = Field(default=0, ge=0, le=MOST_REASONS, description="How many reasons of each score to return.")
    language: str = Field(default="", description="The language of the reasons' texts.")
    extras: list[str] = Field(default=[], description="Extra outputs to return, as `schema` lists them.")
    request_id: str = Field(default="", description="Equal on a retry, for readers of the journal.")


class Problem(BaseModel):
    """Why something could not be answered: what to do, the reason of docs/reference/errors.md, and facts."""

    error: str
    reason: str
    metadata: dict[str, str] = {}


class Tensor(BaseModel):
    """A block of numbers, row-major; null where there is none."""

    shape: list[int]
    data: list[float | None]


class ReasonCode(BaseModel):
    """How one input moved a score; see docs/guides/reasons.md."""

    input: str
    value: str
    contribution: float
    standard_error: float
    text: str
    language: str


class Explanation(BaseModel):
    """Which inputs moved a score most, away from the mean of a cohort; see docs/guides/reasons.md."""

    reasons: list[ReasonCode]
    base: float
    margin: float
    rest: float
    standard_error: float


class Score(BaseModel):
    """One entity's score. With ``problem``, nothing else counts."""

    score: float | None = Field(description="A float32: read as such it is what gRPC answers, to the last bit.")
    band: str = ""
    points: float | None = None
    extras: dict[str, Tensor] = {}
    model: str = ""
    version: int = 0
    arm: str = ""
    reason: str = ""
    prediction_id: str = ""
    quality: dict[str, int] = {}
    profile_state: str = Field(default="", description="READ, NEW or UNREACHABLE, where the route reads profiles.")
    problem: Problem | None = None
    explanation: Explanation | None = Field(default=None, description="Where reasons were asked for.")


class Answer(BaseModel):
    """The score of one entity."""

    score: Score
    revision: int = Field(description="The registry's revision that the Bento was built from.")


class Answers(BaseModel):
    """The scores of entities, in order; those that cannot be scored fail alone."""

    scores: list[Score]
    revision: int = Field(description="The registry's revision that the Bento was built from.")


class SchemaFeature(BaseModel):
    """One feature that the route takes."""

    name: str
    kind: str
    required: bool
    vocabulary: list[str]
    profile: str = Field(description="The profile that fills it where it is not sent; empty for none.")


class Schema(BaseModel):
    """The schema of the route."""

    route: str
    revision: int
    features: list[SchemaFeature]
    sequence: list[str] = Field(description="Step features; empty where the route takes no history.")
    neighbors: list[str] = Field(description="Neighbor features; empty where the route takes none.")
    unit: str
    extras: list[str]
    max_entities: int


class Assignment(BaseModel):
    """Which arm a unit gets, and why."""

    arm: str
    model: str
    version: int
    reason: str
    bucket: float | None
    revision: int


class Health(BaseModel):
    """Whether to send calls, and the models that are served."""

    ready: bool
    draining: bool
    problem: str
    registry_id: str
    revision: int
    route: str
    grpc_address: str
    models: dict[str, str] = Field(description="sha256 of each version's model file.")


def score_request(route: str, asked: One | Many) -> pb.ScoreRequest:
    """The ScoreRequest, in the named form."""
    entities = asked.entities if isinstance(asked, Many) else [asked]
    return pb.ScoreRequest(
        route=route,
        entities=map(entity_message, entities),
        extras=asked.extras,
        request_id=asked.request_id,
        reasons=asked.reasons,
        language=asked.language,
    )


def assignment_request(route: str, unit: Unit) -> pb.GetAssignmentRequest:
    """The GetAssignmentRequest."""
    return pb.GetAssignmentRequest(route=route, entity_id=unit.entity_id, context=_values(unit.context))


def answer(response: pb.ScoreResponse) -> Answer:
    """The score of the one entity of an answer."""
    return Answer(score=score_of(response.scores[0]), revision=response.revision)


def answers(response: pb.ScoreResponse) -> Answers:
    """All scores of an answer."""
    return Answers(scores=[*map(score_of, response.scores)], revision=response.revision)


def schema(answer: pb.GetSchemaResponse) -> Schema:
    """The schema of a route as JSON."""
    features = [
        SchemaFeature(
            name=feature.name,
            kind=pb.FeatureKind.Name(feature.kind).removeprefix("FEATURE_KIND_").lower(),
            required=feature.required,
            vocabulary=[*feature.vocabulary],
            profile=feature.profile,
        )
        for feature in answer.features
    ]
    return Schema(
        route=answer.route,
        revision=answer.revision,
        features=features,
        sequence=[*answer.sequence.features],
        neighbors=[*answer.neighbors.features],
        unit=answer.unit,
        extras=[*answer.extras],
        max_entities=answer.max_entities,
    )


def assignment(answer: pb.GetAssignmentResponse) -> Assignment:
    """Which arm a unit gets."""
    return Assignment(
        arm=answer.arm,
        model=answer.model,
        version=answer.version,
        reason=_reason(answer.reason),
        bucket=answer.bucket if answer.HasField("bucket") else None,
        revision=answer.revision,
    )


def entity_message(entity: Entity) -> pb.Entity:
    """An entity in the named form."""
    message = pb.Entity(entity_id=entity.entity_id, features=_values(entity.features), context=_values(entity.context))
    if entity.sequence is not None:
        message.sequence.steps.extend(map(_step, entity.sequence))
    message.neighbors.extend(pb.Neighbor(features=_numbers(row)) for row in entity.neighbors)
    if entity.event is not None:
        message.event.CopyFrom(pb.Event(type=entity.event.type, fields=_values(entity.event.fields)))
        if entity.event.time is not None:
            message.event.time.FromDatetime(entity.event.time)
    return message


def _values(values: Mapping[str, JsonValue]) -> dict[str, pb.Value]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: JsonValue) -> pb.Value:
    match value:
        case None:
            return pb.Value()
        case bool():
            return pb.Value(flag=value)
        case str():
            return pb.Value(text=value)
    return pb.Value(number=value)


def _step(row: StepRow) -> pb.Step:
    """A step's texts as categories, the rest as numbers."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    numbers = {name: value for name, value in row.items() if not isinstance(value, str)}
    return pb.Step(features=_numbers(numbers), categories=texts)


def _numbers(row: Row) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in row.items()}


def score_of(score: pb.EntityScore) -> Score:
    """One entity's score as JSON."""
    if score.HasField("error"):
        error = score.error
        return Score(
            score=None, problem=Problem(error=error.message, reason=error.reason, metadata=dict(error.metadata))
        )
    return Score(
        score=score.score,
        band=score.band,
        points=score.points if score.HasField("points") else None,
        extras={name: _tensor(tensor) for name, tensor in score.extras.items()},
        model=score.model,
        version=score.version,
        arm=score.arm,
        reason=_reason(score.reason),
        prediction_id=score.prediction_id,
        quality=_counts(score.quality),
        profile_state=_profile_state(score.quality.profile_state),
        explanation=_explanation(score.explanation) if score.HasField("explanation") else None,
    )


def _explanation(found: pb.Explanation) -> Explanation:
    codes = [
        ReasonCode(
            input=code.input,
            value=code.value,
            contribution=code.contribution,
            standard_error=code.standard_error,
            text=code.text,
            language=code.language,
        )
        for code in found.reasons
    ]
    return Explanation(
        reasons=codes, base=found.base, margin=found.margin, rest=found.rest, standard_error=found.standard_error
    )


def _tensor(tensor: pb.Tensor) -> Tensor:
    numbers = np.frombuffer(tensor.data, "<f4").tolist()
    return Tensor(shape=[*tensor.shape], data=[number if np.isfinite(number) else None for number in numbers])


def _counts(quality: pb.DataQuality) -> dict[str, int]:
    return {field.name: number for field, number in quality.ListFields() if field.name != "profile_state"}


def _profile_state(state: "pb.ProfileState.ValueType") -> str:
    return pb.ProfileState.Name(state).removeprefix("PROFILE_STATE_") if state else ""


def _reason(reason: Any) -> str:
    return pb.Reason.Name(reason).removeprefix("REASON_")
