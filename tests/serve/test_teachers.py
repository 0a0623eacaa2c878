"""Teachers of the service: what they carry, and how one that was deleted comes back."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from dass.errors import DassError, UnknownName
from dass.registry import deleted_teachers
from serve import dass_pb2 as pb
from serve import rpc
from serve.admission import Admission
from serve.limits import AlreadyExists, Limits
from serve.ranker import Ranker
from serve.teacher_facts import Registration
from tests.serve.test_ranker import Context, asgi, plain
from tests.support.serving import LIMITS, any_teacher, prepare, weights_of
from tests.support.serving_contract import SOME, registration

ABOUT = {"dataset": "beans", "class_names": ["angular", "healthy", "rust"], "note": "ünï, v2"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def ranker(registry):
    return Ranker.open(registry, limits=Limits(**LIMITS))


def add(ranker, name, *, seed=3, **about):
    data = weights_of(any_teacher("-", seed=seed))
    facts = {"name": name, "space": "micro", "classes": 3, "accuracy": 0.9}
    return ranker.register(Registration(**facts, weights=data, **about))


def scores(ranker, name):
    return [p.accuracy for p in ranker.score(name, SOME[:3])]


def test_a_teacher_carries_what_its_owner_says_of_it(ranker):
    data = weights_of(any_teacher("-", seed=3))
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = asgi(ranker, "POST", "/v1/teachers", registration("own", data, **ABOUT)).json()
    assert {name: made[name] for name in ABOUT} == ABOUT and made["deleted"] is None
    assert before <= datetime.fromisoformat(made["created"]) <= datetime.now(UTC)
    assert asgi(ranker, "GET", "/v1/teachers/own").json() == made
    again = registration("own", data, **ABOUT | {"note": "another"})
    assert asgi(ranker, "POST", "/v1/teachers", again).json() == made, "as it was first written"
    query = "space=micro&classes=3&accuracy=0.9&dataset=beans&note=n"
    query += "".join(f"&class_names={name}" for name in ABOUT["class_names"])
    put = asgi(ranker, "PUT", f"/v1/teachers/put?{query}", content=data)
    assert put.status_code == 201 and put.json()["class_names"] == ABOUT["class_names"]
    assert put.json()["note"] == "n"
    bare = asgi(ranker, "POST", "/v1/teachers", registration("bare", data)).json()
    assert (bare["dataset"], bare["class_names"], bare["note"]) == (None, [], None)
    for name in ("own", "put", "bare"):
        ranker.delete(name, purge=True)


def test_a_teacher_of_the_jobs_tells_its_dataset_without_its_place(ranker, registry):
    task = {"source": "folder:/home/me/beans", "classes": 3}
    registry.put_teacher(any_teacher("job"), {"recipe": "r", "task": task})
    assert ranker.facts("job").dataset == "beans"
    registry.drop_teacher("job")


@pytest.mark.parametrize("names", [["a"], ["a", "b", "b"], ["a", "b", "c", "d"]])
def test_class_names_are_of_every_class_or_of_none(ranker, names):
    body = registration("named", weights_of(any_teacher("-")), class_names=names)
    refused = asgi(ranker, "POST", "/v1/teachers", body)
    assert refused.status_code == 422 and "class_names" in refused.json()["error"]["message"]


def test_a_deleted_teacher_is_shown_on_request_and_restored_as_it_was(ranker, registry):
    made, before = add(ranker, "back", **ABOUT), None
    before = scores(ranker, "back")
    assert asgi(ranker, "DELETE", "/v1/teachers/back").status_code == 200
    with pytest.raises(UnknownName):
        ranker.facts("back")
    names = [t["name"] for t in asgi(ranker, "GET", "/v1/teachers").json()["teachers"]]
    assert "back" not in names
    shown = asgi(ranker, "GET", "/v1/teachers?deleted=true").json()["teachers"]
    (gone,) = [t for t in shown if t["name"] == "back"]
    assert datetime.fromisoformat(gone["deleted"]) <= datetime.now(UTC)
    assert gone["note"] == ABOUT["note"] and "digits" in [t["name"] for t in shown]
    restored = asgi(ranker, "POST", "/v1/teachers/back/restore")
    assert restored.status_code == 200 and restored.json()["created"] == made.created
    assert restored.json()["class_names"] == ABOUT["class_names"]
    assert scores(ranker, "back") == before
    again = asgi(ranker, "POST", "/v1/teachers/back/restore")
    assert again.status_code == 200, "as after an answer that was lost"
    assert ranker.teachers(deleted=True) == ranker.teachers()
    ranker.delete("back", purge=True)
    assert not [k for k in registry.store.list() if "/back/" in k]
    assert asgi(ranker, "POST", "/v1/teachers/back/restore").status_code == 404
    assert asgi(ranker, "DELETE", "/v1/teachers/back?purge=true").status_code == 404


def test_a_name_that_was_taken_again_is_not_restored_over_its_new_owner(ranker):
    add(ranker, "two", seed=3)
    first = scores(ranker, "two")
    ranker.delete("two")
    add(ranker, "two", seed=4)
    second = scores(ranker, "two")
    assert asgi(ranker, "POST", "/v1/teachers/two/restore").status_code == 409
    assert scores(ranker, "two") == second != first
    ranker.delete("two")
    ranker.restore("two")
    assert scores(ranker, "two") == second, "the latest"
    ranker.delete("two", purge=True)


def test_of_many_at_once_one_restores(ranker, registry):
    add(ranker, "race")
    before = scores(ranker, "race")
    ranker.delete("race")

    def restore(_):
        try:
            return ranker.restore("race").name
        except (AlreadyExists, UnknownName):
            return None

    with ThreadPoolExecutor(8) as threads:
        assert "race" in list(threads.map(restore, range(8)))
    assert scores(ranker, "race") == before
    assert len([k for k in registry.store.list("teachers/race")]) == 2
    ranker.delete("race", purge=True)


def test_after_its_days_or_when_others_are_too_many_a_deleted_teacher_is_gone(registry):
    ranker = Ranker.open(registry, limits=Limits(**LIMITS | {"deleted": 2, "deleted_days": 5.0}))
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    ranker._catalogue.deletions.clock = lambda: now[0]
    for name in "abc":
        add(ranker, name)
        ranker.delete(name)
        now[0] += timedelta(hours=1)
    assert [t.name for t in ranker.teachers(deleted=True) if t.deleted] == ["c", "b"]
    assert not registry.store.list("deleted-teachers/a")
    now[0] += timedelta(days=5, hours=-1.5)
    assert [t.name for t in ranker.teachers(deleted=True) if t.deleted] == ["c"]
    with pytest.raises(UnknownName, match="within 5 days"):
        ranker.restore("b")
    now[0] += timedelta(days=5)
    add(ranker, "d")
    ranker.delete("d")
    assert [one.name for one in deleted_teachers.deleted(registry.store)] == ["d"]
    ranker.delete("d", purge=True)


def test_a_teacher_whose_files_are_broken_is_deleted_and_hides_no_other(ranker, registry):
    registry.store.write("teachers/torn/config.json", b"{}")
    ranker.delete("torn")
    assert not registry.has_teacher("torn")
    registry.store.write("deleted-teachers/torn/20260101T000000000000/config.json", b"{}")
    assert "digits" in [t.name for t in ranker.teachers(deleted=True)]
    ranker.delete("torn", purge=True)


def test_over_grpc_a_teacher_is_deleted_restored_and_purged(ranker):
    async def go():
        calls = rpc.Calls()
        calls.admission, calls.insecure = Admission(ranker), True

        async def ask(method, message):
            context = Context()
            try:
                return plain(await getattr(calls, method)(message, context))
            except DassError:
                return context.status.name

        new = registration("g", b"") | ABOUT | {"weights": weights_of(any_teacher("-", seed=3))}
        made, name = await ask("RegisterTeacher", pb.Registration(**new)), pb.TeacherName(name="g")
        assert made["class_names"] == ABOUT["class_names"] and made["note"] == ABOUT["note"]
        await ask("DeleteTeacher", name)
        for deleted in (False, True):
            listed = await ask("ListTeachers", pb.ListTeachersRequest(deleted=deleted))
            assert ("g" in [t["name"] for t in listed["teachers"]]) == deleted
        assert await ask("RestoreTeacher", name) == made
        await ask("PurgeTeacher", name)
        assert await ask("RestoreTeacher", name) == "NOT_FOUND"
        assert await ask("PurgeTeacher", name) == "NOT_FOUND"

    asyncio.run(go())
