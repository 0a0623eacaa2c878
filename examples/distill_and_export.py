"""Distil one student from a shipped teacher of clothes, and export it.

    python examples/distill_and_export.py

A third of the images, so that it ends in seconds; leave out the task and the student is trained on
all that its teacher was trained on.
"""

import tempfile
from dataclasses import asdict

import dass
from dass.networks.usage import usage
from dass.registry.networks import pack_student

name = next(name for name in dass.zoo.teachers() if "fashion" in name)
teacher = dass.zoo.teacher(name)
config = dass.TaskConfig(
    source="fashion", train_per_class=40, validation_per_class=20, test_per_class=50
)
task = dass.load_task(config, image_size=teacher.network.space.image_size)
recipe = dass.Recipe(
    epochs=3, batch_size=16, learning_rate=0.02, padding=4, teacher_logits="views", views=3
)  # views: the teacher is asked once for three copies of each image, not in every epoch


def show(epoch):
    """Print how the loss falls."""
    print(f"  loss {epoch.loss:.2f}")


print(f"{len(task.train)} images to train on, {task.num_classes} classes")
student, record = dass.distill(teacher, "16_28_36-40-40_128", task, recipe=recipe, on_epoch=show)
print(
    f"{record.test_accuracy:.0%} of {record.test_images} test images right, at "
    f"{record.flops / teacher.flops:.0%} of the teacher's FLOPs"
)

store = dass.open_store(tempfile.mkdtemp(prefix="dass-"))  # or a folder of yours, or s3://...
facts = asdict(record) | usage(student, class_names=task.class_names)  # how to use it
files = pack_student(student, facts)  # config.json and weights.safetensors
files["model.onnx"] = dass.to_onnx(student, facts)  # run once, to see that it computes the same
print(store.put_student(record.key, files))
for key in store.store.list("students"):
    print(f"  {key.rpartition('/')[2]}: {len(store.store.read(key)) / 1e3:.0f} kB")
