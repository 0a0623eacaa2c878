"""Pictures and teachers that all tests of `dass compress` share."""

from tests.support.compression import (
    exported,
    exported_once,
    linear,
    oracle,
    pictures,
    resnet,
    task,
)

__all__ = ["exported", "exported_once", "linear", "oracle", "pictures", "resnet", "task"]
