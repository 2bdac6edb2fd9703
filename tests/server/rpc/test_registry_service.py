"""Reading and changing the registry over gRPC, as operators do."""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from scoreline.v1 import registry_pb2 as pb
from scoreline.v1 import registry_pb2_grpc as rpc
from scoreline_registry.decisions.specs.policy_file import policy_of
from scoreline_registry.history.rollback import RollbackAll
from scoreline_registry.history.weight_moves import MoveRamp
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_registry.routing.route_plan import RoutePlan
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_server.app import Server
from scoreline_server.errors import CallError, StartError
from scoreline_server.rpc.authority import Action, Caller, Policy, read_policy
from scoreline_server.rpc.registry_writes import RegistryWrites
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.settings import Settings
from tests.registry.profiles.samples import SPENDING, profile
from tests.server.policies import GUARDIAN
from tests.server.routes import ROUTE
from tests.server.toys import publish_linear
from tests.server.wire import reason_of


@pytest.fixture
def admin(registry: Registry, channel: grpc.Channel) -> rpc.RegistryServiceStub:
    """The registry service of a server of an empty registry."""
    return rpc.RegistryServiceStub(channel)


def failure(call: grpc.UnaryUnaryMultiCallable, request: object) -> tuple[grpc.StatusCode, str]:  # type: ignore[type-arg]
    """The code and reason with which a call fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return reason_of(caught.value)


def test_models_come_in_pages_and_by_owner_and_label(registry: Registry, admin: rpc.RegistryServiceStub) -> None:
    for name in ("alpha", "beta", "delta", "gamma"):
        publish_linear(registry, name)
    first = admin.ListModels(pb.ListModelsRequest(page_size=3))
    publish_linear(registry, "beta-two")
    rest = admin.ListModels(pb.ListModelsRequest(page_size=3, page_token=first.next_page_token))
    assert [model.name for model in first.models] == ["models/alpha", "models/beta", "models/delta"]
    assert [model.name for model in rest.models] == ["models/gamma"]
    assert rest.next_page_token == ""
    assert failure(admin.ListModels, pb.ListModelsRequest(page_token="?")) == INVALID
    assert failure(admin.ListModels, pb.ListModelsRequest(page_size=1001)) == INVALID
    assert not admin.ListModels(pb.ListModelsRequest(owner="risk")).models


INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID")
MISSING = (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


def test_versions_come_newest_first_and_by_alias_with_their_manifest(
    registry: Registry, admin: rpc.RegistryServiceStub
) -> None:
    for _ in range(5):
        publish_linear(registry, "linear", aliases=("champion",))
    page = admin.ListVersions(pb.ListVersionsRequest(parent="models/linear", page_size=2))
    assert [version.version for version in page.versions] == [5, 4]
    page = admin.ListVersions(
        pb.ListVersionsRequest(parent="models/linear", page_size=3, page_token=page.next_page_token)
    )
    assert [version.version for version in page.versions] == [3, 2, 1]
    assert not page.next_page_token
    version = admin.GetVersion(pb.GetVersionRequest(name="models/linear/versions/champion")).version
    assert (version.version, version.family, version.author) == (5, "toy", "tester")
    assert '"family":"toy"' in version.manifest_json
    assert failure(admin.GetVersion, pb.GetVersionRequest(name="models/linear/versions/9")) == MISSING
    assert failure(admin.ListVersions, pb.ListVersionsRequest(parent="models/nope")) == MISSING


@pytest.mark.parametrize(
    "name", ["", "linear", "models/", "models/../x", "models/Linear", "models/a\0", "models/" + "x" * 300]
)
def test_hostile_names_are_refused(admin: rpc.RegistryServiceStub, name: str) -> None:
    assert failure(admin.GetModel, pb.GetModelRequest(name=name)) == INVALID
    assert failure(admin.GetVersion, pb.GetVersionRequest(name=f"{name}/versions/1")) == INVALID
    change = pb.SetAliasRequest(name=name, alias="champion", version=1, author="tester")
    assert failure(admin.SetAlias, change) == INVALID


def test_a_route_is_planned_applied_and_protected_by_its_etag(
    registry: Registry, admin: rpc.RegistryServiceStub
) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "other", aliases=("champion",))
    plan = admin.ApplyRoute(pb.ApplyRouteRequest(definition=ROUTE, dry_run=True))
    assert plan.revision == 0
    assert plan.differences
    assert not registry.latest().routes
    done = admin.ApplyRoute(pb.ApplyRouteRequest(definition=ROUTE, etag="", author="ann", message="first"))
    assert done.revision == registry.latest().revision
    read = admin.GetRoute(pb.GetRouteRequest(name="routes/credit")).route
    assert read == done.route
    assert read_route(read.definition, source="test").route == "credit"
    split = ROUTE.replace("{linear@champion: 100}", "{linear@champion: 90, other@champion: 10}")
    moved = admin.ApplyRoute(pb.ApplyRouteRequest(definition=split, etag=read.etag, author="ann"))
    assert moved.moved == pytest.approx(0.1)
    stale = pb.ApplyRouteRequest(definition=ROUTE, etag=read.etag, author="ann")
    assert failure(admin.ApplyRoute, stale) == (grpc.StatusCode.ABORTED, "CONFLICT")
    assert failure(admin.ApplyRoute, pb.ApplyRouteRequest(definition="route: [", author="ann")) == INVALID
    many_problems = ROUTE + "  - {when: none}\n" * 1000
    assert failure(admin.ApplyRoute, pb.ApplyRouteRequest(definition=many_problems, author="ann")) == INVALID
    assert failure(admin.ApplyRoute, pb.ApplyRouteRequest(definition=ROUTE)) == INVALID
    unknown = pb.ApplyRouteRequest(definition=ROUTE.replace("linear", "nope"), author="ann")
    code, _ = failure(admin.ApplyRoute, unknown)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert [route.name for route in admin.ListRoutes(pb.ListRoutesRequest()).routes] == ["routes/credit"]


def test_a_profile_is_planned_applied_listed_and_rolled_back(
    registry: Registry, admin: rpc.RegistryServiceStub
) -> None:
    plan = admin.ApplyProfile(pb.ApplyProfileRequest(definition=SPENDING, dry_run=True))
    assert (plan.revision, plan.HasField("profile")) == (0, False)
    assert not registry.latest().profiles
    done = admin.ApplyProfile(pb.ApplyProfileRequest(definition=SPENDING, etag="", author="ann"))
    read = admin.GetProfile(pb.GetProfileRequest(name="profiles/spending")).profile
    assert read == done.profile
    assert read.etag == registry.latest().profile_digests["spending"]
    assert read_profile(read.definition, source="test") == profile()
    assert dict(read.feature_digests) == feature_digests(profile())
    changed = pb.ApplyProfileRequest(definition=SPENDING.replace("half_life: 7d", "half_life: 9d"), author="ann")
    answer = admin.ApplyProfile(changed)
    assert list(answer.differences) == ["feature spent_recently: half_life 7d -> 9d"]
    assert list(answer.other_values) == ["spent_recently"]
    stale = pb.ApplyProfileRequest(definition=SPENDING, etag=read.etag, author="ann")
    assert failure(admin.ApplyProfile, stale) == (grpc.StatusCode.ABORTED, "CONFLICT")
    wrong = SPENDING.replace("half_life: 7d", "half_lif: 7d")
    assert failure(admin.ApplyProfile, pb.ApplyProfileRequest(definition=wrong, author="ann")) == INVALID
    assert failure(admin.ApplyProfile, pb.ApplyProfileRequest(definition=SPENDING)) == INVALID
    admin.Rollback(pb.RollbackRequest(name="profiles/spending", to_revision=done.revision, author="ann"))
    [listed] = admin.ListProfiles(pb.ListProfilesRequest()).profiles
    assert listed == read
    assert failure(admin.GetProfile, pb.GetProfileRequest(name="profiles/other")) == MISSING
    assert failure(admin.GetProfile, pb.GetProfileRequest(name="spending")) == INVALID


def test_a_policy_is_planned_applied_listed_and_rolled_back(registry: Registry, admin: rpc.RegistryServiceStub) -> None:
    early = admin.ApplyPolicy, pb.ApplyPolicyRequest(definition=GUARDIAN, author="ann")
    assert failure(*early) == (grpc.StatusCode.FAILED_PRECONDITION, "REFUSED")
    publish_linear(registry, "linear", aliases=("champion",))
    admin.ApplyRoute(pb.ApplyRouteRequest(definition=ROUTE, author="ann"))
    plan = admin.ApplyPolicy(pb.ApplyPolicyRequest(definition=GUARDIAN, dry_run=True))
    assert (plan.revision, plan.HasField("policy"), plan.moved) == (0, False, 0)
    assert not registry.latest().policies
    done = admin.ApplyPolicy(pb.ApplyPolicyRequest(definition=GUARDIAN, etag="", author="ann"))
    read = admin.GetPolicy(pb.GetPolicyRequest(name="policies/guardian")).policy
    assert read == done.policy
    assert read.etag == registry.latest().policy_digests["guardian"]
    assert policy_of(read.definition, source="test") == policy_of(GUARDIAN, source="test")
    changed = pb.ApplyPolicyRequest(definition=f"{GUARDIAN}control: 25\n", author="ann")
    answer = admin.ApplyPolicy(changed)
    assert list(answer.differences) == ["control: 0 -> 25"]
    assert answer.moved == pytest.approx(0.25)
    stale = pb.ApplyPolicyRequest(definition=GUARDIAN, etag=read.etag, author="ann")
    assert failure(admin.ApplyPolicy, stale) == (grpc.StatusCode.ABORTED, "CONFLICT")
    wrong = pb.ApplyPolicyRequest(definition=GUARDIAN.replace("reduces", "reduce"), author="ann")
    assert failure(admin.ApplyPolicy, wrong) == INVALID
    assert failure(admin.ApplyPolicy, pb.ApplyPolicyRequest(definition=GUARDIAN)) == INVALID
    admin.Rollback(pb.RollbackRequest(name="policies/guardian", to_revision=done.revision, author="ann"))
    [listed] = admin.ListPolicies(pb.ListPoliciesRequest()).policies
    assert listed == read
    assert failure(admin.GetPolicy, pb.GetPolicyRequest(name="policies/other")) == MISSING
    assert failure(admin.GetPolicy, pb.GetPolicyRequest(name="guardian")) == INVALID
    seen = admin.WatchRevisions(pb.WatchRevisionsRequest(after_revision=done.revision - 1))
    assert next(seen).revision.changes[0].kind == "policy"
    seen.cancel()


SECTIONS = """\
outcomes: {keep_days: 400}
experiment: {primary: sale, metrics: {sale: {outcome: sale, kind: rate, direction: increase}}}
ramp: {arm: other@1, steps: [5, 100], hold: 1h, guards: {error_rate: 0.01, outcome: {sale: 0.02}}}
"""


def test_a_route_keeps_its_experiment_and_its_ramp_over_the_wire(
    registry: Registry, admin: rpc.RegistryServiceStub
) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "other")
    definition = ROUTE.replace("{linear@champion: 100}", "{linear@champion: 100, other@1: 0}") + SECTIONS
    admin.ApplyRoute(pb.ApplyRouteRequest(definition=definition, author="ann"))
    read = admin.GetRoute(pb.GetRouteRequest(name="routes/credit")).route
    again = admin.ApplyRoute(pb.ApplyRouteRequest(definition=read.definition, dry_run=True))
    assert list(again.differences) == []
    registry.commit(MoveRamp("credit", "start"), author="ann", message="")
    running = admin.GetRoute(pb.GetRouteRequest(name="routes/credit")).route
    assert "other@1: 5" in running.definition
    for kept in (definition, running.definition):
        assert list(admin.ApplyRoute(pb.ApplyRouteRequest(definition=kept, dry_run=True)).differences) == []
    cut_off = pb.ApplyRouteRequest(definition=definition.replace("hold: 1h", "hold: 1m"), author="ann")
    code, _ = failure(admin.ApplyRoute, cut_off)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    unknown = pb.ApplyRouteRequest(definition=definition.replace("primary: sale", "primary: sales"), author="ann")
    assert failure(admin.ApplyRoute, unknown) == INVALID


def test_an_alias_moves_with_its_models_etag(registry: Registry, admin: rpc.RegistryServiceStub) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "linear")
    before = admin.GetModel(pb.GetModelRequest(name="models/linear")).model
    move = pb.SetAliasRequest(name="models/linear", alias="champion", version=2, etag=before.etag, author="ann")
    done = admin.SetAlias(move)
    assert done.model.aliases == {"champion": 2}
    assert failure(admin.SetAlias, move) == (grpc.StatusCode.ABORTED, "CONFLICT")
    newest = admin.ListRevisions(pb.ListRevisionsRequest(page_size=1)).revisions[0]
    assert (newest.author, newest.revision) == ("ann", done.revision)
    assert [(change.kind, change.name) for change in newest.changes] == [("alias", "linear@champion")]


def test_a_rollback_moves_pointers_back_as_a_new_revision(registry: Registry, admin: rpc.RegistryServiceStub) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "linear", aliases=("champion",))
    done = admin.Rollback(pb.RollbackRequest(name="models/linear", to_revision=1, author="ann", message="it was worse"))
    assert done.revision == registry.latest().revision == 3
    assert registry.latest().models["linear"].aliases == {"champion": 1}
    assert [change.name for change in done.changes] == ["linear@champion"]
    assert admin.Rollback(pb.RollbackRequest(all=True, to_revision=2, author="ann")).revision == 4
    assert failure(admin.Rollback, pb.RollbackRequest(to_revision=1, author="ann")) == INVALID
    assert failure(admin.Rollback, pb.RollbackRequest(all=True, name="models/linear", author="ann")) == INVALID
    assert failure(admin.Rollback, pb.RollbackRequest(name="models/linear", to_revision=99, author="ann")) == MISSING


def test_revisions_are_watched_as_they_come(registry: Registry, admin: rpc.RegistryServiceStub) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    stream = admin.WatchRevisions(pb.WatchRevisionsRequest(after_revision=0))
    assert next(stream).revision.revision == 1
    publisher = threading.Timer(0.2, publish_linear, (registry, "linear"))
    publisher.start()
    second = next(stream).revision
    publisher.join()
    assert (second.revision, second.changes[0].name) == (2, "linear@2")
    stream.cancel()


def test_more_streams_than_there_is_room_for_are_refused(registry: Registry, settings: Settings) -> None:
    with (
        Server(settings.model_copy(update={"stream_threads": 1})) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = rpc.RegistryServiceStub(channel)
        publish_linear(registry, "linear")
        first = stub.WatchRevisions(pb.WatchRevisionsRequest())
        next(first)
        with pytest.raises(grpc.RpcError) as caught:
            next(stub.WatchRevisions(pb.WatchRevisionsRequest()))
        assert reason_of(caught.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
        first.cancel()


@pytest.fixture
def guarded(tmp_path: Path, registry: Registry, settings: Settings) -> Iterator[Server]:
    """A server that lets nobody write by the ordinary address, and has an admin address."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[[allow]]\nactions = ["registry.write"]\ncallers = ["admin"]\n')
    with Server(settings.model_copy(update={"policy_file": policy, "admin_listen": "127.0.0.1:0"})) as server:
        yield server


