"""Pictures and teachers that all tests of `dass compress` share."""

from tests.support.compression import (
    exported,
    linear,
    oracle,
    pictures,
    quick,
    resnet,
    task,
)

__all__ = ["exported", "linear", "oracle", "pictures", "quick", "resnet", "task"]
