"""The commands: the module of each, its line of help, and the extra that installs what it needs.

Other packages add commands by an entry point in the group ``scoreline.commands`` that names a click command.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

ENTRY_POINTS = "scoreline.commands"


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command. ``target`` is module:attribute, imported when the command is used."""

    target: str
    help: str
    extra: str


GROUPS: Mapping[str, Mapping[str, CommandSpec]] = {
    "Start here": {
        "demo": CommandSpec(
            "scoreline_trainers.demo:demo", "Train, publish, route, serve and score, all at once.", "all"
        ),
        "init": CommandSpec("scoreline_registry.commands:init", "Start a registry.", "registry"),
        "doctor": CommandSpec("scoreline_server.commands:doctor", "Check machine, registry and server.", "server"),
    },
    "Train and publish": {
        "data": CommandSpec("scoreline_trainers.commands.data:data", "Make synthetic tables.", "trainers"),
        "recipe": CommandSpec(
            "scoreline_trainers.commands.recipes:recipe", "Write a first recipe for a table.", "trainers"
        ),
        "train": CommandSpec(
            "scoreline_trainers.commands.training:train", "Train a model by a recipe, and publish it.", "trainers"
        ),
        "retrain": CommandSpec(
            "scoreline_trainers.commands.retraining:retrain", "Retrain a version when its rule says so.", "trainers"
        ),
        "report": CommandSpec(
            "scoreline_trainers.commands.reporting:report", "Write the report of a model's version.", "trainers"
        ),
        "explain": CommandSpec(
            "scoreline_trainers.commands.explaining:explain", "Show what inputs contribute to a score.", "trainers"
        ),
        "adapt": CommandSpec(
            "scoreline_trainers.commands.adaptation:adapt", "Add a segment to a model from a few rows.", "trainers"
        ),
        "publish": CommandSpec(
            "scoreline_trainers.commands.publishing:publish", "Check and publish an ONNX model.", "publish"
        ),
        "import-repository": CommandSpec(
            "scoreline_trainers.commands.publishing:import_repository",
            "Publish a model repository of Triton or OpenVINO.",
            "publish",
        ),
    },
    "Manage models and routes": {
        "models": CommandSpec("scoreline_registry.commands:models", "List models and show their versions.", "registry"),
        "alias": CommandSpec("scoreline_registry.commands:alias", "Move aliases such as champion.", "registry"),
        "route": CommandSpec("scoreline_registry.commands:route", "Plan, apply and show routes.", "registry"),
        "profile": CommandSpec("scoreline_registry.commands:profile", "Plan, apply and show profiles.", "registry"),
        "events": CommandSpec(
            "scoreline_server.events.commands:events", "Record the events that profiles are made of.", "server"
        ),
        "policy": CommandSpec("scoreline_registry.commands:policy", "Plan, apply and show policies.", "registry"),
        "history": CommandSpec("scoreline_registry.commands:history", "Show who changed what, and why.", "registry"),
        "rollback": CommandSpec(
            "scoreline_registry.commands:rollback", "Restore what an earlier revision had.", "registry"
        ),
        "retire": CommandSpec("scoreline_registry.commands:retire", "Take a version out of use.", "registry"),
        "unretire": CommandSpec("scoreline_registry.commands:unretire", "Bring a retired version back.", "registry"),
    },
    "Compare and ramp": {
        "outcomes": CommandSpec(
            "scoreline_server.outcomes.commands:outcomes", "Report and read outcomes of scores.", "server"
        ),
        "compare": CommandSpec(
            "scoreline_server.analysis.commands:compare", "Compare the arms and shadows of a route.", "analysis"
        ),
        "experiment": CommandSpec(
            "scoreline_registry.commands:experiment", "Plan an experiment, and show a route's.", "registry"
        ),
        "ramp": CommandSpec("scoreline_registry.commands:ramp", "Start, watch and stop a guarded ramp.", "registry"),
        "replay": CommandSpec(
            "scoreline_server.analysis.replay.commands:replay_command", "Score journaled rows again.", "server"
        ),
        "reasons": CommandSpec(
            "scoreline_server.analysis.replay.reason_commands:reasons_command", "Explain a journaled score.", "server"
        ),
    },
    "Maintain a registry": {
        "promote": CommandSpec(
            "scoreline_registry.commands:promote", "Copy a version to another registry.", "registry"
        ),
        "export": CommandSpec("scoreline_registry.commands:export", "Export models for other servers.", "registry"),
        "verify": CommandSpec(
            "scoreline_registry.commands:verify", "Check every file of a registry for damage.", "registry"
        ),
        "gc": CommandSpec(
            "scoreline_registry.commands:gc", "Remove files of retired versions and failed uploads.", "registry"
        ),
    },
    "Serve and score": {
        "serve": CommandSpec("scoreline_server.commands:serve", "Serve a registry over gRPC.", "server"),
        "score": CommandSpec("scoreline.cli.score:score", "Score one entity, or a file of them.", "cli"),
        "decide": CommandSpec(
            "scoreline.cli.decide:decide", "Decide what to do about one entity, or a file of them.", "cli"
        ),
        "whatif": CommandSpec("scoreline.cli.what_if:what_if", "Compare what interventions would change.", "cli"),
        "recourse": CommandSpec(
            "scoreline.cli.recourse:recourse", "Find the cheapest changes that reach a band or score.", "cli"
        ),
        "status": CommandSpec("scoreline.cli.status:status", "Show what a running server has loaded.", "cli"),
        "health": CommandSpec("scoreline.cli.health:health", "Say whether a server is ready, for probes.", "cli"),
        "journal": CommandSpec(
            "scoreline_server.journal.commands:journal",
            "Read the journal of scored rows.",
            "server",
        ),
        "bento": CommandSpec("scoreline_server.bento.commands:bento", "Build a Bento of a route.", "bento"),
        "stubs": CommandSpec("scoreline.cli.stubs:stubs", "Write the protos, and Python generated from them.", "cli"),
    },
}
"""The commands by what they are for, in the order of ``scoreline --help``."""

