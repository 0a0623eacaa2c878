"""Compress a Hugging Face folder: a ResNet of transformers', trained here on textures.

    python examples/compress_huggingface.py
    python examples/compress_huggingface.py dtd10.npz runs/textures 5 3

The second line does it, where transformers is installed: images, where the result goes, minutes
of each run, runs. A folder `runs/textures/teacher/hub` that `save_pretrained` made is taken as it
is, with the size and pixels that its preprocessor says.
"""

import sys
from pathlib import Path

import torch

import dass
from dass.pipeline.compression.standing import standing_table
from dass.training.classifier import fit_classifier

SIZE, HALF = 64, [0.5, 0.5, 0.5]


def folder_of(folder: Path, images: dass.TaskConfig) -> str:
    """Return the folder of a trained teacher and its preprocessor; train it where it is none."""
    import transformers

    if not folder.exists():
        task = dass.load_task(images, image_size=SIZE)
        torch.manual_seed(0)
        config = transformers.ResNetConfig(
            embedding_size=32, hidden_sizes=[32, 64, 128, 256], depths=[2, 2, 2, 2],
            layer_type="basic", num_labels=task.num_classes,
        )  # fmt: skip
        network = transformers.ResNetForImageClassification(config)
        fit_classifier(network, task).save_pretrained(folder)
        sides = {"height": SIZE, "width": SIZE}
        made = transformers.ViTImageProcessor(size=sides, image_mean=HALF, image_std=HALF)
        made.save_pretrained(folder)
    return str(folder)


def main(archive: str, into: str, minutes: str, runs: str = "1") -> None:
    """Compress, once with each seed, and say how all stand."""
    images = dass.TaskConfig(source=f"npz:{archive}")
    teacher = dass.load_oracle(f"huggingface:{folder_of(Path(into, 'teacher', 'hub'), images)}")
    folders = [f"{into}/seed{seed}" for seed in range(int(runs))]
    for seed, folder in enumerate(folders):
        dass.compress(teacher, images, budget=0.3, minutes=float(minutes), seed=seed,
                      rivals=True, into=folder)  # fmt: skip
    print(standing_table(folders))


if len(sys.argv) < 4:
    print("give a file of images, .npz\na folder for the result\nand minutes; nothing was done")
else:
    main(*sys.argv[1:])
