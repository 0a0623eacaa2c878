"""Compress an ONNX file to a tenth of a millisecond, by a proxy: the student learns of its logits.

    python examples/compress_onnx.py
    python examples/compress_onnx.py flowers5.npz runs/flowers-onnx 5 3 runs/flowers/teacher

The second line does it: images, where the result goes, minutes of each run, runs, and a folder
with `teacher.safetensors` of torchvision's ResNet-18, which `compress_torchvision.py` leaves. It
is saved as ONNX here; of an ONNX file of your own nothing is needed but its path.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

import dass
from dass.pipeline.compression.standing import standing_table

SIZE, HALF = 64, (0.5, 0.5, 0.5)


def exported(weights: Path) -> str:
    """Return an ONNX file of a ResNet-18 for any number of pictures at once."""
    from torchvision.models import resnet18

    file = weights.with_suffix(".onnx")
    if not file.exists():
        state = load_file(weights)
        network = resnet18(num_classes=len(state["fc.bias"]))
        network.load_state_dict(state)
        torch.onnx.export(
            network.eval(), (torch.zeros(1, 3, SIZE, SIZE),), str(file), dynamo=False,
            input_names=["images"], dynamic_axes={"images": {0: "n"}},
        )  # fmt: skip
    return str(file)


def main(archive: str, into: str, minutes: str, runs: str, trained: str) -> None:
    """Compress, once with each seed, and say how all stand."""
    images = dass.TaskConfig(source=f"npz:{archive}")
    file = exported(Path(trained, "teacher.safetensors"))
    teacher = dass.load_oracle(f"onnx:{file}", size=SIZE, mean=HALF, std=HALF)
    folders = [f"{into}/seed{seed}" for seed in range(int(runs))]
    for seed, folder in enumerate(folders):
        dass.compress(teacher, images, max_latency_ms=0.1, minutes=float(minutes), seed=seed,
                      rivals=True, into=folder)  # fmt: skip
    print(standing_table(folders))


if len(sys.argv) < 6:
    print("give a file of images, .npz\na folder for the result, minutes, runs")
    print("and the folder of a trained ResNet-18's weights; nothing was done")
else:
    main(*sys.argv[1:])
