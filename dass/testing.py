"""Contracts: what everything behind one signature must do, whoever wrote it.

Needs pytest. A contract is a class of tests: subclass it and add the fixture that it names.
"""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dass.errors import InvalidKey, MissingKey, ReadOnlyStore
from dass.networks.oracles.oracle import Oracle
from dass.networks.teacher import Teacher
from dass.predictor.scorer import Scorer
from dass.space.architecture import Architecture
from dass.space.space import Space
from dass.store.store import Store


class ScorerContract:
    """Of every `Scorer`, the predictor included; needs a fixture `scorer`."""

    @pytest.fixture
    def members(self, micro_space: Space) -> list[Architecture]:
        """The teacher itself, the smallest student, and nine others, one of them twice."""
        drawn = micro_space.sample(8, generator=torch.Generator().manual_seed(5))
        return [micro_space.largest, *drawn, micro_space.smallest, drawn[0]]

    def test_it_is_a_scorer_with_a_finite_score_per_architecture(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        assert isinstance(scorer, Scorer)
        scores = scorer.predict(teacher, members).mean
        assert scores.shape == (len(members),) and scores.is_floating_point()
        assert bool(torch.isfinite(scores).all())

    def test_it_gives_the_same_scores_twice(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        assert scorer.predict(teacher, members).mean.equal(scorer.predict(teacher, members).mean)

    def test_it_orders_scores_as_the_architectures(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(1))
        shuffled = scorer.predict(teacher, [members[i] for i in order.tolist()]).mean
        expected = scorer.predict(teacher, members).mean[order]
        assert torch.allclose(shuffled, expected, rtol=1e-5, atol=1e-6)

    def test_it_scores_alone_as_in_company(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        alone = torch.cat([scorer.predict(teacher, [member]).mean for member in members])
        assert torch.allclose(alone, scorer.predict(teacher, members).mean, rtol=1e-5, atol=1e-6)
        assert float(alone[1] - alone[-1]) == 0.0, "one architecture, one score"

    def test_it_tells_some_architectures_apart(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        assert len(set(scorer.predict(teacher, members).mean.tolist())) > 1

    def test_it_takes_no_architecture_at_all(self, scorer: Scorer, teacher: Teacher) -> None:
        assert scorer.predict(teacher, []).mean.shape == (0,)

    def test_it_leaves_the_teacher_as_it_was(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        before = copy.deepcopy(teacher.network.state_dict())
        scorer.predict(teacher, members)
        assert not teacher.network.training
        assert all(t.equal(before[n]) for n, t in teacher.network.state_dict().items())

    def test_it_reads_no_test_accuracy(
        self, scorer: Scorer, teacher: Teacher, members: list[Architecture]
    ) -> None:
        swapped = replace(teacher, test_accuracy=0.123)
        assert scorer.predict(swapped, members).mean.equal(scorer.predict(teacher, members).mean)


class OracleContract:
    """Of every `Oracle`, whatever runs it; needs a fixture `oracle`."""

    @pytest.fixture
    def pictures(self, oracle: Oracle) -> Tensor:
        """Seven pictures of noise, of the size that the oracle's are resized to."""
        side, generator = oracle.preprocessing.resize, torch.Generator().manual_seed(3)
        return torch.randint(0, 256, (7, 3, side, side), generator=generator, dtype=torch.uint8)

    def test_it_gives_a_row_of_finite_logits_per_picture(
        self, oracle: Oracle, pictures: Tensor
    ) -> None:
        assert isinstance(oracle, Oracle)
        logits = oracle.logits(pictures)
        assert logits.shape == (len(pictures), oracle.num_classes)
        assert logits.dtype == torch.float32 and logits.device == pictures.device
        assert bool(torch.isfinite(logits).all()) and not logits.requires_grad
        assert len({tuple(row) for row in logits.tolist()}) > 1, "pictures must matter"

    def test_it_gives_the_same_logits_twice(self, oracle: Oracle, pictures: Tensor) -> None:
        assert oracle.logits(pictures).equal(oracle.logits(pictures))

    def test_it_sees_each_picture_alone(self, oracle: Oracle, pictures: Tensor) -> None:
        together = oracle.logits(pictures)
        alone = torch.cat([oracle.logits(picture[None]) for picture in pictures])
        turned = oracle.logits(pictures.flip(0)).flip(0)
        many = oracle.logits(pictures.repeat(10, 1, 1, 1))[-len(pictures) :]
        near = 1e-3 * float(together.abs().max())
        for other in (alone, turned, many):
            assert torch.allclose(other, together, rtol=1e-3, atol=near)

    def test_it_takes_no_picture_at_all(self, oracle: Oracle, pictures: Tensor) -> None:
        assert oracle.logits(pictures[:0]).shape == (0, oracle.num_classes)

    def test_it_leaves_the_pictures_as_they_were(self, oracle: Oracle, pictures: Tensor) -> None:
        before = pictures.clone()
        oracle.logits(pictures)
        assert pictures.equal(before)

    def test_it_takes_pictures_that_are_not_square(self, oracle: Oracle, pictures: Tensor) -> None:
        wide = torch.cat([pictures, pictures.flip(3)], dim=3)
        assert oracle.logits(wide).shape == (len(wide), oracle.num_classes)

    def test_its_names_and_digest_are_its_own(self, oracle: Oracle) -> None:
        names = oracle.class_names
        assert names is None or len(names) == len(set(names)) == oracle.num_classes
        assert oracle.name and oracle.identity and oracle.identity == oracle.identity


class StoreContract:
    """Of every `Store`, whatever its root speaks to; needs a fixture `store`, empty each time."""

    def test_what_is_written_is_there_and_what_is_not_is_missing(self, store: Store) -> None:
        assert not store.exists("a/b")
        with pytest.raises(MissingKey):
            store.read("a/b")
        store.write("a/b", b"one")
        store.write("a/b", b"two")
        assert store.exists("a/b") and store.read("a/b") == b"two"
        assert not store.exists("a"), "a folder is no key"

    def test_what_is_deleted_is_gone_and_may_be_deleted_again(self, store: Store) -> None:
        for key in ("a/b", "a/c"):
            store.write(key, b"one")
        store.delete("a/b")
        store.delete("a/b")
        assert not store.exists("a/b") and store.list() == ["a/c"]
        with pytest.raises(MissingKey):
            store.read("a/b")

    def test_every_byte_comes_back(self, store: Store) -> None:
        for data in (b"", bytes(range(256)) * 5000):
            store.write("x", data)
            assert store.read("x") == data

    def test_what_is_read_in_parts_is_the_whole_and_no_part_is_larger(self, store: Store) -> None:
        for size in (0, 1, 99, 100, 101, 250):
            data = bytes(range(size))
            store.write("x", data)
            parts = list(store.parts("x", most=100))
            assert b"".join(parts) == data and all(0 < len(part) <= 100 for part in parts)
        with pytest.raises(MissingKey):
            next(store.parts("y"))

    def test_a_reader_sees_the_former_content_or_all_of_the_new_one(self, store: Store) -> None:
        contents = [bytes([i]) * 1_000_000 for i in range(10)]

        def rewrite() -> None:
            for content in contents:
                store.write("x", content)

        store.write("x", contents[0])
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(rewrite)
            while not writing.done():
                assert store.read("x") in contents
        writing.result()
        assert store.read("x") == contents[-1]

    def test_of_several_who_create_a_key_at_once_exactly_one_does(self, store: Store) -> None:
        contents = [bytes([i]) * 100_000 for i in range(8)]
        for number in range(3):
            with ThreadPoolExecutor(8) as pool:
                made = list(pool.map(store.create, [f"x/{number}"] * 8, contents))
            assert (
                made.count(True) == 1 and store.read(f"x/{number}") == contents[made.index(True)]
            )
            assert not store.create(f"x/{number}", b"later")
            assert store.read(f"x/{number}") == contents[made.index(True)]
            store.delete(f"x/{number}")
            assert store.create(f"x/{number}", b"afresh"), "what is deleted may be created again"
        assert store.list() == ["x/0", "x/1", "x/2"]

    def test_the_size_of_what_is_there_is_known_without_reading_it(self, store: Store) -> None:
        store.write("a/b", b"12345")
        assert store.size("a/b") == 5
        for key in ("a", "b", "a/b/c"):
            with pytest.raises(MissingKey):
                store.size(key)
            with pytest.raises(MissingKey):
                store.read(key)

    def test_listing_is_sorted_recursive_and_never_stale(self, store: Store) -> None:
        assert store.list() == [] and store.list("records") == []
        for key in ("records/b", "records/a/c", "recordsx/d"):
            store.write(key, b"")
        assert store.list("records") == ["records/a/c", "records/b"]
        store.write("records/z", b"")
        assert store.list("records")[-1] == "records/z"
        assert len(store.list()) == 4

    def test_an_artifact_is_published_with_its_manifest(self, store: Store) -> None:
        store.write_all("x", {"config.json": b"{}", "weights": b"w"}, "config.json")
        assert store.list("x") == ["x/config.json", "x/weights"]
        with pytest.raises(InvalidKey, match="manifest"):
            store.write_all("y", {"weights": b"w"}, "config.json")
        assert store.list("y") == []

    def test_an_artifact_that_is_not_whole_has_no_manifest(self, store: Store) -> None:
        with pytest.raises(InvalidKey):
            store.write_all("x", {"config.json": b"{}", "not//a key": b"w"}, "config.json")
        assert not store.exists("x/config.json"), "the manifest is written last"

    @pytest.mark.parametrize("key", ["", "../a", "/a", "a//b", "a/../b", "."])
    def test_no_key_leaves_the_root(self, store: Store, key: str) -> None:
        with pytest.raises(InvalidKey):
            store.write(key, b"")
        for ask in (store.read, store.exists, store.delete, store.url):
            with pytest.raises(InvalidKey):
                ask(key)

    def test_a_store_is_a_value(self, store: Store) -> None:
        store.write("k", b"v")
        assert pickle.loads(pickle.dumps(store)) == store
        assert pickle.loads(pickle.dumps(store)).read("k") == b"v"

    def test_one_that_only_reads_changes_nothing(self, store: Store) -> None:
        store.write("k", b"v")
        reader = replace(store, read_only=True)
        with pytest.raises(ReadOnlyStore):
            reader.write("k", b"other")
        with pytest.raises(ReadOnlyStore):
            reader.write_all("x", {"config.json": b"{}"}, "config.json")
        with pytest.raises(ReadOnlyStore):
            reader.create("other", b"v")
        with pytest.raises(ReadOnlyStore):
            reader.delete("k")
        assert reader.exists("k") and reader.read("k") == b"v" and reader.list() == ["k"]
