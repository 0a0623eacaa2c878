"""The registry: which task and role a teacher has is read off its manifest, never off its name."""

from dataclasses import replace

import pytest

from dass.errors import CorruptArtifact
from dass.registry.registry import Registry
from dass.store.store import Store
from jobs.closed_loop import unseen_teachers


@pytest.fixture
def registry(tmp_path, teacher):
    made = Registry(Store(str(tmp_path)))
    made.put_task(teacher.task, "unseen")
    made.put_task(replace(teacher.task, only=("0", "1")), "train")
    return made


def test_the_role_of_every_task_is_known_by_name(registry, teacher):
    assert registry.roles()[teacher.task.name] == "unseen"
    assert sorted(registry.roles().values()) == ["train", "unseen"]


def test_a_role_that_is_none_is_refused(registry, teacher):
    key = f"tasks/{teacher.task.name}.json"
    registry.store.write(key, registry.store.read(key).replace(b"unseen", b"test"))
    with pytest.raises(CorruptArtifact, match="must be one of"):
        registry.roles()


def test_teachers_of_any_name_belong_to_the_task_in_their_manifest(registry, teacher):
    learned = replace(teacher.task, only=("0", "1"))
    registry.put_teacher(replace(teacher, name="digits", task=None), {})
    registry.put_teacher(replace(teacher, name=f"micro.{teacher.task.name}.r.0", task=learned), {})
    registry.put_teacher(replace(teacher, name="mine"), {})
    assert registry.teachers_of("unseen") == {"mine": teacher.task.name}
    (found,) = unseen_teachers(registry)
    assert found.name == "mine"
