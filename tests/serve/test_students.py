"""Measured students that the service keeps: what they change, and whose they are."""

import asyncio

import pytest

from dass.errors import CorruptArtifact, DassError, InvalidArchitecture, UnknownName
from dass.registry import zoo
from dass.registry.registry import Registry
from dass.searching.evolution import run
from dass.searching.evolution_config import SearchConfig
from dass.space.cost import Budget
from dass.space.sampling import stratified
from dass.space.spaces import by_name
from dass.store.store import Store
from serve import dass_pb2 as pb
from serve import rpc
from serve.admission import Admission
from serve.limits import Limits, TooLarge
from serve.ranker import Ranker
from serve.scoring import Support
from serve.teacher_facts import Registration
from tests.serve.test_ranker import Context, asgi, plain
from tests.support.serving import LIMITS, any_teacher, prepare, weights_of
from tests.support.serving_contract import SOME

PATH = "/v1/teachers/digits/students"


def measured(*rows):
    return [{"architecture": a, "accuracy": y, "epochs": e} for a, y, e in rows]


SORTED = sorted(SOME)
THREE = measured((SORTED[0], 0.9, 0), (SORTED[1], 0.2, 0), (SORTED[2], 0.1, 1))


@pytest.fixture
def registry(tmp_path):
    return prepare(tmp_path / "prepared")


@pytest.fixture
def ranker(registry):
    return Ranker.open(registry, limits=Limits(**LIMITS | {"students": 4}))


def shipped(folder):
    """A store with the shipped predictor, whose surrogate reads epochs, and a shipped teacher."""
    registry, (ensemble, card) = Registry(Store(str(folder))), zoo.predictor()
    space = ensemble.config.space
    name = next(n for n in zoo.teachers() if zoo.registry().teacher_facts(n)["space"] == space)
    teacher = zoo.teacher(name)
    registry.put_predictor("predictor", ensemble, card)
    registry.put_teacher(teacher, {"recipe": "r"})
    some = sorted(map(str, stratified(by_name(space), 4, seed=1)))
    rows = measured((some[0], 0.5, 1), (some[1], 0.6, 0), (some[2], 0.3, 0), (some[3], 0.2, 1))
    return registry, name, rows, {"candidates": 12}


def tiny(folder):
    return prepare(folder), "digits", THREE, {"candidates": 150}


@pytest.mark.parametrize("world", [tiny, shipped])
def test_a_posted_student_changes_what_is_answered_as_a_search_in_process_with_it(world, tmp_path):
    registry, name, rows, asked = world(tmp_path)
    ranker, asked = Ranker.open(registry), {"teacher": name, "k": 5, "seed": 3} | asked
    before = asgi(ranker, "POST", "/v1/search", asked).json()["top"]
    posted = asgi(ranker, "POST", f"/v1/teachers/{name}/students", {"students": rows})
    assert posted.status_code == 201 and posted.json() == {"students": rows}
    after = asgi(ranker, "POST", "/v1/search", asked).json()["top"]
    support = [
        Support(architecture=r["architecture"], validation_accuracy=r["accuracy"], epochs=e)
        for r in rows
        for e in [r["epochs"]]
    ]
    config = SearchConfig(candidates=asked["candidates"], top=5, seed=3)
    ensemble, _ = registry.predictor("predictor")
    expected = run(ensemble, registry.teacher(name), Budget(), config=config, support=support)
    assert [p["architecture"] for p in after] == [str(p.architecture) for p in expected.top]
    found = [v for p in after for v in (p["accuracy"], p["uncertainty"])]
    wanted = [v for p in expected.top for v in (p.accuracy, p.std)]
    assert found == pytest.approx(wanted, abs=1e-5)
    assert [p["accuracy"] for p in after] != [p["accuracy"] for p in before]
    if world is shipped:  # how long each was trained says something, too
        whole = [r | {"epochs": 0} for r in rows]
        asgi(ranker, "DELETE", f"/v1/teachers/{name}/students/{rows[0]['architecture']}")
        asgi(ranker, "DELETE", f"/v1/teachers/{name}/students/{rows[3]['architecture']}")
        asgi(ranker, "POST", f"/v1/teachers/{name}/students", {"students": whole})
        other = asgi(ranker, "POST", "/v1/search", asked).json()["top"]
        assert [p["accuracy"] for p in other] != [p["accuracy"] for p in after]


def test_kept_searches_scores_and_the_requests_own_students_use_them(ranker):
    def score(**more):
        body = {"teacher": "digits", "architectures": SOME[:3]} | more
        found = asgi(ranker, "POST", "/v1/score", body).json()["predictions"]
        return [p["accuracy"] for p in found]

    before = score()
    support = [
        {"architecture": t["architecture"], "validation_accuracy": t["accuracy"]} for t in THREE
    ]
    in_request = score(support=support)
    ranker.add_students("digits", [Support(**s) for s in support])
    assert score() == pytest.approx(in_request, abs=1e-6) != pytest.approx(before, abs=1e-6)
    other = [s | {"validation_accuracy": 0.5} for s in support]
    mine = score(support=other)
    for student in THREE:
        ranker.remove_student("digits", student["architecture"])
    assert score() == pytest.approx(before, abs=1e-6)
    assert score(support=other) == pytest.approx(mine, abs=1e-6), "a request's own come first"


