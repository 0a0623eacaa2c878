"""What a deployment of the service is, for whoever starts it or prints a file for it.

Knows nothing of Ray.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from dass.errors import InvalidConfig

TOKEN, READING = "DASS_TOKEN", "DASS_READING_TOKEN"
"""Where the environment says the tokens of operators and of readers."""


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
    reading_digest: str | None = None
    """The same of a token that may search, list and read; where absent, DASS_READING_TOKEN says
    it, and where that is not set there is none."""
    ingresses: int = 2
    """Ingress replicas: where one dies, the other answers."""
    hosts: tuple[str, ...] = ()
    """Names that the service may be called by, beside this machine's own and every address; `*`
    stands for any. Where absent and a token is asked for, any."""
    insecure: bool = False
    """Serve gRPC, which listens on every interface, without any token."""
    jobs: int = 0
    """Jobs that train, at once; 0 for none: then no request starts any."""
    data: dict[str, str] = {}
    """Images that jobs may use: a name for requests, and what `dass compress --data` takes."""
    work: str = "runs/serve-jobs"
    """Folder of the machine that runs jobs, in which one that was stopped goes on."""
    limits: dict[str, float] = {}
    """Bounds of requests other than those of `serve.limits.Limits`, by name."""


def digest(token: str | bytes) -> str:
    """Return the SHA-256 of a token, so that only a digest need be passed around."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).hexdigest()


def digest_of_own(token: str | None, *, name: str = "DASS_TOKEN") -> str | None:
    """Return the digest of a token that a service is started with; none of none.

    Raises:
        InvalidConfig: no client could send it: metadata of gRPC are printable ASCII, and both
            protocols cut spaces off its ends.
    """
    if not token:
        return None
    if not (token.isascii() and token.isprintable()) or token != token.strip():
        raise InvalidConfig(
            f"{name} must be printable ASCII without spaces at its ends, since no gRPC client "
            "can send another; make one with `openssl rand -hex 24`"
        )
    return digest(token)


def with_tokens(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """Return settings with the digests of the tokens of both roles, out of an environment.

    Raises:
        InvalidConfig: one is no token, both are one, or there is a reader's alone.
    """
    own = settings.token_digest or digest_of_own(environment.get(TOKEN), name=TOKEN)
    reading = settings.reading_digest or digest_of_own(environment.get(READING), name=READING)
    if reading and reading == own:
        raise InvalidConfig(
            f"{TOKEN} and {READING} must differ, since the one may change what the other may "
            "only read, but are one; make another with `openssl rand -hex 24`"
        )
    if reading and not own:
        raise InvalidConfig(
            f"{READING} must come with {TOKEN}, without which everybody may do everything, but "
            f"{TOKEN} is not set; set it too"
        )
    return settings.model_copy(update={"token_digest": own, "reading_digest": reading})
