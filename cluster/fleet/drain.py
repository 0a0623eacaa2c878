"""What a worker of Ray Train does: ask for jobs, have its child do them, tell how it went.

Every worker runs its jobs in a process of its own (`child.py`), so a job that kills its process
costs neither the worker nor its group, which Train would restart whole. No worker ever calls
`ray.train.report`: it is a barrier. Knows nothing of nodes and groups (`groups.py`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import ray

from cluster.fleet.child import Child
from cluster.fleet.devices import Health
from cluster.fleet.dispatcher import BEAT_S, FULL_S, WAIT_S, Report
from cluster.fleet.job import ChildDied, FleetError, Idle, Lease, Reply, failed_at_start

logger = logging.getLogger(__name__)

STARTS = 3
"""Processes in a row that may die before they are ready, until the worker gives up."""


def drain(settings: Mapping[str, Any]) -> None:
    """Do jobs until there are none: what each Train worker runs."""
    from ray import train

    # Stable over restarts: a worker that comes back frees at once what it held before.
    name = f"{settings['node']}/{train.get_context().get_local_rank()}"
    dispatcher = ray.get_actor(settings["dispatcher"])
    try:
        worker = _Worker(name, dispatcher, settings["work"])
        # Train shows every worker of a node all of the group's; a job takes the first it sees.
        mine = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
        if mine:
            worker.holds(f"{settings['node']}/{','.join(mine)}", ",".join(mine))
        worker.run()
    except FleetError as error:
        ray.get(dispatcher.give_up.remote(str(error)))


class _Worker:
    """One worker's side of the queue, and the parent's side of its child."""

    def __init__(self, name: str, dispatcher: Any, work: bytes) -> None:
        self._name, self._dispatcher, self._work = name, dispatcher, work
        self._child: Child | None = None
        self._device, self._variables = "", dict[str, str]()

    def holds(self, device: str, visible: str) -> None:
        """Hear which accelerator is this worker's; its child sees that and no other."""
        self._device, self._variables = device, {"CUDA_VISIBLE_DEVICES": visible}

    def run(self) -> None:
        """Ask and do until the queue is finished, or this worker's accelerator is lost.

        Raises:
            FleetError: no child comes up.
        """
        report, pause, full_s = None, WAIT_S[0], 0.0
        try:
            self._ensure_child()
            while True:
                asked = self._dispatcher.exchange.remote(self._name, report, self._device)
                answer = ray.get(asked)
                report = None
                if answer is Idle.FINISHED:
                    return
                if isinstance(answer, Lease):
                    reply = self._attempt(answer)
                    report = Report(lease=answer, reply=reply, device=self._device)
                    full = reply.health is Health.FULL
                    full_s = min(max(FULL_S[0], 2 * full_s), FULL_S[1]) if full else 0.0
                    pause = full_s or WAIT_S[0]
                else:
                    time.sleep(pause)
                    pause = max(full_s, min(2 * pause, WAIT_S[1]))
        finally:
            self._remove_child()

    def _ensure_child(self) -> Child:
        """Return a child that is ready, starting one if need be.

        Raises:
            FleetError: none comes up.
        """
        reason = ""
        for _ in range(STARTS):
            if self._child is None:
                self._child = Child(self._work, self._variables)
            try:
                if not self._child.ready:
                    self._child.listen()
                return self._child
            except ChildDied as death:
                self._remove_child()
                reason = str(death)
        raise FleetError(failed_at_start(STARTS, reason))

    def _attempt(self, lease: Lease) -> Reply:
        def beat() -> None:
            self._dispatcher.renew.remote(lease)

        logger.info("%s takes %s", self._name, lease.job.name)
        try:
            reply = self._ensure_child().attempt(lease.job, beat=beat, every_s=BEAT_S)
        except ChildDied as death:
            self._remove_child()
            return Reply(error=str(death))
        if reply.health in {Health.SPOILT, Health.LOST}:
            self._remove_child()
        return reply

    def _remove_child(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None
