"""Cut the embedded source `fashion` out of Fashion-MNIST: the images of the meta-dataset's task.

    python -m dass.data.make_fashion data/fashion.npz

What that task trains and validates on is the train part and what it tests on the test part, so
that nobody who asks for `fashion` trains on an image that is tested on. Rows are laid so that
`TASK` divides them as `META_DATASET_TASK` does: the same images in the same order.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from dass.data.division import shuffle
from dass.data.fashion_tasks import META_DATASET_TASK, TASK
from dass.data.sources import FASHION
from dass.data.task import Split, load_task
from dass.data.task_config import TaskConfig

SIDE = 32
"""Rows and columns of the images, in pixels: those of the file, 28 before."""


def laid(splits: list[Split], part: str) -> dict[str, Any]:
    """Return the arrays of a part, laid such that its shuffle gives the order of `splits`."""
    images, labels = [], torch.cat([split.labels for split in splits])
    for label, count in enumerate(labels.bincount().tolist()):
        rows = torch.cat([split.images[split.labels == label, 0] for split in splits])
        images.append(torch.empty_like(rows))
        images[-1][shuffle(count, part, TASK.split_seed, label)] = rows
    arrays = (torch.cat(images), labels.sort().values)
    return {f"{part}_images": arrays[0].numpy(), f"{part}_labels": arrays[1].numpy()}


def main(path: str) -> None:
    """Write the embedded file from the original one."""
    config = TaskConfig.from_dict(META_DATASET_TASK.to_dict() | {"source": f"npz:{path}"})
    task = load_task(config, image_size=SIDE)
    train = laid([task.validation, task.train], "train")
    test = laid([task.test], "test")
    np.savez_compressed(FASHION, **train, **test, class_names=np.array(task.class_names))


if __name__ == "__main__":
    main(sys.argv[1])
