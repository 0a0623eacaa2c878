"""What jobs of a process share: made once, by whoever asks first."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from jobs.planning.kept import Kept


def test_threads_that_ask_for_the_same_get_one_thing_made_once():
    kept, made, meeting = Kept(4), [], Barrier(6, timeout=20)

    def make():
        made.append(object())
        return made[-1]

    def ask(_):
        meeting.wait()
        return kept.get("teacher", make)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, range(6)))
    assert len(made) == 1 and all(each is made[0] for each in found)


def test_different_things_are_made_at_the_same_time():
    kept, meeting = Kept(4), Barrier(2, timeout=20)

    def make():
        meeting.wait()  # passes only if both are being made
        return object()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda key: kept.get(key, make), "ab")
    assert one is not other


def test_what_could_not_be_made_is_tried_again_and_the_oldest_is_forgotten():
    kept = Kept(2)

    def fails():
        raise OSError("no store")

    with pytest.raises(OSError, match="no store"):
        kept.get("a", fails)
    first = kept.get("a", object)
    kept.get("b", object)
    kept.get("c", object)
    assert kept.get("a", object) is not first
