"""The command `dass VERB PRESET --overrides`; `python -m jobs.VERB` is the same line.

A verb and its presets are imported when they are asked for, so that the list of verbs costs
nothing. Knows nothing of what a verb does.
"""

from __future__ import annotations

import difflib
import errno
import logging
import os
import select
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

from cluster.deploy.submit import line
from cluster.fleet.job import FleetError
from dass.errors import DassError
from jobs.options import Option, given, listing, matches, options, plain_flags
from jobs.verbs import NOWHERE, VERBS

HELP = ("-h", "--help")


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


def unread(verb: str, preset: str) -> tuple[str, ...]:
    """Return patterns of options that mean nothing to a verb with a preset."""
    about = VERBS[verb]
    return (*NOWHERE, *about.unread, *about.unread_by.get(preset, ()))


def verb_help(verb: str) -> str:
    """Return the help of a verb: what it is for, its presets, and how a cluster runs it."""
    found = presets(verb)
    width = max(map(len, found))
    return "\n".join(
        [
            f"usage: dass {verb} PRESET [--overrides]",
            "",
            f"{VERBS[verb].does}.",
            "",
            "presets:",
            *(f"  {name.ljust(width)}  {about}" for name, (about, _) in found.items()),
            "",
            f"`dass {verb} PRESET --help` lists all that can be set.",
            advice(verb),
        ]
    )


def preset_help(verb: str, preset: str) -> str:
    """Return the help of a preset: what everyone needs, then the rest, each with its default.

    Of a verb without presets, but with a config, the preset is empty.
    """
    about, config = presets(verb)[preset] if preset else (f"{VERBS[verb].does}.", config_of(verb))
    known = [o for o in options(config) if not matches(o.name, unread(verb, preset))]
    by_name = {option.name: option for option in known}
    first = [by_name[name] for name in VERBS[verb].first if name in by_name]
    rest = [option for option in known if option not in first]
    lines = [
        f"usage: {' '.join(filter(None, ('dass', verb, preset)))} [--option VALUE ...]",
        "",
        about,
        "In brackets: what holds where nothing is said.",
        "",
        listing("what everyone needs", first),
    ]
    groups: dict[str, list[Option]] = {}
    for option in rest:
        groups.setdefault(option.name.rpartition(".")[0], []).append(option)
    shown = [name for name in groups if not _repeated(name)]
    for name in shown:
        lines += ["", listing(f"advanced, of {name}" if name else "advanced", groups[name])]
    if len(shown) < len(groups):
        lines += ["", "splits.1 and those that follow take what splits.0 takes."]
    return "\n".join([*lines, "", advice(verb)])


def config_of(verb: str) -> Any:
    """Return what a verb without presets takes, at its defaults."""
    module, _, name = VERBS[verb].config.rpartition(".")
    return getattr(import_module(module), name)()


def run_plain(verb: str, arguments: Sequence[str]) -> int:
    """Parse the arguments of a verb without presets, and run it."""
    if set(HELP) & set(arguments):
        print(preset_help(verb, ""))
        return 0
    import tyro

    default = config_of(verb)
    words = plain_flags(arguments, list(options(default)))
    config = tyro.cli(type(default), prog=f"dass {verb}", description=advice(verb), args=words)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    import_module(f"jobs.{verb}").main(config)
    return 0


def _repeated(group: str) -> bool:
    return any(part.isdigit() and part != "0" for part in group.split("."))


def run(verb: str, arguments: Sequence[str]) -> int:
    """Parse a verb's own arguments and run it.

    Returns:
        The exit code: 2 where an option means nothing, or no such preset is there to be helped.
    """
    preset = arguments[0].replace("_", "-") if arguments else ""
    configs = presets(verb)
    if set(HELP) & set(arguments):
        print(preset_help(verb, preset) if preset in configs else verb_help(verb))
        return 0 if preset in configs or arguments[0] in HELP else 2
    if preset in configs:
        known = list(options(configs[preset][1]))
        for word, option in given(arguments, known):
            if matches(option.name, unread(verb, preset)):
                print(
                    f"options must mean something, but {word.partition('=')[0]} means nothing to "
                    f"`dass {verb} {preset}`: leave it out",
                    file=sys.stderr,
                )
                return 2
        arguments = plain_flags(arguments, known)
    import tyro

    from jobs import console

    config = tyro.extras.overridable_config_cli(
        configs, prog=f"dass {verb}", description=advice(verb), args=list(arguments)
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    print(console.differences(preset, configs[preset][1], config), flush=True)
    import_module(f"jobs.{verb}").main(config)
    return 0


STOPPED, CLOSED = 130, 141
"""Exit codes of a shell for what SIGINT and SIGPIPE end."""


def answered(work: Callable[[], object]) -> int:
    """Do what a command does; return the exit code, and end in one line what need be no traceback.

    An error meant for the user ends with 2. Where whoever read the output has gone, `head` say,
    there is nobody to tell.
    """
    try:
        return _ended(work)
    except BrokenPipeError:
        if not (closed := [stream for stream in _streams() if _is_closed(stream)]):
            raise  # another pipe than ours
        _hush(*closed)
        return CLOSED


def _ended(work: Callable[[], object]) -> int:
    try:
        try:
            code = work()
        except SystemExit as ended:
            code = ended.code
        for stream in _streams():
            stream.flush()
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt:
        print("\nstopped; what is published stays, and the same line goes on", file=sys.stderr)
        return STOPPED
    except (DassError, FleetError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        if error.filename is None and sys.stdout is not None:
            _hush(sys.stdout)  # perhaps it is what has no room
        print(
            f"there must be room to write {error.filename or 'the result'}, but {error.strerror}; "
            "make some and run the same line again",
            file=sys.stderr,
        )
        return 2


def _streams() -> list[TextIO]:
    """Return where this process writes to; a shell may have closed either (`>&-`)."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _is_closed(stream: TextIO) -> bool:
    """Return whether nobody reads any more what a stream writes."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _hush(*streams: TextIO) -> None:
    """Give what is still buffered some place to go."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Args:
        arguments: what follows `dass`; `None` takes what this process was started with.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in _streams():
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a terminal of ASCII shows `?` for `±`
    return answered(lambda: _run(given))


def _run(arguments: Sequence[str]) -> int:
    verb, *rest = list(arguments) or [""]
    if verb in ("", *HELP):
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
    if VERBS[verb].config:
        return run_plain(verb, rest)
    if not VERBS[verb].presets:
        code: int = import_module(f"jobs.{verb}").main(rest)
        return code
    return run(verb, rest)


def run_module(file: str) -> NoReturn:
    """Run the verb whose file is the program, as `python -m jobs.VERB` makes it."""
    raise SystemExit(main([Path(file).stem, *sys.argv[1:]]))


if __name__ == "__main__":
    raise SystemExit(main())
