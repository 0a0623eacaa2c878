"""Make a task of images of your own: one file of arrays, or a folder of pictures per class.

    python examples/own_images.py

The same config gives the same images in the same parts on every machine. Then
`dass build small --source npz:PATH` trains a teacher of them and labels its students.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import dass

folder = Path(tempfile.mkdtemp(prefix="dass-"))
digits = load_digits()  # stands for images of your own: 1,797 grey pictures of 8 × 8
pixels = (digits.images * 15.9).astype(np.uint8)

archive = folder / "digits.npz"
np.savez(
    archive,
    train_images=pixels[:1200],  # n × rows × columns, or with a last axis of 3 colours
    train_labels=digits.target[:1200],
    test_images=pixels[1200:],
    test_labels=digits.target[1200:],
    class_names=[f"digit {number}" for number in range(10)],
)
for label in (3, 5, 8):
    (folder / "pictures" / str(label)).mkdir(parents=True)
    for place in np.flatnonzero(digits.target == label)[:40]:
        Image.fromarray(pixels[place]).save(folder / "pictures" / str(label) / f"{place}.png")

configs = [
    dass.TaskConfig(source=f"npz:{archive}", flip=False),  # a mirrored digit is none
    dass.TaskConfig(source=f"npz:{archive}", classes=4, train_per_class=20, flip=False),
    dass.TaskConfig(source=f"folder:{folder / 'pictures'}", test_fraction=0.5, flip=False),
]
for config in configs:
    task = dass.load_task(config, image_size=32)
    print(
        f"{task.name}: {task.num_classes} classes; {len(task.train)} images to train on, "
        f"{len(task.validation)} to validate, {len(task.test)} to test"
    )
