"""Which errors of a store are worth another try, and when. Knows nothing of what was tried."""

import errno

_PERMANENT = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}
_TRANSIENT_WORDS = (
    "slowdown",
    "reduce your request rate",
    "service unavailable",
    "serviceunavailable",
    "internalerror",
    "internal server error",
    "requesttimeout",
    "throttl",
    "timed out",
    "timeout",
    "connection",
    "(500)",
    "(502)",
    "(503)",
    "(504)",
)


def backoff_s(attempt: int, *, pause_s: float, luck: float, ceiling_s: float = 10.0) -> float:
    """Return seconds to pause after failed try `attempt` (1, 2, ...): doubling, jittered, bounded.

    `luck` in [0, 1) spreads the pause over 0.5 to 1.5 of its mean, so that many workers that
    failed together do not come back together.
    """
    return float(min(ceiling_s, pause_s * 2.0 ** (attempt - 1)) * (0.5 + luck))


def is_transient(error: BaseException) -> bool:
    """Return whether the same call may work a moment later: throttled, timed out, cut off.

    Remote stores wrap such errors in many types, some of them plain `OSError`: then the words and
    the chain of causes decide. What is forbidden, full or of a wrong type stays so.
    """
    if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError):
        return False
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _PERMANENT:
        return False
    text = f"{type(error).__name__}: {error}".lower()
    if any(word in text for word in _TRANSIENT_WORDS):
        return True
    if isinstance(error, OSError) and error.errno in {errno.ESTALE, errno.EIO, errno.EBUSY}:
        return True
    cause = error.__cause__
    return cause is not None and is_transient(cause)
