"""What a deployment of the service is, for whoever starts it or prints a file for it.

Knows nothing of Ray.
"""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict

from dass.errors import InvalidConfig


class Settings(BaseModel):
    """What a deployment of the service is: `args` in config.yaml, options on the command line."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    store: str = "runs/serve"
    """Where predictor and teachers are: a folder, or s3://bucket/prefix."""
    predictor: str = "predictor"
    """Name of the predictor in the store."""
    replicas: int = 2
    """Scorer replicas at least; each computes on one thread."""
    max_replicas: int = 2
    """Scorer replicas at most, when searches queue up."""
    scorer_cpus: float = 1.0
    """Cores that Ray sets aside for a scorer replica."""
    token_digest: str | None = None
    """SHA-256 of the token that calls must carry; where absent, DASS_TOKEN says the token."""
    ingresses: int = 2
    """Ingress replicas: where one dies, the other answers."""
    hosts: tuple[str, ...] = ()
    """Names that the service may be called by, beside this machine's own and every address; `*`
    stands for any. Where absent and a token is asked for, any."""
    insecure: bool = False
    """Serve gRPC, which listens on every interface, without any token."""
    limits: dict[str, float] = {}
    """Bounds of requests other than those of `serve.limits.Limits`, by name."""


def digest(token: str | bytes) -> str:
    """Return the SHA-256 of a token, so that only a digest need be passed around."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).hexdigest()


def digest_of_own(token: str | None) -> str | None:
    """Return the digest of the token that a service is started with; none of none.

    Raises:
        InvalidConfig: no client could send it: metadata of gRPC are printable ASCII, and both
            protocols cut spaces off its ends.
    """
    if not token:
        return None
    if not (token.isascii() and token.isprintable()) or token != token.strip():
        raise InvalidConfig(
            "DASS_TOKEN must be printable ASCII without spaces at its ends, since no gRPC client "
            "can send another; make one with `openssl rand -hex 24`"
        )
    return digest(token)
