"""Print the file that `serve deploy` takes: config.yaml with your store, token and numbers.

    DASS_TOKEN=... python -m serve.render --store s3://bucket/prefix > service.yaml

Of the token only its digest is printed, since whoever reads the dashboard sees the file. Knows
nothing of Ray: what it prints is checked against Ray's schema by the tests.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import tyro
import yaml

from serve.settings import Settings, with_tokens

SOURCE = Path(__file__).parent / "config.yaml"


def render(
    settings: Settings, *, host: str = "127.0.0.1", port: int = 8000, grpc_port: int = 9000
) -> str:
    """Return the text of the file.

    Args:
        settings: of the service.
        host: interface of the head that HTTP listens on; gRPC listens on every one.
        port: of HTTP.
        grpc_port: of gRPC.

    Raises:
        ValueError: there is no token, and nothing says that none is wanted.
    """
    if not settings.token_digest and not settings.insecure:
        raise ValueError(
            "a service that others reach must ask for a token, but DASS_TOKEN is not set; set it, "
            "or add `--insecure`"
        )
    source = yaml.safe_load(SOURCE.read_text())
    source["http_options"] |= {"host": host, "port": port}
    source["grpc_options"]["port"] = grpc_port
    source["applications"][0]["args"] = settings.model_dump(exclude_none=True)
    head = "# Printed by `python -m serve.render`; the source is serve/config.yaml.\n"
    return head + str(yaml.safe_dump(source, sort_keys=False, width=100))


def main(
    settings: Settings, *, host: str = "127.0.0.1", port: int = 8000, grpc_port: int = 9000
) -> None:
    """Print the file; what does not fit together is one line, exit 2.

    Args:
        settings: of the service.
        host: interface of the head that HTTP listens on; gRPC listens on every one.
        port: of HTTP.
        grpc_port: of gRPC.
    """
    try:
        settings = with_tokens(settings, os.environ)
        print(render(settings, host=host, port=port, grpc_port=grpc_port), end="")
    except ValueError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    tyro.cli(main, prog="python -m serve.render", config=(tyro.conf.OmitArgPrefixes,))
