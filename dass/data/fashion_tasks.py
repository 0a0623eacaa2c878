"""The tasks of the embedded clothes: the original one, and the same images as a source.

Knows nothing of how the embedded file is made.
"""

from dass.data.task_config import TaskConfig

META_DATASET_TASK = TaskConfig(
    source="npz:data/fashion.npz",
    train_per_class=130,
    validation_per_class=100,
    test_per_class=250,
    pooled=True,
    test_fraction=0.5,
)
"""The task whose images these are; the path stands for wherever the original file lies."""

TASK = TaskConfig(
    source="fashion", train_per_class=130, validation_per_class=100, test_per_class=250
)
"""The same images as a task of the embedded source."""
