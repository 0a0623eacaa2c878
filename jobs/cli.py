"""The command `dass VERB PRESET --overrides`; `python -m jobs.VERB` is the same line.

Knows which verbs there are, their presets, and what a cluster must be told; not what a verb does.
A verb's own modules are imported once it is asked for.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import Any, NoReturn

from cluster.deploy.submit import line
from cluster.fleet.job import FleetError
from dass.errors import DassError

STORE = "--store s3://..."


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """One job as a command."""

    summary: str
    """What it does, in a line of the list of verbs."""
    options: str | None = STORE
    """What it must be told on a cluster; `None` if it is not one for a cluster."""
    cores: int = 1
    """Cores that it computes on itself; 0 if it leaves that to workers."""


VERBS = {
    "quickstart": Verb(summary="the whole story, from search to trained students", options=None),
    "build": Verb(summary="images -> teachers -> distilled students: the records", cores=0),
    "adopt": Verb(
        summary="take your own teacher into a store",
        options=f"{STORE} --weights /data/W.safetensors --source npz:/data/F.npz",
    ),
    "train": Verb(summary="records -> a predictor"),
    "tune": Verb(
        summary="the same, its settings searched on Ray Tune",
        options="--train.store s3://...",
        cores=0,
    ),
    "search": Verb(
        summary="predictor + teacher + budget -> ranked students",
        options=f"{STORE} --teacher NAME",
    ),
    "distill": Verb(
        summary="train one student, and export it",
        options=f"{STORE} --teacher NAME --architecture A",
    ),
    "evaluate": Verb(summary="the predictor against every baseline on test tasks"),
    "closed_loop": Verb(
        summary="search, distil and compare with plain choices",
        options="--build.store s3://...",
        cores=0,
    ),
    "publish": Verb(summary="gather what a build made into a folder to ship", options=None),
    "compact": Verb(summary="many small record files -> one"),
    "prepare": Verb(summary="fill a store for the service", options=None),
    "status": Verb(summary="how a build stands: `dass status STORE`", options=None),
}
"""Every verb, in the order of the help. Each is a module of `jobs` with a `main`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; a user's error is one line and code 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        print(usage())
        return 0 if words else 2
    verb = words[0].replace("-", "_")
    if verb not in VERBS:
        print(f"a verb must be one of {', '.join(VERBS)}, but got {words[0]!r}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    job = importlib.import_module(f"jobs.{verb}")
    try:
        if verb == "status":
            return int(job.main(words[1:]))
        job.main(parse(verb, words[1:]))
    except (DassError, FleetError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


def as_script(spec: ModuleSpec | None) -> NoReturn:
    """Run the verb whose module is run by `python -m jobs.VERB`, and exit."""
    assert spec is not None, "a verb is run by `dass VERB` or by `python -m jobs.VERB`"
    raise SystemExit(main([spec.name.rpartition(".")[2], *sys.argv[1:]]))


def usage() -> str:
    """Return the list of verbs."""
    lines = [f"  {name.replace('_', '-'):12} {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        ["usage: dass VERB PRESET [--overrides]", "", *lines, "", "dass VERB --help says more."]
    )


def parse(verb: str, words: Sequence[str]) -> Any:
    """Read a verb's config: a preset and what is changed of it, which is printed."""
    import tyro  # slow to import, as presets are

    from jobs import console
    from jobs.presets import catalogue

    presets: Mapping[str, tuple[str, Any]] = getattr(catalogue, verb.upper())
    config = tyro.extras.overridable_config_cli(
        dict(presets), prog=f"dass {verb.replace('_', '-')}", description=advice(verb), args=words
    )
    preset = next(word for word in words if word in presets)
    changed = console.difference(config, presets[preset][1])
    print(f"dass {verb} {preset}: {', '.join(changed) or 'as the preset has it'}", flush=True)
    return config


def advice(verb: str) -> str:
    """Return how to run a verb on a cluster."""
    from jobs.presets import catalogue

    preset, *_ = getattr(catalogue, verb.upper())
    known = VERBS[verb]
    if known.options is None:
        return "Not for a cluster: it writes to a folder of this machine."
    command = f"python -m jobs.{verb} {preset} {known.options}"
    return f"On a cluster: {line(command, cores=known.cores)}"


if __name__ == "__main__":
    raise SystemExit(main())
