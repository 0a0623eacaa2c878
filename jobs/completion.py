"""Completion in a shell: a script that knows every verb, its presets and all that can be set.

    dass completion bash > ~/.local/share/bash-completion/completions/dass
    dass completion zsh > ~/.zfunc/_dass        (where `fpath` has ~/.zfunc)

Tyro writes the script, from the same configs that it parses. Knows nothing of what a verb does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import tyro

from jobs.cli import config_of, presets
from jobs.verbs import VERBS

SHELLS = ("bash", "zsh")


def command(verb: str) -> Callable[..., None]:
    """Return a function that takes on a command line what a verb takes."""

    def function(config: object) -> None:
        del config  # nothing is run: only what it takes is read

    def bare() -> None:
        """Take nothing, as a verb without presets is completed."""

    configs = presets(verb)
    taken: Callable[..., None] = function if configs else bare
    if configs:
        kind = tyro.extras.subcommand_type_from_defaults(
            {name: config for name, (_, config) in configs.items()},
            {name: does for name, (does, _) in configs.items()},
        )
        function.__annotations__ = {"config": Annotated[kind, tyro.conf.arg(name="")]}
    elif VERBS[verb].config:
        taken = function
        function.__annotations__ = {
            "config": Annotated[type(config_of(verb)), tyro.conf.arg(name="")]
        }
    taken.__doc__ = VERBS[verb].does
    return taken


def main(arguments: Sequence[str]) -> int:
    """Print the script for the shell that is named; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        asked = list(arguments) in (["-h"], ["--help"])
        print(f"usage: dass completion {'|'.join(SHELLS)}", file=sys.stderr)
        return 0 if asked else 2
    tyro.extras.subcommand_cli_from_dict(
        {verb: command(verb) for verb in VERBS},
        prog="dass",
        args=["--tyro-write-completion", arguments[0], "-"],
    )
    raise AssertionError("tyro exits once it has written a script")


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
