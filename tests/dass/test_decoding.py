"""Decoding: exact types, every wrong field named, errors of the class that was asked for."""

from dataclasses import dataclass
from typing import Any

import pytest

from dass.decoding import decode
from dass.errors import CorruptArtifact, InvalidConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    name: str
    width: int = 3
    depth: float | None = None
    rows: tuple[tuple[float, ...], ...] = ()
    flat: bool = False
    facts: dict[str, Any] | None = None

    def __post_init__(self):
        if self.width < 1:
            raise InvalidConfig("`width >= 1` must hold")


def read(plain, **options):
    return decode(Shape, plain, what="a shape", error=CorruptArtifact, **options)


def test_what_is_missing_has_its_default_and_a_list_is_a_tuple():
    assert read({"name": "a"}) == Shape(name="a")
    found = read({"name": "a", "depth": 1, "rows": [[1, 2.5], []]})
    assert found == Shape(name="a", depth=1.0, rows=((1.0, 2.5), ()))
    assert type(found.depth) is float and read({"name": "a", "depth": None}).depth is None


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({}, "'name' is missing"),
        ({"name": 3}, r"a str is needed, but got 3 @ a shape\.name"),
        ({"name": "a", "width": "3"}, r"an? int is needed, but got '3' @ a shape\.width"),
        ({"name": "a", "width": True}, "int is needed, but got True"),
        ({"name": "a", "width": 2.0}, "int is needed, but got 2.0"),
        ({"name": "a", "flat": 1}, "bool is needed, but got 1"),
        ({"name": "a", "depth": "1"}, "float is needed, but got '1'"),
        ({"name": "a", "rows": "12"}, "a list is needed, but got '12'"),
        ({"name": "a", "rows": [["x"]]}, "float is needed, but got 'x'"),
        ({"name": "a", "size": 1}, "among name, width, depth, rows, flat, facts, but got 'size'"),
        ({"name": "a", "facts": 1}, "an object of JSON is needed, but got 1"),
        ([], "must be an object of JSON"),
    ],
)
def test_a_field_that_does_not_fit_is_named(plain, words):
    with pytest.raises(CorruptArtifact, match=words):
        read(plain)


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(CorruptArtifact, match=r"shape\.name; .*shape\.width"):
        read({"name": 1, "width": "w"})


def test_further_fields_and_other_names_are_read_only_when_asked():
    assert read({"name": "a", "more": 1}, extra=True) == Shape(name="a")
    assert read({"name": "a", "wide": 2}, names={"width": "wide"}).width == 2
    with pytest.raises(CorruptArtifact, match="among name, wide, depth"):
        read({"name": "a", "width": 2}, names={"width": "wide"})


def test_what_the_dataclass_refuses_keeps_its_own_words_and_class():
    with pytest.raises(InvalidConfig, match="`width >= 1` must hold"):
        read({"name": "a", "width": 0})