def test_students_are_listed_replaced_and_deleted(ranker):
    assert asgi(ranker, "GET", PATH).json() == {"students": []}
    asgi(ranker, "POST", PATH, {"students": THREE[:2]})
    again = [THREE[0] | {"accuracy": 0.7}, THREE[0] | {"epochs": 3}]
    asgi(ranker, "POST", PATH, {"students": again})
    assert asgi(ranker, "GET", PATH).json() == {"students": [*again, THREE[1]]}
    other = Ranker.open(ranker.registry)  # another replica
    assert asgi(other, "GET", PATH).json() == {"students": [*again, THREE[1]]}
    gone = asgi(ranker, "DELETE", f"{PATH}/{SORTED[0]}")
    assert gone.status_code == 204 and gone.content == b""
    assert asgi(other, "GET", PATH).json() == {"students": [THREE[1]]}
    assert asgi(ranker, "DELETE", f"{PATH}/{SORTED[0]}").status_code == 404


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (422, {"architecture": "5_5_5"}),
        (422, {"architecture": ""}),
        (422, {"accuracy": 1.1}),
        (422, {"accuracy": None}),
        (422, {"epochs": -1}),
        (422, {"other": 1}),
    ],
)
def test_students_of_no_sense_are_refused_and_none_of_them_kept(ranker, status, change):
    body = {"students": [THREE[0], THREE[1] | change]}
    assert asgi(ranker, "POST", PATH, body).status_code == status
    assert asgi(ranker, "GET", PATH).json() == {"students": []}
    nobody = PATH.replace("digits", "nobody")
    for verb, path in (("GET", nobody), ("POST", nobody), ("DELETE", f"{nobody}/4_8_32")):
        body = {"students": []} if verb == "POST" else None
        assert asgi(ranker, verb, path, body).status_code == 404


def test_more_students_than_may_be_are_refused(ranker):
    five = [Support(architecture=a, validation_accuracy=0.5) for a in SORTED[:5]]
    with pytest.raises(TooLarge, match="students"):
        ranker.add_students("digits", five)
    ranker.add_students("digits", five[:4])
    ranker.add_students("digits", five[:4])
    with pytest.raises(TooLarge, match="at most 4, but got 5"):
        ranker.add_students("digits", five[4:])


def test_students_are_of_a_teacher_not_of_its_name(ranker, registry):
    def add(seed):
        data = weights_of(any_teacher("-", seed=seed))
        facts = {"name": "own", "space": "micro", "classes": 3, "accuracy": 0.9}
        ranker.register(Registration(**facts, weights=data, note=f"note {seed}"))

    one = (Support(architecture=SORTED[0], validation_accuracy=0.25),)
    add(3)
    assert ranker.add_students("own", one) == one
    ranker.delete("own")
    with pytest.raises(UnknownName):
        ranker.students("own")
    ranker.restore("own")
    assert ranker.students("own") == one
    ranker.delete("own")
    add(4)
    assert ranker.students("own") == ()
    ranker.delete("own", purge=True)
    assert registry.store.list("service/students") == []
    add(3)
    assert ranker.students("own") == ()


def test_a_broken_student_is_said_to_be_broken(ranker, registry):
    ranker.add_students("digits", [Support(architecture=SORTED[0], validation_accuracy=0.5)])
    (key,) = registry.store.list("service/students")
    registry.store.write(key, b"{}")
    with pytest.raises(CorruptArtifact):
        Ranker.open(registry).students("digits")


def test_over_grpc_students_are_added_listed_and_deleted(ranker):
    async def go():
        calls = rpc.Calls()
        calls.admission, calls.insecure = Admission(ranker), True

        async def ask(method, message):
            return plain(await getattr(calls, method)(message, Context()))

        rows = [t for t in THREE if t["epochs"]]
        new = pb.AddStudentsRequest(teacher="digits", students=rows)
        assert (await ask("AddStudents", new))["students"] == rows
        assert (await ask("ListStudents", pb.TeacherName(name="digits")))["students"] == rows
        one = pb.StudentId(teacher="digits", architecture=rows[0]["architecture"])
        await ask("DeleteStudent", one)
        assert (await ask("ListStudents", pb.TeacherName(name="digits")))["students"] == []
        with pytest.raises(DassError):
            await ask("DeleteStudent", one)
        bad = pb.AddStudentsRequest(teacher="digits", students=[THREE[0] | {"architecture": "5"}])
        with pytest.raises(InvalidArchitecture):
            await ask("AddStudents", bad)

    asyncio.run(go())
