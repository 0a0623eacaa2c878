"""Requests that no one would think of, drawn from the service's own OpenAPI document."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serve import web
from serve.admission import Admission
from serve.limits import Limits
from serve.ranker import Ranker
from tests.support.serving import LIMITS, prepare

# Drawing requests warns of its own ways.
pytestmark = pytest.mark.filterwarnings("ignore")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    registry = prepare(tmp_path_factory.mktemp("prepared"))
    limits = Limits(**LIMITS | {"candidates": 60})
    application = web.application(Admission(Ranker.open(registry, limits=limits)), hosts=("*",))
    return schemathesis.openapi.from_asgi("/openapi.json", application)


OPERATIONS = [
    "GET /v1/teachers",
    "POST /v1/teachers",
    "GET /v1/teachers/{name}",
    "PUT /v1/teachers/{name}",
    "POST /v1/teachers/{name}/restore",
    "GET /v1/teachers/{name}/students",
    "POST /v1/teachers/{name}/students",
    "DELETE /v1/teachers/{name}/students/{architecture}",
    "POST /v1/search",
    "POST /v1/score",
    "POST /v1/searches",
    "GET /v1/searches",
    "GET /v1/searches/{id}",
    "DELETE /v1/searches/{id}",
    "POST /v1/choices",
    "GET /v1/latency-tables",
    "GET /v1/latency-tables/{name}",
    "PUT /v1/latency-tables/{name}",
    "DELETE /v1/latency-tables/{name}",
    "GET /v1/runs",
    "POST /v1/jobs",
    "GET /v1/jobs",
    "GET /v1/jobs/{job}",
    "POST /v1/jobs/{job}/cancel",
    "GET /v1/jobs/{job}/files/{file}",
    "DELETE /v1/jobs/{job}",
    "GET /v1/space",
    "GET /v1/predictor",
    "GET /health",
    "GET /ready",
    "DELETE /v1/teachers/{name}",
]


def operations(document):
    return {
        f"{found.ok().method.upper()} {found.ok().path}": found.ok()
        for found in document.get_all_operations()
    }


def test_every_operation_of_the_document_is_asked(document):
    assert set(operations(document)) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_makes_the_service_fail_or_leave_its_document(document, name):
    @given(case=operations(document)[name].as_strategy())
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        case.call_and_validate(checks=CHECKS)

    ask()
