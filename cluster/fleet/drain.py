"""What a worker of Ray Train does: ask for jobs, have its child do them, tell how it went.

Every worker runs its jobs in a process of its own (`shared.py`), so a job that kills its process
costs neither the worker nor its group, which Train would restart whole. It has as many lanes as
it is to have jobs in hand at once, each a worker of the queue. No worker ever calls
`ray.train.report`: it is a barrier. Knows nothing of nodes and groups (`groups.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import ray

from cluster.fleet.devices import Health
from cluster.fleet.dispatcher import BEAT_S, FULL_S, WAIT_S, Report
from cluster.fleet.job import FleetError, Idle, Lease, Reply
from cluster.fleet.shared import SharedChild

logger = logging.getLogger(__name__)


def drain(settings: Mapping[str, Any]) -> None:
    """Do jobs until there are none: what each Train worker runs."""
    from ray import train

    # Stable over restarts: a worker that comes back frees at once what it held before.
    name = f"{settings['node']}/{train.get_context().get_local_rank()}"
    # Train shows every worker of a node all of the group's; a job takes the first it sees.
    mine = ",".join(ray.get_runtime_context().get_accelerator_ids().get("GPU", []))
    device = f"{settings['node']}/{mine}" if mine else ""
    variables = {"CUDA_VISIBLE_DEVICES": mine} if mine else {}
    dispatcher, number = ray.get_actor(settings["dispatcher"]), settings["lanes"]
    child = SharedChild(settings["work"], lanes=number, variables=variables)
    lanes = [
        _Lane(
            name=name if number == 1 else f"{name}.{lane}",
            number=lane,
            device=device,
            dispatcher=dispatcher,
            child=child,
        )
        for lane in range(number)
    ]
    try:
        with child:
            _run(lanes)
    except FleetError as error:
        ray.get(dispatcher.give_up.remote(str(error)))


def _run(lanes: Sequence[_Lane]) -> None:
    """Run lanes to their end; raise what one raises, not waiting for the others."""
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def run(lane: _Lane) -> None:
        try:
            lane.run()
            ended.put(None)
        except BaseException as error:
            ended.put(error)

    for lane in lanes:  # no executor: its threads would keep alive a process that is told to end
        threading.Thread(target=run, args=(lane,), name=lane.name, daemon=True).start()
    for _ in lanes:
        if (error := ended.get()) is not None:
            raise error


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lane:
    """One worker of the queue, in a thread of its own."""

    name: str
    number: int
    device: str
    """The accelerator of its process, as `NODE/DEVICE`; empty where there is none."""
    dispatcher: Any
    child: SharedChild

    def run(self) -> None:
        """Ask and do until the queue is finished, or this worker's accelerator is lost.

        Raises:
            FleetError: no child comes up.
        """
        report, pause, full_s = None, WAIT_S[0], 0.0
        self.child.ensure()
        while True:
            answer = ray.get(self.dispatcher.exchange.remote(self.name, report, self.device))
            report = None
            if answer is Idle.FINISHED:
                return
            if isinstance(answer, Lease):
                reply = self._attempt(answer)
                report = Report(lease=answer, reply=reply, device=self.device)
                full = reply.health is Health.FULL
                full_s = min(max(FULL_S[0], 2 * full_s), FULL_S[1]) if full else 0.0
                pause = full_s or WAIT_S[0]
            else:
                time.sleep(pause)
                pause = max(full_s, min(2 * pause, WAIT_S[1]))

    def _attempt(self, lease: Lease) -> Reply:
        def beat() -> None:
            self.dispatcher.renew.remote(lease)

        logger.info("%s takes %s", self.name, lease.job.name)
        return self.child.attempt(
            lease.job, beat=beat, every_s=BEAT_S, lane=self.number, alone=lease.alone
        )
