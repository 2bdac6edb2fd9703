"""Every command by name: where it lives, what it does, and the extra that brings what it needs.

Other packages add commands by an entry point in the group ``scoreline.commands`` that names a click command.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

ENTRY_POINTS = "scoreline.commands"


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """``target`` is module:attribute; nothing of it is loaded before the command is used."""

    target: str
    help: str
    extra: str


COMMANDS: Mapping[str, CommandSpec] = {
    "demo": CommandSpec("scoreline_trainers.demo:demo", "Train, publish, route, serve and score; all in one.", "all"),
    "init": CommandSpec("scoreline_registry.commands:init", "Start a registry.", "registry"),
    "data": CommandSpec("scoreline_trainers.commands.training:data", "Make synthetic data.", "trainers"),
    "train": CommandSpec(
        "scoreline_trainers.commands.training:train", "Train a model by a recipe, and publish it.", "trainers"
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
    "models": CommandSpec("scoreline_registry.commands:models", "List models and show their versions.", "registry"),
    "alias": CommandSpec("scoreline_registry.commands:alias", "Move aliases such as champion.", "registry"),
    "route": CommandSpec("scoreline_registry.commands:route", "Plan, apply and show routes.", "registry"),
    "history": CommandSpec("scoreline_registry.commands:history", "Show who changed what, and why.", "registry"),
    "rollback": CommandSpec(
        "scoreline_registry.commands:rollback", "Restore aliases and routes of an earlier revision.", "registry"
    ),
    "retire": CommandSpec("scoreline_registry.commands:retire", "Take a version out of use.", "registry"),
    "unretire": CommandSpec("scoreline_registry.commands:unretire", "Bring a retired version back.", "registry"),
    "promote": CommandSpec("scoreline_registry.commands:promote", "Copy a version to another registry.", "registry"),
    "export": CommandSpec("scoreline_registry.commands:export", "Export models for other servers.", "registry"),
    "verify": CommandSpec(
        "scoreline_registry.commands:verify", "Check every file of a registry for damage.", "registry"
    ),
    "gc": CommandSpec(
        "scoreline_registry.commands:gc", "Remove files of retired versions and failed uploads.", "registry"
    ),
    "serve": CommandSpec("scoreline_server.commands:serve", "Serve a registry over gRPC.", "server"),
    "bento": CommandSpec("scoreline_server.bento.commands:bento", "Build a Bento of a route.", "bento"),
    "score": CommandSpec("scoreline.cli.score:score", "Score one entity, or a file of them.", "cli"),
    "status": CommandSpec("scoreline.cli.status:status", "Show what a running server has loaded.", "cli"),
    "health": CommandSpec("scoreline.cli.health:health", "Say whether a server is ready, for probes.", "cli"),
    "stubs": CommandSpec("scoreline.cli.stubs:stubs", "Write the protos, and Python generated from them.", "cli"),
    "journal": CommandSpec("scoreline_server.journal.commands:journal", "Read the journal of scored rows.", "server"),
    "doctor": CommandSpec("scoreline_server.commands:doctor", "Check machine, registry and server.", "server"),
}

EXTRA_OF_MODULE: Mapping[str, str] = {"pyarrow": "trainers", "torch": "deep"}
"""Modules that need more than their command's own extra."""


def plugins() -> Mapping[str, CommandSpec]:
    """The commands that other installed packages add. None of them hides one of ours."""
    return {
        point.name: CommandSpec(point.value, f"From {point.dist.name if point.dist else point.module}.", "")
        for point in entry_points(group=ENTRY_POINTS)
        if point.name not in COMMANDS
    }
