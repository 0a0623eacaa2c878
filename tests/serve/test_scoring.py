"""Scoring a chunk: however it is cut, whoever does it, within bounded memory."""

import pytest
import torch

from dass.errors import UnknownName
from dass.searching.evolution import SearchConfig
from dass.space.spaces import by_name
from serve.ranker import Ranker, SearchSpec
from serve.scoring import Cache, Chunk, Local, Scores, Support, join, split, version_of
from tests.support.serving import any_teacher, prepare

SPACE = by_name("micro")
SOME = tuple(str(a) for a in SPACE.sample(150, generator=torch.Generator().manual_seed(3)))


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def local(registry):
    return Local(registry, registry.predictor("predictor")[0])


def chunk(registry, name="digits", support=(), architectures=SOME):
    version = version_of(registry.teacher_facts(name))
    return Chunk(teacher=name, version=version, architectures=architectures, support=support)


class InParts:
    """Scores as replicas would, in a fixed number of parts."""

    def __init__(self, scoring, parts):
        self.scoring, self.parts = scoring, parts

    def __call__(self, chunk):
        return join([(where, self.scoring(part)) for where, part in split(chunk, self.parts)])


@pytest.mark.parametrize("parts", [1, 2, 3, 6, 50])
def test_scores_do_not_depend_on_how_a_chunk_is_cut(registry, local, parts):
    whole, cut = local(chunk(registry)), InParts(local, parts)(chunk(registry))
    assert cut.accuracies == pytest.approx(whole.accuracies, abs=1e-5)
    assert cut.uncertainties == pytest.approx(whole.uncertainties, abs=1e-5)


def test_parts_are_of_one_size_and_never_tiny(registry):
    sizes = [[len(where) for where, _ in split(chunk(registry), parts)] for parts in (1, 4, 99)]
    assert sizes == [[150], [37, 38, 37, 38], [25] * 6]
    nothing = chunk(registry, architectures=())
    assert [len(part.architectures) for _, part in split(nothing, 2)] == [0]


def test_an_answer_without_uncertainties_is_joined_to_one_without(registry):
    parts = [
        (where, Scores(accuracies=tuple(map(float, where)), uncertainties=None))
        for where, _ in split(chunk(registry), 3)
    ]
    joined = join(parts)
    assert joined.accuracies == tuple(map(float, range(150))) and joined.uncertainties is None


@pytest.mark.parametrize("seed", range(4))
def test_a_search_finds_the_same_students_however_its_chunks_are_cut(registry, local, seed):
    spec = SearchSpec(teacher="digits", config=SearchConfig(candidates=400, seed=seed))
    answers = []
    for parts in (1, 2, 4):
        ranker = Ranker.open(registry, scoring=InParts(local, parts))
        *_, last = ranker.search(spec)
        answers.append([p.architecture for p in last.top])
    assert answers[0] == answers[1] == answers[2]


def test_an_adapted_predictor_is_kept_and_answers_as_a_new_one(registry, local):
    support = (Support(architecture=SOME[0], validation_accuracy=0.1),)
    first = local(chunk(registry, support=support))
    again = local(chunk(registry, support=support))
    assert len(local.adapted) == 1 and first == again
    plain = local(chunk(registry))
    assert len(local.adapted) == 2 and plain != first
    teacher = registry.teacher("digits")
    members = [SPACE.smallest, SPACE.largest]
    whole, _ = registry.predictor("predictor")[0].predict(teacher, members, support=support)
    kept = local(chunk(registry, support=support, architectures=tuple(map(str, members))))
    assert kept.accuracies == pytest.approx(whole.tolist(), abs=1e-6)


def test_the_longest_unused_leaves_first():
    cache = Cache(len, max_bytes=10)
    for key in ("a", "b", "a", "c"):
        cache.get(key, lambda: b"1234")
    made = [key for key in "cab" if cache.get(key, lambda: b"new!") == b"new!"]
    assert made == ["b"], "a was asked for again before c came"


def test_what_is_larger_than_the_bound_is_still_served():
    cache = Cache(len, max_bytes=3)
    assert cache.get("a", lambda: b"1234") == b"1234" and len(cache) == 1
    cache.get("b", lambda: b"12345")
    again = cache.get("b", lambda: b"made twice")
    assert again == b"12345" and len(cache) == 1, "kept, alone"


def test_a_replicas_memory_is_bounded_however_many_teachers_it_serves(registry):
    names = [f"t{number}" for number in range(30)]
    for number, name in enumerate(names):
        registry.put_teacher(any_teacher(name, seed=number), {"recipe": "own"})
    local = Local(registry, registry.predictor("predictor")[0], max_bytes=2**20)
    for name in names:
        for accuracy in (0.2, 0.4):
            support = (Support(architecture=SOME[0], validation_accuracy=accuracy),)
            local(chunk(registry, name, support, SOME[:3]))
    one = sum(t.numel() * 4 for t in any_teacher("-").network.state_dict().values())
    assert len(local.teachers.cache) <= 2**19 / one
    assert 1 <= len(local.adapted) < 30


def test_a_teacher_that_was_replaced_is_not_answered_from_memory(registry, local):
    registry.put_teacher(any_teacher("own", seed=1), {"recipe": "own", "weights_sha256": "1"})
    old = chunk(registry, "own")
    before = local(old)
    registry.drop_teacher("own")
    registry.put_teacher(any_teacher("own", seed=2), {"recipe": "own", "weights_sha256": "2"})
    assert local(chunk(registry, "own")) != before
    fresh = Local(registry, registry.predictor("predictor")[0])
    with pytest.raises(UnknownName, match="was replaced"):
        fresh(old)
