"""``scoreline demo``: the main job from end to end, on synthetic customers and an embedded registry."""

from scoreline_trainers.demo.command import demo

__all__ = ["demo"]
