"""The door of gRPC: which calls are let in, and how a refusal is told.

Knows nothing of Ray, nor of what is asked.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Protocol

import grpc
from google.protobuf.message import Message

from dass.errors import DassError
from serve import dass_pb2 as pb
from serve import refusals
from serve.admission import Admission
from serve.limits import TooLarge, Unauthenticated

CLOSED = (
    "gRPC listens on every interface and no token is set, so calls are refused: start the service "
    "with DASS_TOKEN in its environment, or with --insecure"
)

DETAILS = "dass-error"
"""Trailing metadata of a refusal: `refusals.Error` as JSON."""

logger = logging.getLogger(__name__)


class Context(Protocol):
    """What a method sees of its call: a part of `grpc.ServicerContext`."""

    def invocation_metadata(self) -> Iterable[tuple[str, str]]:
        """Return the metadata that the client sent."""
        ...

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the status that the call ends with."""
        ...

    def set_details(self, details: str) -> None:
        """Set the message that the client is told."""
        ...

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str]]) -> None:
        """Set the metadata that come with the status."""
        ...


class InternalError(Exception):
    """A fault of our own, without the words that it came with."""


class Guarded:
    """What every call is let in by; needs an admission, and whether calls without token are."""

    admission: Admission
    insecure: bool

    @contextlib.contextmanager
    def _door(self, request: Message, context: Context, *, reads: bool = False) -> Iterator[None]:
        """Let a call in that has the token and no excess; turn what goes wrong into its status.

        Args:
            request: what is asked.
            context: of the call.
            reads: whether readers may make it; whatever does not say so is an operator's.
        """
        with self._guard(context):
            self._check_token(context, reads=reads)
            self._check_size(request)
            yield

    @contextlib.contextmanager
    def _guard(self, context: Context) -> Iterator[None]:
        """Turn what goes wrong into its status, and tell no more of it than the table says."""
        try:
            yield
        except Exception as error:
            _, code = refusals.status(error)
            told = refusals.explain(error)
            context.set_code(code)
            context.set_details(told.error.message)
            # Metadata are ASCII; `ensure_ascii` leaves nothing else.
            context.set_trailing_metadata([(DETAILS, json.dumps(told.model_dump()))])
            if isinstance(error, DassError):
                raise
            # What no table foresees is logged here, and must not reach the caller.
            logger.exception("a call failed")
            raise InternalError(told.error.message) from None

    def _check_token(self, context: Context, *, reads: bool) -> None:
        if self.admission.token_digest is None and not self.insecure:
            raise Unauthenticated(CLOSED)
        sent = dict(context.invocation_metadata()).get("authorization")
        self.admission.check_token(sent, reads=reads)

    def _check_size(self, request: Message) -> None:
        limits = self.admission.ranker.limits
        uploads = limits.upload_bytes if isinstance(request, pb.Registration) else 0
        if request.ByteSize() > limits.request_bytes + uploads:
            raise TooLarge(
                f"a request must have at most {limits.request_bytes + uploads:,} bytes, but has "
                f"{request.ByteSize():,}"
            )
