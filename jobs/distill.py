"""Distil one student for real, and export it: safetensors, ONNX and its record.

python -m jobs.distill micro --teacher NAME --architecture 8_14_32
"""

from __future__ import annotations

from dataclasses import asdict

from dass.errors import InvalidConfig
from dass.networks.onnx import to_onnx
from dass.networks.usage import usage
from dass.predictor.records import StudentRecord
from dass.registry import zoo
from dass.registry.networks import pack_student
from dass.registry.registry import Registry
from dass.space.architecture import Architecture
from dass.store.store import Store
from jobs import console
from jobs.configs.distill import DistillConfig
from jobs.planning.plan import StudentPlan
from jobs.planning.worker import Worker

ONNX = "model.onnx"


def plan_for(config: DistillConfig) -> StudentPlan:
    """Return the training that the config asks for.

    Raises:
        InvalidArchitecture: the architecture does not parse or is no member of the space.
        InvalidConfig: the teacher has no images to distil on.
    """
    registry = Registry(Store(config.store))
    teacher = registry.teacher(config.teacher)
    architecture = Architecture.parse(config.architecture)
    teacher.network.space.check(architecture)
    if teacher.task is None:
        raise InvalidConfig(
            f"teacher {teacher.name} must have a task to distil on, but came without images; "
            "adopt it with `dass adopt --source ...`"
        )
    return StudentPlan(
        teacher=teacher.name,
        task=teacher.task,
        space=teacher.network.space.name,
        architecture=architecture,
        recipe=zoo.recipe_for(registry, name) if (name := config.recipe_name) else config.recipe,
        seed=config.seed,
    )


def distil(config: DistillConfig) -> tuple[StudentRecord, str]:
    """Distil and publish, unless the store has it already; return record and place."""
    registry = Registry(Store(config.store))
    plan = plan_for(config)
    key = plan.identity.key
    if registry.has_student(key):
        return registry.record(key), registry.store.url(f"students/{key}")
    worker = Worker(registry.store, config.device, config.data_root)
    network, record = worker.distil(plan)
    network.cpu()
    facts = asdict(record) | usage(network, class_names=worker.task(plan).class_names)
    files = {ONNX: to_onnx(network, facts), **pack_student(network, facts)}
    return record, registry.put_student(key, files)


def main(config: DistillConfig) -> None:
    """Distil one student and say how good it is."""
    record, where = distil(config)
    store = Store(config.store)
    console.keep(store, f"students/{record.key}/job.json", config)
    teacher = Registry(store).teacher(config.teacher)
    rows = [
        [
            "student",
            f"{100 * record.validation_accuracy:.1f} %",
            f"{100 * record.test_accuracy:.1f} %",
        ],
        [
            "teacher",
            f"{100 * teacher.accuracy:.1f} %",
            f"{100 * (teacher.test_accuracy or 0):.1f} %",
        ],
    ]
    print("\n" + console.table(["", "validation", "test"], rows))
    console.finish(
        where,
        next_line=f"onnxruntime runs {ONNX}, whose metadata tells how: docs/exports.md",
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
