"""What every message on the wire keeps to: a strict model, and the types of its fields.

The models of `requests.py`, `replies.py` and `refusals.py` are the JSON of HTTP and the fields of
`dass.proto`, one for one. Knows nothing of any message.
"""

from __future__ import annotations

import base64
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from serve.names import ID, NAME, NAME_LETTERS


class Model(BaseModel):
    """A message: no other field, no other type, no NaN."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _decoded(value: object) -> object:
    """Return bytes (of proto) as they are, and text (of JSON) decoded from base64."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError(f"must be base64, but {error}") from error


Base64 = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "format": "byte", "contentEncoding": "base64"}),
]
Count = Annotated[int, Field(ge=1, le=2**53)]
Dataset = Annotated[str, Field(min_length=1, max_length=200)]
ClassName = Annotated[str, Field(min_length=1, max_length=200)]
Note = Annotated[str, Field(min_length=1, max_length=2000)]
Epochs = Annotated[int, Field(ge=0, le=100_000)]
PageSize = Annotated[int, Field(ge=1, le=100)]
Milliseconds = Annotated[float, Field(gt=0, le=1e9)]
Batch = Annotated[int, Field(ge=1, le=2**20)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=NAME_LETTERS,
        examples=["digits"],
        json_schema_extra={"pattern": NAME},
    ),
]
"""Patterns are told here; what breaks them is refused where names are read, with more words."""
Id = Annotated[
    str,
    Field(
        min_length=1,
        max_length=400,
        json_schema_extra={"pattern": r"^[0-9]+(-[0-9]+)*(_[0-9]+(-[0-9]+)*)*$"},
    ),
]
"""Of a student."""
SearchName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=80,
        json_schema_extra={"pattern": ID},
    ),
]
"""Id of a search that is kept."""
StoreKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=800,
        json_schema_extra={"pattern": r"^[A-Za-z0-9._=+@,~-]+(/[A-Za-z0-9._=+@,~-]+)*$"},
    ),
]
