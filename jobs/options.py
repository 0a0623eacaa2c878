"""What can be set on a command line: every option of a config, and the help that lists them.

Options are the leaves of nested dataclasses, by the names that tyro gives them; what they are for
stands under the fields. Knows nothing of verbs, and imports none.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import shutil
import textwrap
import types
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

WORDS = {str: "TEXT", int: "N", float: "NUMBER"}
"""What stands for a value of a type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One setting of a config."""

    name: str
    """As it is typed, without the leading dashes: `student.learning-rate`."""
    kind: Any
    """Its type."""
    default: Any
    """What the preset says."""
    does: str
    """What it is for."""

    def spelled(self) -> str:
        """Return how it is typed, with what stands for its value."""
        if self.kind is bool:
            return f"--{self.name}, --{_negated(self.name)}"
        return f"--{self.name} {_value(self.kind)}"

    def about(self) -> str:
        """Return what it is for and what it is where nothing is said."""
        if self.default in ((), "", None):
            return self.does
        shown = self.default
        if isinstance(shown, tuple):
            shown = " ".join(map(str, shown))
        return f"{self.does} [{shown}]"


def options(config: Any) -> Iterator[Option]:
    """Yield every option of a config, in the order of its fields."""
    yield from _options(config, "")


def _options(config: Any, prefix: str) -> Iterator[Option]:
    kinds = get_type_hints(type(config), include_extras=True)
    does = _documented(cast(Hashable, type(config)))
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            yield from _options(value, f"{name}.")
        elif isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
            for place, part in enumerate(value):
                yield from _options(part, f"{name}.{place}.")
        elif not _nested(kinds[field.name]):
            yield Option(
                name=name, kind=kinds[field.name], default=value, does=does.get(field.name, "")
            )


def _nested(kind: Any) -> bool:
    """Return whether a type is that of a config inside, which is absent where this is asked."""
    inside = (kind, *get_args(kind))
    return any(isinstance(part, type) and dataclasses.is_dataclass(part) for part in inside)


@cache
def _documented(config: Hashable) -> dict[str, str]:
    """Return the text under each field of a dataclass, on one line."""
    assert isinstance(config, type)
    found: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if base is object:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found[name] = " ".join(words.split())
    return found


def _value(kind: Any) -> str:
    """Return what stands for a value: `N`, `{a,b}`, `[TEXT ...]`."""
    if get_origin(kind) is Annotated:
        told = [each.metavar for each in get_args(kind)[1:] if getattr(each, "metavar", None)]
        return told[0] if told else _value(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return "|".join("None" if part is type(None) else _value(part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if get_origin(kind) is tuple:
        each = get_args(kind)
        if each[-1] is ...:
            return f"[{_value(each[0])} ...]"
        return " ".join(map(_value, each))
    return WORDS.get(kind, "VALUE")


def _negated(name: str) -> str:
    place, dot, last = name.rpartition(".")
    return f"{place}{dot}no-{last}"


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether an option is one of some, `student.*` say."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def given(arguments: Sequence[str], known: Sequence[Option]) -> Iterator[tuple[str, Option]]:
    """Yield each known option among arguments, as it was typed."""
    by_name = {option.name: option for option in known}
    by_name |= {_negated(option.name): option for option in known if option.kind is bool}
    for word in arguments:
        name = word.removeprefix("--").partition("=")[0].replace("_", "-")
        if word.startswith("--") and name in by_name:
            yield word, by_name[name]


def plain_flags(arguments: Sequence[str], known: Sequence[Option]) -> list[str]:
    """Return arguments with `--flag True` and `--flag False` as the flags that are meant."""
    flags = {f"--{option.name}": option.name for option in known if option.kind is bool}
    read: list[str] = []
    for word in arguments:
        name = flags.get(read[-1].replace("_", "-")) if read else None
        if name is not None and word.lower() in ("true", "false"):
            if word.lower() == "false":
                read[-1] = f"--{_negated(name)}"
        else:
            flag, equals, value = word.partition("=")
            name = flags.get(flag.replace("_", "-"))
            if name is not None and equals and value.lower() in ("true", "false"):
                word = f"--{name if value.lower() == 'true' else _negated(name)}"
            read.append(word)
    return read


def listing(title: str, shown: Sequence[Option]) -> str:
    """Return the lines of a group of options: its title, each option and what it is for."""
    wide = min(100, shutil.get_terminal_size().columns)
    lines = [f"{title}:"]
    for option in shown:
        lines.append(f"  {option.spelled()}")
        lines += textwrap.wrap(
            option.about(), wide, initial_indent=" " * 8, subsequent_indent=" " * 8
        )
    return "\n".join(lines)
