"""One form for both protocols: `dass.proto`, its stub for type checkers, and our models agree."""

import ast

import pytest

from serve import dass_pb2 as pb
from serve import job_wire, latency_wire, proto, refusals, replies, requests, run_wire
from serve.wire import Model

MESSAGES = {
    message.name: [field.name for field in message.fields]
    for message in pb.DESCRIPTOR.message_types_by_name.values()
}
EMPTY = {
    "SpaceRequest",
    "PredictorRequest",
    "LatencyTablesRequest",
    "RunsRequest",
    "JobsRequest",
    "JobFileContent",
}
HTTP_ONLY = {"StreamedSearchRequest"}
"""Over gRPC a streamed search is a method of its own."""


def models(module):
    found = [
        v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__
    ]
    return {model.__name__: model for model in found if issubclass(model, Model)}


MODELS = (
    models(requests)
    | models(replies)
    | models(latency_wire)
    | models(run_wire)
    | models(job_wire)
    | {"Problem": refusals.Problem}
)


def test_every_message_has_its_model():
    assert set(MESSAGES) - EMPTY == set(MODELS) - HTTP_ONLY


@pytest.mark.parametrize("name", sorted(set(MESSAGES) - EMPTY))
def test_a_model_has_the_fields_of_its_message(name):
    assert list(MODELS[name].model_fields) == MESSAGES[name]


def test_the_stub_declares_every_message_and_its_fields():
    with open(pb.__file__ + "i") as file:
        classes = [node for node in ast.parse(file.read()).body if isinstance(node, ast.ClassDef)]
    declared = {
        node.name: [n.target.id for n in node.body if isinstance(n, ast.AnnAssign)]
        for node in classes
    }
    assert {
        name: [field for field in fields if not field.endswith("_FIELD_NUMBER")]
        for name, fields in declared.items()
    } == MESSAGES


def test_a_model_is_written_as_its_message_and_read_again():
    asked = requests.SearchRequest(
        teacher="digits",
        max_flops_share=0.5,
        support=[requests.Support(architecture="4_8_32", validation_accuracy=0.5)],
    )
    assert proto.from_proto(proto.to_proto(asked, pb.SearchRequest), type(asked)) == asked
