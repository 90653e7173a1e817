"""The command ``perennial``: every sentence that a person reads, and nothing that decides."""

import importlib
import sys
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

COMMANDS: Final = {
    "up": ("stack", "Start the servers and the worker, or what is missing of them."),
    "down": ("stack", "Stop everything that belongs to this home."),
    "status": ("stack", "Show the servers, or with a name everything about that model."),
    "upkeep": ("stack", "Do what has become due: calendars, missed runs, reviews past their end."),
    "logs": ("stack", "Show what the servers last said."),
    "doctor": ("stack", "Look at this machine: is everything there that Perennial needs?"),
    "deploy": (
        "models",
        "Make Prefect hold what is declared: six deployments for each model, and its triggers.",
    ),
    "new": (
        "new",
        "Write a model's folder from a file of its data; it deploys and trains as it stands.",
    ),
    "gpus": (
        "gpus",
        "Show this machine's GPUs: who holds what, how they are, and who waits for them.",
    ),
    "why": (
        "why",
        "Say what a run waits for, since when, and what would free it; or where it runs.",
    ),
    "replay": (
        "replay",
        "Play history once more under several policies: what each would have gained and cost.",
    ),
    "review": ("review", "List the reviews that wait, or decide one."),
    "verify": ("verify", "Hold a model to a test: does its monitor see shifts that are known?"),
    "rollback": ("rollback", "Put an older version in charge again and wait until it is."),
}
"""Each command with the module of ours that adds it, and the line that ``--help`` shows.

The module is imported when its command is called: Prefect reads the environment when it is
imported, so that must be right by then, and ``--help`` has nothing to wait for.
"""


class _Lazy(TyperGroup):
    """A group whose commands are imported when they are called."""

    # typer carries its own copy of click, whose types are private.
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and command else command, rest


def load(name: str) -> Any:  # noqa: ANN401 - as above
    """The command itself, from its module, in the environment of this home's servers."""
    from infra.environment import adopt

    adopt()
    app = typer.Typer(callback=_nothing)
    importlib.import_module(f"deployments.cli.{COMMANDS[name][0]}").add_to(app)
    group: Any = typer.main.get_group(app)
    return group.commands[name]


def build() -> typer.Typer:
    """The application: a name and a line for each command."""
    app = typer.Typer(
        name="perennial",
        cls=_Lazy,
        callback=_nothing,
        help="Continuous training on Prefect: models that come back every season.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, (_, line) in COMMANDS.items():
        app.command(name, help=line)(_nothing)
    return app


def main() -> NoReturn:
    """Run the command line; an error is one sentence and a hint, never a traceback.

    Exit codes: 0 done, 1 it failed, 2 the command, a file or a variable is wrong, 3 a test of
    ``verify`` failed, 130 interrupted.
    ``PERENNIAL_DEBUG=1`` shows the traceback.
    """
    from deployments.cli.failing import colour, run

    arguments = sys.argv[1:] or ["--help"]
    settled = {"prog_name": "perennial", "standalone_mode": False, "color": colour()}
    run(lambda: build()(args=arguments, **settled))


def _nothing() -> None:
    """Stand in for a command until it is loaded."""