def test_writes_come_by_the_admin_address_where_the_policy_says_so(registry: Registry, guarded: Server) -> None:
    publish_linear(registry, "linear")
    move = pb.SetAliasRequest(name="models/linear", alias="champion", version=1, author="ann")
    with grpc.insecure_channel(guarded.address) as channel:
        stub = rpc.RegistryServiceStub(channel)
        assert failure(stub.SetAlias, move) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
        assert stub.GetModel(pb.GetModelRequest(name="models/linear")).model.versions == [1]
    with grpc.insecure_channel(guarded.admin_address) as channel:
        assert rpc.RegistryServiceStub(channel).SetAlias(move).model.aliases == {"champion": 1}


@pytest.mark.parametrize(
    ("caller", "may_write"),
    [
        (Caller("ipv4:127.0.0.1:4242"), True),
        (Caller("ipv6:%5B::1%5D:4242"), True),
        (Caller("unix:/run/s"), True),
        (Caller("ipv4:10.0.0.7:4242"), False),
        (Caller("ipv4:10.0.0.7:4242", identity="deploy-bot"), False),
        (Caller("ipv4:10.0.0.7:4242", by_admin_address=True), True),
        (Caller(""), False),
    ],
)
def test_by_default_changes_are_taken_from_this_machine_only(caller: Caller, may_write: bool) -> None:
    policy = read_policy(None)
    policy.authorize(caller, Action.SCORE)
    if may_write:
        policy.authorize(caller, Action.REGISTRY_WRITE)
    else:
        with pytest.raises(CallError, match=r"registry.write is not allowed"):
            policy.authorize(caller, Action.REGISTRY_WRITE)


