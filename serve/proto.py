"""Between the messages of `dass.proto` and our models: the same fields, one for one.

Knows nothing of what they mean.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import Message
from pydantic import BaseModel, ValidationError

from serve import refusals

M = TypeVar("M", bound=BaseModel)
P = TypeVar("P", bound=Message)


def from_proto(message: Message, model: type[M]) -> M:
    """Check a message by the model of the same fields.

    Raises:
        InvalidRequest: says which field must hold what.
    """
    try:
        return model.model_validate(fields(message))
    except ValidationError as error:
        raise refusals.malformed(error.errors()) from error


def fields(message: Message) -> dict[str, Any]:
    """Return the fields that are set, or that cannot be unset."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence and not message.HasField(field.name):
            continue
        if field.message_type is not None:
            found[field.name] = (
                [fields(item) for item in value] if field.is_repeated else fields(value)
            )
        else:
            found[field.name] = list(value) if field.is_repeated else value
    return found


def to_proto(model: BaseModel, message: type[P]) -> P:
    """Write a model as the message of the same fields."""
    made: P = message(**model.model_dump(exclude_none=True))
    return made
