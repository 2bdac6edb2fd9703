"""The command ``scoreline demo``: one demo by its name, or the first."""

import click

from scoreline_trainers.demo.churn.command import churn
from scoreline_trainers.demo.guardian.command import guardian
from scoreline_trainers.demo.propensity.command import propensity


class Demos(click.Group):
    """The demos by name. Without a name, options and all are those of the first."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the name of the first demo before arguments that begin without one."""
        is_named = bool(args) and (not args[0].startswith("-") or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_named else [propensity.name or "", *args])


@click.group(cls=Demos)
def demo() -> None:
    """Show a whole system at work, on synthetic people and in a registry of its own; without a NAME, propensity."""


for each in (propensity, guardian, churn):
    demo.add_command(each)