def test_a_policy_names_certificates(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[[allow]]\nactions = ["registry.write", "score"]\ncallers = ["cn:deploy-*"]\n')
    policy: Policy = read_policy(file)
    policy.authorize(Caller("ipv4:10.0.0.7:1", identity="deploy-bot"), Action.REGISTRY_WRITE)
    with pytest.raises(CallError):
        policy.authorize(Caller("ipv4:127.0.0.1:1", identity="ann"), Action.SCORE)
    policy.authorize(Caller(), Action.DESCRIBE)


@pytest.mark.parametrize(
    ("more", "may_decide"), [("", False), ('[[allow]]\nactions = ["decide"]\ncallers = ["*"]\n', True)]
)
def test_decisions_tell_scores_so_a_policy_for_scores_is_one_for_them(
    tmp_path: Path, more: str, *, may_decide: bool
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(f'[[allow]]\nactions = ["score"]\ncallers = ["cn:app"]\n{more}')
    policy = read_policy(file)
    policy.authorize(Caller(identity="app"), Action.DECIDE)
    if may_decide:
        policy.authorize(Caller(identity="ann"), Action.DECIDE)
    else:
        with pytest.raises(CallError, match="decide is not allowed"):
            policy.authorize(Caller(identity="ann"), Action.DECIDE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[allow]]\nactions = ["fly"]\ncallers = ["*"]', "unknown action 'fly'"),
        ('[[allow]]\nactions = ["score"]\ncallers = ["ann"]', "unknown caller 'ann'"),
        ('[[allow]]\nactions = ["score"]', "has `actions` and `callers`"),
        ("deny = 1", r"\[\[allow\]\] tables and nothing else"),
        ("=", "policy.toml"),
    ],
)
def test_a_wrong_policy_stops_the_start_with_one_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(StartError, match=says):
        read_policy(file)


