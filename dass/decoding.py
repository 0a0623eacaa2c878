"""Decoding: values of JSON become dataclasses, or an error that names every wrong field.

It stands beside the errors, since every room reads some JSON. Knows nothing of what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_origin

from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from dass.errors import DassError

T = TypeVar("T")


def decode(
    kind: type[T],
    plain: object,
    *,
    what: str,
    error: type[DassError],
    extra: bool = False,
    names: Mapping[str, str] | None = None,
) -> T:
    """Make a dataclass of a JSON object; a field that it lacks has its default, if there is one.

    Types are exact, as a later reader relies on them: `"3"` is no number, `true` is no integer;
    an integer is a number, though, and a list a tuple.

    Args:
        kind: the dataclass.
        plain: the object.
        what: that it describes, for errors: "a task".
        error: class of the errors.
        extra: whether it may have further fields, which are left unread.
        names: of fields in JSON, by those that they have in the dataclass, where they differ.

    Raises:
        DassError: of class `error` if a field is missing, unknown or of a wrong type; what the
            dataclass itself raises if it is out of range.
    """
    if not isinstance(plain, Mapping):
        raise error(f"The fields of {what} must be an object of JSON, but got {plain!r}")
    renamed = names or {}
    try:
        return _reader(kind, extra, renamed)(plain, kind)
    except BaseValidationError as found:
        own = _own_error(found)
        if own is not None:
            raise own from found
        unknown = next(
            (e for e in found.exceptions if isinstance(e, ForbiddenExtraKeysError)), None
        )
        if unknown is not None:
            known = ", ".join(renamed.get(f.name, f.name) for f in fields(kind))  # type: ignore[arg-type]
            raise error(
                f"The fields of {what} must be among {known}, but got "
                f"{', '.join(sorted(map(repr, unknown.extra_fields)))}: remove or rename it"
            ) from found
        problems = "; ".join(transform_error(found, path=what, format_exception=_words))
        raise error(
            f"The fields of {what} must have the types of `{kind.__name__}`, but {problems}: "
            "correct them"
        ) from found


def _own_error(found: BaseValidationError) -> DassError | None:
    return next((e for e in found.exceptions if isinstance(e, DassError)), None)


def _words(problem: BaseException, _: object) -> str:
    return f"{problem} is missing" if isinstance(problem, KeyError) else str(problem)


# --- the converter -------------------------------------------------------------------------

_CONVERTER = Converter(detailed_validation=True)


def _reader(
    kind: type[T], extra: bool, names: Mapping[str, str]
) -> Callable[[Mapping[str, Any], Any], T]:
    overrides: dict[str, Any] = {name: override(rename=called) for name, called in names.items()}
    return make_dict_structure_fn(
        kind, _CONVERTER, _cattrs_forbid_extra_keys=not extra, **overrides
    )


def _exact(value: object, kind: type[Any]) -> Any:
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise TypeError(f"a {kind.__name__} is needed, but got {value!r}")
    return kind(value)


def _is_object(kind: Any) -> bool:
    return get_origin(kind) is dict


def _object(value: object, _: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object of JSON is needed, but got {value!r}")
    return dict(value)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _several(value: object, kind: Any) -> tuple[Any, ...]:
    member, _ = get_args(kind)
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list is needed, but got {value!r}")
    return tuple(_CONVERTER.structure(each, member) for each in value)


for _kind in (bool, int, float, str):
    _CONVERTER.register_structure_hook(_kind, _exact)
_CONVERTER.register_structure_hook_func(_is_tuple, _several)
_CONVERTER.register_structure_hook_func(_is_object, _object)
