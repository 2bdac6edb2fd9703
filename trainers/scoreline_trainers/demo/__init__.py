"""``scoreline demo``: train, publish, route, serve and score, on synthetic customers and a registry of its own."""

from scoreline_trainers.demo.command import demo

__all__ = ["demo"]