COMMANDS: Mapping[str, CommandSpec] = {name: spec for group in GROUPS.values() for name, spec in group.items()}

SHARED: Mapping[str, Mapping[str, CommandSpec]] = {
    "policy": {
        "limits": CommandSpec(
            "scoreline_server.decisions.limit_commands:limits", "Print what is used of a policy's limits.", "server"
        ),
        "effect": CommandSpec(
            "scoreline_server.analysis.decisions.commands:effect",
            "Show the effect of each action against the control.",
            "analysis",
        ),
        "value": CommandSpec(
            "scoreline_server.analysis.decisions.commands:value",
            "Estimate the value of a policy that never ran.",
            "analysis",
        ),
    },
    "profile": {
        "show": CommandSpec("scoreline_server.events.commands:show", "Print the features of an entity.", "server"),
        "forget": CommandSpec(
            "scoreline_server.events.commands:forget", "Remove an entity from profiles and journal.", "server"
        ),
        "clear": CommandSpec("scoreline_server.events.commands:clear", "Remove all entities of a profile.", "server"),
        "stats": CommandSpec("scoreline_server.events.commands:stats", "Count entities and events.", "server"),
        "backfill": CommandSpec(
            "scoreline_server.events.replay_commands:backfill", "Fold a log of past events.", "server"
        ),
        "rebuild": CommandSpec(
            "scoreline_server.events.replay_commands:rebuild", "Make states again from the log of events.", "server"
        ),
    },
    "events": {
        "consume": CommandSpec(
            "scoreline_server.processes.consume:consume", "Record the events of Kafka topics.", "kafka"
        )
    },
    "journal": {
        "forget": CommandSpec(
            "scoreline_server.forgetting.commands:forget_command", "Remove an entity from the journal.", "server"
        )
    },
    "ramp": {
        "run": CommandSpec(
            "scoreline_server.controllers.commands:run", "Evaluate guards, and move running ramps.", "server"
        )
    },
}
"""Commands that are not of the module of their group, by the group's name."""

EXTRA_OF_MODULE: Mapping[str, str] = {"pyarrow": "trainers", "torch": "deep"}
"""Modules that need more than their command's own extra."""


def plugins() -> Mapping[str, CommandSpec]:
    """The commands of other installed packages. None of them replaces one of Scoreline's."""
    return {
        point.name: CommandSpec(point.value, f"From {point.dist.name if point.dist else point.module}.", "")
        for point in entry_points(group=ENTRY_POINTS)
        if point.name not in COMMANDS
    }
