"""On Ray Serve: an ingress for HTTP and gRPC, and scorer replicas that share each generation.

    python -m serve.app --store runs/serve

The only file of the service that knows Ray. Knows nothing of what requests look like, nor of how
students are ranked. (No postponed annotations: Serve reads `build`'s.)
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import tyro
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.config import gRPCOptions
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from cluster import tracing
from cluster.metrics import SCORED, counter
from cluster.session import connect
from dass.errors import DassError, StorageError
from dass.store.store import Store
from serve import rpc, web
from serve.admission import Admission
from serve.job_runner import JobRunner
from serve.limits import Unavailable
from serve.opened import Opened
from serve.ports import taken
from serve.ranker import Ranker, one_thread
from serve.scoring import Chunk, Local, Scores, join, split
from serve.settings import Settings, with_tokens
from serve.start_lines import Steps

logger = logging.getLogger(__name__)

SERVICERS = [
    "serve.dass_pb2_grpc.add_RankerServicer_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
]
LEAVE_S = 4.0
"""Seconds that Ray has to end in when the service is stopped while it starts."""

LOST = (RayActorError, DeploymentUnavailableError)
"""What a chunk whose replica died comes back with."""


@serve.deployment(max_ongoing_requests=4, health_check_period_s=2, graceful_shutdown_timeout_s=5)
class Scorer:
    """Scores chunks; keeps the predictor and the teachers it served lately."""

    def __init__(self, settings: Settings) -> None:
        one_thread()
        registry = Opened.of(settings).registry
        ensemble, _ = registry.predictor(settings.predictor)
        self._scoring = Local(registry, ensemble)
        # One after another: two at once on one core only spoil each other's cache.
        self._turn, self._scored = threading.Lock(), 0
        self._count = counter(SCORED)

    def score(self, chunk: Chunk, trace: Mapping[str, str] | None = None) -> Scores:
        """Score one chunk; `trace` says which span this is a part of."""
        candidates = len(chunk.architectures)
        with (
            tracing.span("scorer", trace, candidates=candidates, teacher=chunk.teacher) as span,
            self._turn,
        ):
            span.note(process=os.getpid())
            self._scored += 1
            scores = self._scoring(chunk)
        if chunk.architectures:  # Ray's counters take no zero
            self._count(len(chunk.architectures))
        return scores

    def vitals(self) -> tuple[int, int]:
        """Return the replica's process id and how many chunks it took up, for tests."""
        return os.getpid(), self._scored


class FanOut:
    """A scoring that deals a chunk out to replicas and tries again where one died."""

    def __init__(
        self, scorer: "DeploymentHandle[Scorer]", *, parts: int, patience_s: float = 60.0
    ) -> None:
        self._scorer, self._parts, self._patience_s = scorer, parts, patience_s

    def __call__(self, chunk: Chunk, /) -> Scores:
        """Return the scores in the chunk's order; called from a thread, not from an event loop.

        Raises:
            Unavailable: no replica answered for a minute.
        """
        parts = split(chunk, self._parts)
        with tracing.span("chunk", candidates=len(chunk.architectures), parts=len(parts)):
            asked = [(where, part, self._ask(part)) for where, part in parts]
            return join([(where, self._answer(part, sent)) for where, part, sent in asked])

    def _ask(self, part: Chunk) -> "DeploymentResponse[Scores]":
        sent = self._scorer.score.remote(part, tracing.carried())
        return cast("DeploymentResponse[Scores]", sent)

    def _answer(self, part: Chunk, asked: "DeploymentResponse[Scores]") -> Scores:
        until = time.monotonic() + self._patience_s
        while True:
            try:
                return asked.result(timeout_s=max(0.1, until - time.monotonic()))
            except (*LOST, TimeoutError) as error:
                if time.monotonic() > until:
                    raise Unavailable(
                        f"a scorer must answer in {self._patience_s:g} s, but none did: {error}"
                    ) from error
                logger.warning("a scorer was lost; its chunk goes to another: %s", error)
                time.sleep(0.2)
                asked = self._ask(part)


@serve.deployment(
    num_replicas=1,
    ray_actor_options={"num_cpus": 0},
    health_check_period_s=2,
    graceful_shutdown_timeout_s=5,
)
class Trainer:
    """Does the jobs, each in a process of its own; there is one where jobs are allowed."""

    def __init__(self, settings: Settings) -> None:
        self._runner = JobRunner(Opened.of(settings).jobs, folder=settings.work)
        self._runner.start()

    def pids(self) -> list[int]:
        """Return the processes of the jobs under way, for tests."""
        return self._runner.pids()

    def __del__(self) -> None:
        """Stop them: what they did is kept."""
        if hasattr(self, "_runner"):
            self._runner.stop()


