"""The command `dass VERB PRESET --overrides`; `python -m jobs.VERB` is the same line.

Knows every verb's name, its presets and what it asks of a cluster. A verb and its presets are
imported when they are asked for, so that the list of verbs costs nothing. Knows nothing of what a
verb does.
"""

from __future__ import annotations

import difflib
import errno
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from cluster.deploy.submit import line
from cluster.fleet.job import FleetError
from dass.errors import DassError

STORE = "--store s3://..."


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """A module of `jobs`, its presets, and what it takes on a cluster."""

    does: str
    """What it is for, in a line."""
    presets: Mapping[str, str] = field(default_factory=dict)
    """By name, the function of `jobs.presets` that returns it; `status` has none."""
    options: str | None = STORE
    """What it must be told on a cluster; `None` if it is not one for a cluster."""
    cores: int = 1
    """Cores that it computes on itself; 0 if it leaves that to workers."""


SPACES = ("micro", "small", "paper")
ABLATIONS = ("no-teacher", "no-student", "no-adaptation", "no-description")


def _by_space(verb: str) -> dict[str, str]:
    return {space: f"{space}.{verb}" for space in SPACES}


VERBS = {
    "quickstart": Verb(
        does="the first run: search, distil, compare; `micro` makes the predictor first",
        presets={"fashion": "fashion.quickstart", "micro": "micro.quickstart"},
        options=None,
    ),
    "build": Verb(
        does="images to teachers to distilled students: the meta-dataset",
        presets=_by_space("build")
        | {"evidence-core": "benchmark.core", "evidence": "benchmark.build"}
        | {"fidelity": "fidelity.build"},
        cores=0,
    ),
    "status": Verb(does="how a build stands, from any machine: `dass status STORE`", options=None),
    "compact": Verb(does="many small record files to one", presets=_by_space("compact")),
    "train": Verb(
        does="records to a predictor and its card",
        presets=_by_space("train")
        | {"evidence": "benchmark.train", "reconstructed": "benchmark.reconstructed"}
        | {name: f"benchmark.{name.replace('-', '_')}" for name in ABLATIONS},
    ),
    "tune": Verb(
        does="the same, its settings searched on Ray Tune",
        presets=_by_space("tune") | {"evidence": "benchmark.tune"},
        options="--train.store s3://...",
        cores=0,
    ),
    "adopt": Verb(
        does="a teacher of your own into a store",
        presets=_by_space("adopt"),
        options=f"{STORE} --weights /data/W.safetensors --source npz:/data/F.npz",
    ),
    "search": Verb(
        does="predictor and teacher to ranked students; nothing is trained",
        presets=_by_space("search"),
        options=f"{STORE} --teacher NAME",
    ),
    "latency": Verb(
        does="a device's table of milliseconds, for `dass search --max-latency-ms`",
        presets=_by_space("latency"),
        options=None,
    ),
    "distill": Verb(
        does="one student, trained and exported",
        presets=_by_space("distill"),
        options=f"{STORE} --teacher NAME --architecture A",
    ),
    "evaluate": Verb(
        does="the predictor against every baseline on test tasks",
        presets={"evidence": "benchmark.evaluate"},
    ),
    "closed_loop": Verb(
        does="searched students against plain choices, distilled",
        presets={"evidence": "benchmark.closed_loop"},
        options="--build.store s3://...",
        cores=0,
    ),
    "publish": Verb(
        does="records, teachers and predictors into a folder to ship",
        presets={"evidence": "benchmark.publish"},
        options=None,
    ),
    "prepare": Verb(
        does="a store for the service: a predictor and a teacher",
        presets={"micro": "micro.prepare"},
        options=None,
    ),
}


def presets(verb: str) -> dict[str, tuple[str, Any]]:
    """Return a verb's whole configs by name, each with the first line of what it is for."""
    found = {}
    for name, place in VERBS[verb].presets.items():
        module, function = place.split(".")
        preset = getattr(import_module(f"jobs.presets.{module}"), function)
        found[name] = (preset.__doc__.splitlines()[0], preset())
    return found


def overview() -> str:
    """Return the help of the command itself: every verb, its presets and what it is for."""
    width = max(map(len, VERBS))
    verbs = [
        f"  {name.ljust(width)}  {verb.does}"
        + (f" ({', '.join(verb.presets)})" if verb.presets else "")
        for name, verb in VERBS.items()
    ]
    return "\n".join(
        [
            "usage: dass VERB PRESET [--overrides]",
            "",
            "verbs (and their presets):",
            *verbs,
            "",
            "`dass VERB --help` lists presets, `dass VERB PRESET --help` all that can be set.",
            "`python -m jobs.VERB` is the same as `dass VERB`.",
        ]
    )


def advice(verb: str) -> str:
    """Return how a verb is run on a cluster."""
    about = VERBS[verb]
    if about.options is None:
        return "Not for a cluster: it writes to a folder of this machine."
    preset, *_ = about.presets
    command = f"python -m jobs.{verb} {preset} {about.options}"
    return f"On a cluster: {line(command, cores=about.cores)}"


def run(verb: str, arguments: Sequence[str]) -> int:
    """Parse a verb's own arguments and run it; an error meant for the user is one line.

    Returns:
        The exit code: 2 where it failed for a reason that the user can do something about.
    """
    import tyro

    from jobs import console

    configs = presets(verb)
    config = tyro.extras.overridable_config_cli(
        configs, prog=f"dass {verb}", description=advice(verb), args=list(arguments)
    )
    preset = arguments[0].replace("_", "-")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    print(console.differences(preset, configs[preset][1], config), flush=True)
    return answered(lambda: import_module(f"jobs.{verb}").main(config))


STOPPED, CLOSED = 130, 141
"""Exit codes of a shell for what SIGINT and SIGPIPE end."""


def answered(work: Callable[[], object]) -> int:
    """Do what a verb does; return the exit code, and end in one line what need be no traceback."""
    try:
        work()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone, `head` say. What is still buffered must find some place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except KeyboardInterrupt:
        print("\nstopped; what is published stays, and the same line goes on", file=sys.stderr)
        return STOPPED
    except (DassError, FleetError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(
            f"there must be room to write {error.filename or 'the result'}, but {error.strerror}; "
            "make some and run the same line again",
            file=sys.stderr,
        )
        return 2
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Args:
        arguments: what follows `dass`; `None` takes what this process was started with.
    """
    verb, *rest = list(sys.argv[1:] if arguments is None else arguments) or [""]
    if verb in ("", "-h", "--help"):
        print(overview())
        return 0 if verb else 2
    verb = verb.replace("-", "_")
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        print(
            f"the verb must be one of {', '.join(VERBS)}, but got {verb!r}"
            + (f"; did you mean {near[0]!r}?" if near else ""),
            file=sys.stderr,
        )
        return 2
    if not VERBS[verb].presets:
        code: int = import_module(f"jobs.{verb}").main(rest)
        return code
    return run(verb, rest)


def run_module(file: str) -> NoReturn:
    """Run the verb whose file is the program, as `python -m jobs.VERB` makes it."""
    raise SystemExit(main([Path(file).stem, *sys.argv[1:]]))