def test_a_damaged_model_is_data_loss(registry: Registry, admin: rpc.RegistryServiceStub, tmp_path: Path) -> None:
    publish_linear(registry, "linear")
    path = tmp_path / "registry/models/linear/1/manifest.json"
    path.chmod(0o644)
    path.write_text("{}")
    request = pb.GetVersionRequest(name="models/linear/versions/1")
    assert failure(admin.GetVersion, request) == (grpc.StatusCode.DATA_LOSS, "DAMAGED")


class Hurried(Registry):
    """A registry in which somebody takes every route back the moment that it is applied."""

    def apply_route(self, spec: RouteSpec, *, author: str, message: str, if_match: str | None = None) -> RoutePlan:
        plan = super().apply_route(spec, author=author, message=message, if_match=if_match)
        assert plan.revision
        self.commit(RollbackAll(self.at(plan.revision - 1)), author="other", message="")
        return plan


def test_an_applied_route_is_answered_as_applied_whoever_changes_it_next(tmp_path: Path) -> None:
    registry = Hurried.create(tmp_path / "hurried")
    publish_linear(registry, "linear", aliases=("champion",))
    request = pb.ApplyRouteRequest(definition=ROUTE, author="ann")
    answer = RegistryWrites(registry).apply_route(request, Catalog(), Caller())
    assert answer.route.etag == registry.at(answer.revision).route_digests["credit"]
    assert "credit" not in registry.latest().routes


def test_a_policy_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^policy_file .*policy\.toml cannot be read: No such file or directory$"):
        read_policy(tmp_path / "policy.toml")
