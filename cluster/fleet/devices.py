"""Whose fault an error of a machine is: the job's, its process's, the accelerator's or a disk's.

Read from the words of errors, since libraries wrap the driver's codes in types of their own.
Knows nothing of torch, of CUDA's interface or of queues.
"""

from __future__ import annotations

import errno
from enum import Enum


class Health(Enum):
    """What an error says of the worker that met it."""

    WELL = "well"
    """Nothing: the next job may run in the same process."""
    SPOILT = "spoilt"
    """The process can use its device no more; a fresh one can."""
    LOST = "lost"
    """The device itself is broken or gone: no process can use it."""
    FULL = "full"
    """A disk has no room, the node's or the store's: no job can be done here until it has."""


_LOST = (
    "uncorrectable ecc",
    "ecc error",
    "uncorrectable nvlink error",
    "gpu is lost",
    "device lost",
    "device is lost",
    "fallen off the bus",
    "hardware stack error",
    "no cuda-capable device",
    "no cuda gpus are available",
    "devices is/are busy or unavailable",
    "device(s) is/are busy or unavailable",
)
_SPOILT = (
    "illegal memory access",
    "device-side assert",
    "unspecified launch failure",
    "misaligned address",
    "illegal instruction was encountered",
    "launch timed out and was terminated",
    "cublas_status_execution_failed",
    "cudnn_status_execution_failed",
)
"""Errors after which CUDA answers every further call of the process with the same one."""
_FULL = ("no space left on device", "quota exceeded", "insufficient storage", "storagefull")


def health_after(error: BaseException) -> Health:
    """Return what an error, or whatever caused it, says of the worker's device and disks."""
    seen: set[int] = set()
    found = Health.WELL
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        text = str(cause).lower()
        if any(words in text for words in _LOST):
            return Health.LOST
        if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
            return Health.FULL
        if any(words in text for words in _FULL):
            return Health.FULL
        if any(words in text for words in _SPOILT):
            found = Health.SPOILT
        cause = cause.__cause__ or cause.__context__
    return found