@serve.deployment(
    # Bodies that are still under way are counted by the door; here they must not fill the room.
    max_ongoing_requests=1000,
    max_queued_requests=200,
    ray_actor_options={"num_cpus": 0},
    health_check_period_s=2,
    graceful_shutdown_timeout_s=5,
)
@serve.ingress()
class Ingress(rpc.Calls):
    """Translates both protocols for one admission."""

    def __init__(
        self,
        scorer: "DeploymentHandle[Scorer]",
        settings: Settings,
        tokens: tuple[str | None, str | None],
        *,
        trainer: "DeploymentHandle[Trainer] | None" = None,
    ) -> None:
        one_thread()
        opened = Opened.of(settings)
        ranker = Ranker.open(
            opened.registry,
            predictor=settings.predictor,
            limits=opened.limits,
            scoring=FanOut(scorer, parts=settings.max_replicas),
        )
        token, reading = tokens
        self.admission = Admission(
            ranker, token_digest=token, reading_digest=reading, jobs=opened.jobs
        )
        self.insecure, self._hosts = settings.insecure, settings.hosts

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the HTTP application, once the constructor is through."""
        return web.application(self.admission, hosts=self._hosts)


def build(args: Settings) -> serve.Application:
    """Make the application; `serve deploy` and `serve run` call this with config.yaml's `args`."""
    told = with_tokens(args, os.environ)
    tokens = told.token_digest, told.reading_digest
    # Of a decorated class mypy sees the class, not the deployment.
    scorer, ingress = cast(serve.Deployment, Scorer), cast(serve.Deployment, Ingress)
    scorer = scorer.options(
        ray_actor_options={"num_cpus": args.scorer_cpus},
        autoscaling_config={
            "min_replicas": args.replicas,
            "max_replicas": args.max_replicas,
            "target_ongoing_requests": 2,
            # A search takes seconds: 30 s, the default of both, would be a crowd's whole wait.
            "upscale_delay_s": 10,
            "look_back_period_s": 11,
        },
    )
    ingress = ingress.options(num_replicas=args.ingresses)
    if not args.jobs:
        return ingress.bind(scorer.bind(args), args, tokens)
    trainer = cast(serve.Deployment, Trainer)
    return ingress.bind(scorer.bind(args), args, tokens, trainer=trainer.bind(args))


def start(settings: Settings, *, host: str, port: int, grpc_port: int) -> None:
    """Start the service on the Ray cluster this process is on."""
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": host, "port": port},
        grpc_options=gRPCOptions(port=grpc_port, grpc_servicer_functions=SERVICERS),
    )
    serve.run(build(settings), name="dass", route_prefix="/")


class Interrupt:
    """What Ctrl-C and SIGTERM do: end a service that runs; one that starts, within seconds."""

    def __init__(self) -> None:
        self.starting, self.stopped = True, threading.Event()

    def listen(self) -> None:
        """Take both signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)

    def __call__(self, *_: object) -> None:
        """Answer a signal."""
        self.stopped.set()
        if self.starting:
            # Ray may be at anything; what it started ends with this process.
            leave = threading.Timer(LEAVE_S, os._exit, (130,))
            leave.daemon = True
            leave.start()
            raise KeyboardInterrupt


def main(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    grpc_port: int = 9000,
) -> None:
    """Serve until interrupted.

    Args:
        settings: of the service.
        host: interface that HTTP listens on; gRPC listens on every one.
        port: of HTTP.
        grpc_port: of gRPC.
    """
    address, done = f"http://{host}:{port}/", Steps()
    print(f"the page will be at {address}", flush=True)
    settings.store = str(Store(settings.store).root)
    settings.work = str(Path(settings.work).absolute())
    Opened.of(settings).registry.predictor(settings.predictor)  # fail here, not in a replica
    done("store and predictor read")
    guarded = bool(with_tokens(settings, os.environ).token_digest)
    # Serve's gRPC reads all of a message before anyone sees it, by default one of 2 GiB.
    os.environ.setdefault("RAY_SERVE_GRPC_MAX_MESSAGE_SIZE", str(2**27))
    ports, interrupt = {"--port": (host, port), "--grpc-port": ("0.0.0.0", grpc_port)}, Interrupt()
    try:
        interrupt.listen()
        with taken(ports), connect():
            interrupt.listen()  # Ray has set a handler of its own
            done("Ray started")
            start(settings, host=host, port=port, grpc_port=grpc_port)
            interrupt.starting = False
            done(f"{settings.replicas} scorers and {settings.ingresses} ingresses ready")
            if not guarded:
                print(rpc.CLOSED if not settings.insecure else "no token is asked for", flush=True)
            print(f"page and HTTP: {address}   gRPC: port {grpc_port}", flush=True)
            interrupt.stopped.wait()
            serve.shutdown()  # type: ignore[no-untyped-call]
    except KeyboardInterrupt:
        print("stopped while it started", file=sys.stderr, flush=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    from serve.app import main as imported_main

    try:
        tyro.cli(imported_main, config=(tyro.conf.OmitArgPrefixes,))
    except (DassError, StorageError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
