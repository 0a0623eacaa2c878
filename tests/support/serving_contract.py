"""What the service must do, whichever way it is asked: in process, over HTTP or over gRPC.

A client takes and gives the JSON values of `serve.wire`; a refusal is a `Refused` with the name of
the gRPC status.
"""

import base64

import pytest
import torch

from dass.space.spaces import by_name
from serve.ranker import Ranker
from tests.support.serving import any_teacher, weights_of

SPACE = by_name("micro")
SOME = [str(a) for a in SPACE.sample(60, generator=torch.Generator().manual_seed(1))]


class Refused(Exception):
    """A call was refused; `args` are the status and the message."""


def registration(name, weights, **changes):
    """Return a request to add a teacher."""
    facts = {"name": name, "space": "micro", "classes": 3, "accuracy": 0.9}
    return facts | {"weights": base64.b64encode(weights).decode()} | changes


class ServiceContract:
    """Needs fixtures `client` (methods by name, each takes JSON) and `registry`."""

    def refused(self, client, method, status, match, **request):
        with pytest.raises(Refused) as caught:
            client.call(method, request)
        assert caught.value.args[0] == status, caught.value
        assert match in caught.value.args[1]

    def test_scores_are_those_of_the_ranker_in_the_order_of_the_request(self, client, registry):
        asked = [*SOME, SOME[3], str(SPACE.largest)]
        found = client.call("Score", {"teacher": "digits", "architectures": asked})["predictions"]
        expected = Ranker.open(registry).score("digits", asked)
        assert [p["architecture"] for p in found] == asked
        for p, q in zip(found, expected, strict=True):
            assert p["accuracy"] == pytest.approx(q.accuracy, abs=1e-5)
            assert p["uncertainty"] == pytest.approx(q.std, abs=1e-5)
            assert (p["flops"], p["parameters"]) == (q.flops, q.parameters)

    def test_no_architecture_has_no_prediction(self, client):
        found = client.call("Score", {"teacher": "digits", "architectures": []})
        assert found.get("predictions", []) == []

    def test_measured_students_change_the_scores(self, client):
        request = {"teacher": "digits", "architectures": SOME[:5]}
        support = [{"architecture": SOME[0], "validation_accuracy": 0.1}]
        plain = client.call("Score", request)["predictions"]
        adapted = client.call("Score", request | {"support": support})["predictions"]
        assert [p["accuracy"] for p in plain] != [p["accuracy"] for p in adapted]

    def test_a_search_is_ranked_within_the_budget_and_repeatable(self, client):
        request = {
            "teacher": "digits",
            "max_flops_share": 0.5,
            "max_parameters": 30_000,
            "candidates": 120,
            "k": 4,
            "seed": 2,
        }
        teacher = client.call("GetTeacher", {"name": "digits"})
        found = client.call("Search", request)
        assert found["done"] and found["scored"] == 120 and len(found["top"]) == 4
        for p in (*found["top"], *found["pareto"]):
            assert p["flops"] <= teacher["flops"] / 2 and p["parameters"] <= 30_000
        accuracies = [p["accuracy"] for p in found["top"]]
        assert accuracies == sorted(accuracies, reverse=True)
        again = client.call("Search", request)
        assert [p["architecture"] for p in again["top"]] == [
            p["architecture"] for p in found["top"]
        ]

    def test_a_teacher_out_of_distribution_is_named_so(self, client):
        request = {"candidates": 60, "k": 4, "algorithm": "random"}
        usual = client.call("Search", request | {"teacher": "digits"})
        ood = client.call("Search", request | {"teacher": "ood"})
        said = [r.get("out_of_distribution", False) for r in (usual, ood)]
        assert said == [False, True] and not ood.get("by_size", False)

    def test_a_streamed_search_ends_with_the_answer_of_the_unary_one(self, client):
        request = {"teacher": "digits", "candidates": 250, "algorithm": "random"}
        replies = client.stream(request)
        assert [r["done"] for r in replies] == [False] * (len(replies) - 1) + [True]
        assert [r["scored"] for r in replies] == [100, 200, 250, 250]
        for p, q in zip(replies[-1]["top"], client.call("Search", request)["top"], strict=True):
            assert p["architecture"] == q["architecture"]
            assert p["accuracy"] == pytest.approx(q["accuracy"], abs=1e-5)

    def test_a_teacher_is_registered_found_searched_and_deleted(self, client):
        data = weights_of(any_teacher("-", seed=4))
        made = client.call("RegisterTeacher", registration("own-1", data))
        assert made == client.call("RegisterTeacher", registration("own-1", data)), "once more"
        assert made == client.call("GetTeacher", {"name": "own-1"})
        assert made in client.call("ListTeachers", {})["teachers"]
        own = client.call("Score", {"teacher": "own-1", "architectures": SOME[:3]})
        digits = client.call("Score", {"teacher": "digits", "architectures": SOME[:3]})
        assert own != digits
        other = weights_of(any_teacher("-", seed=5))
        self.refused(
            client,
            "RegisterTeacher",
            "ALREADY_EXISTS",
            "another name",
            **registration("own-1", other),
        )
        client.call("DeleteTeacher", {"name": "own-1"})
        self.refused(client, "GetTeacher", "NOT_FOUND", "own-1", name="own-1")
        client.call("RegisterTeacher", registration("own-1", other))
        replaced = client.call("Score", {"teacher": "own-1", "architectures": SOME[:3]})
        client.call("DeleteTeacher", {"name": "own-1"})
        assert replaced != own, "replicas must not answer from the former weights"

    def test_a_teacher_is_registered_by_its_path_in_the_store(self, client, registry):
        registry.store.write("uploads/t.safetensors", weights_of(any_teacher("-", seed=6)))
        request = registration("own-2", b"")
        del request["weights"]
        made = client.call("RegisterTeacher", request | {"path": "uploads/t.safetensors"})
        assert made["name"] == "own-2"
        client.call("DeleteTeacher", {"name": "own-2"})
        escapes = ("../../etc/passwd", "/etc/passwd", "a/../../b", "file:///etc/passwd", "a\0b")
        for path in (*escapes, "uploads/none", "ü", "teachers/digits/config.json"):
            self.refused(
                client,
                "RegisterTeacher",
                "INVALID_ARGUMENT",
                "safetensors file",
                **request | {"path": path},
            )

    def test_space_and_predictor_describe_themselves(self, client):
        space = client.call("GetSpace", {})
        assert space["name"] == "micro" and space["smallest"] == str(SPACE.smallest)
        predictor = client.call("GetPredictor", {})
        assert predictor["members"] == 3 and predictor["recipe"] == "test"

    @pytest.mark.parametrize(
        ("status", "match", "change"),
        [
            ("NOT_FOUND", "nobody", {"teacher": "nobody"}),
            ("INVALID_ARGUMENT", "name must be", {"teacher": "../../etc"}),
            ("INVALID_ARGUMENT", "name must be", {"teacher": "ünï\u202e"}),
            ("FAILED_PRECONDITION", "cheapest student", {"max_flops": 1}),
            ("INVALID_ARGUMENT", "candidates", {"candidates": 0}),
            ("OUT_OF_RANGE", "at most 5,000", {"candidates": 10**6}),
            ("OUT_OF_RANGE", "at most 20", {"k": 21}),
            ("INVALID_ARGUMENT", "algorithm", {"algorithm": "luck"}),
            ("INVALID_ARGUMENT", "max_flops", {"max_flops": 10**6, "max_flops_share": 0.5}),
            (
                "INVALID_ARGUMENT",
                "widths",
                {"support": [{"architecture": "5_5_5", "validation_accuracy": 0.5}]},
            ),
            (
                "OUT_OF_RANGE",
                "at most 5",
                {"support": [{"architecture": "4_8_32", "validation_accuracy": 0.5}] * 6},
            ),
        ],
    )
    def test_a_search_out_of_bounds_is_refused(self, client, status, match, change):
        self.refused(client, "Search", status, match, **{"teacher": "digits"} | change)

    @pytest.mark.parametrize(
        ("status", "match", "asked"),
        [
            ("INVALID_ARGUMENT", "widths", ["9_8_32"]),
            ("INVALID_ARGUMENT", "stages", ["4_8"]),
            ("INVALID_ARGUMENT", "must be", ["٤_8_32"]),
            ("INVALID_ARGUMENT", "must be", ["__import__('os')"]),
            ("OUT_OF_RANGE", "at most 300", ["4_8_32"] * 301),
            ("OUT_OF_RANGE", "at most", ["4_8_32"] * 10**6),
        ],
    )
    def test_architectures_outside_the_space_are_refused(self, client, status, match, asked):
        self.refused(client, "Score", status, match, teacher="digits", architectures=asked)

    @pytest.mark.parametrize(
        ("match", "break_it"),
        [
            ("pickle", lambda data: b"\x80\x04\x95" + data),
            ("pickle", lambda data: b"PK\x03\x04" + data),
            ("truncated", lambda data: data[:-100]),
            ("truncated", lambda data: b"\xff" * 200),
            ("is missing", lambda data: _renamed()),
            ("must be", lambda data: weights_of(any_teacher("-", classes=4))),
            ("NaN", lambda data: _with_nan()),
        ],
    )
    def test_weights_that_are_no_teacher_are_refused(self, client, match, break_it):
        data = break_it(weights_of(any_teacher("-")))
        self.refused(
            client, "RegisterTeacher", "INVALID_ARGUMENT", match, **registration("bad", data)
        )
        self.refused(client, "GetTeacher", "NOT_FOUND", "bad", name="bad")

    def test_a_teacher_of_no_sense_is_refused(self, client):
        data = weights_of(any_teacher("-"))
        for status, match, change in (
            ("INVALID_ARGUMENT", "space", {"space": "paper"}),
            ("INVALID_ARGUMENT", "accuracy", {"accuracy": 90.0}),
            ("INVALID_ARGUMENT", "classes", {"classes": 1}),
            ("OUT_OF_RANGE", "classes", {"classes": 10**9}),
            ("INVALID_ARGUMENT", "name", {"name": "../escape"}),
            ("INVALID_ARGUMENT", "exactly one", {"path": "uploads/t.safetensors"}),
        ):
            request = registration("bad", data) | change
            self.refused(client, "RegisterTeacher", status, match, **request)

    def test_weights_beyond_the_limit_are_refused(self, client):
        request = registration("bad", bytes(2**20 + 1))
        self.refused(client, "RegisterTeacher", "OUT_OF_RANGE", "at most", **request)


def _renamed():
    from safetensors.torch import save

    return save({f"foreign.{n}": t for n, t in any_teacher("-").network.state_dict().items()})


def _with_nan():
    teacher = any_teacher("-")
    with torch.no_grad():
        teacher.network.fc.weight[0, 0] = float("nan")
    return weights_of(teacher)
