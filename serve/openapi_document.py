"""The OpenAPI document of an application: what its models and routes cannot say themselves.

Who may call, true maxima, lines of JSON, which refusals a call can meet, where the answer of one
call is a parameter of another. Knows nothing of what is done with a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serve.door import READING, SEARCHING
from serve.limits import Limits

NDJSON = {
    "schema": {"type": "string"},
    "example": '{"teacher":"digits","done":false}\n{"teacher":"digits","done":true}\n',
}
"""A streamed search: a `SearchReply` as JSON on a line of its own after every generation."""

TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "DASS_TOKEN, of the role `operator`, opens every call; DASS_READING_TOKEN, of "
    "the role `reader`, those whose `x-role` is `reader`.",
}
HEADERS: dict[str, dict[str, Any]] = {
    "401": {"WWW-Authenticate": {"schema": {"type": "string", "enum": ["Bearer"]}}},
    "503": {"Retry-After": {"schema": {"type": "integer"}, "description": "In seconds."}},
}
EXAMPLES: dict[str, str] = {
    "name": "digits",
    "space": "small",
    "classes": "10",
    "accuracy": "0.81",
}
"""Parameters of calls as they stand; ids are another call's answer, see `links`."""

OWN = {"put /v1/teachers/{name}": "mine", "delete /v1/teachers/{name}": "mine"}
OWN["post /v1/teachers/{name}/restore"] = "mine"
"""Calls whose example is not of the teacher that there always is."""


def document(http: FastAPI, limits: Limits, *, example: dict[str, str], guarded: bool) -> Any:
    """Return the document.

    Args:
        http: the application, with all of its calls.
        limits: maxima of its requests.
        example: of parameters, by name, where it is not the usual one.
        guarded: whether a token is asked for.
    """
    made = get_openapi(
        title=http.title,
        version=http.version,
        description=http.description,
        routes=http.routes,
    )
    made["components"]["securitySchemes"] = {"token": TOKEN}
    _bound(made, limits)
    for verb, path, call in _calls(made):
        own = path.startswith("/v1")
        if own:
            reads = verb.upper() in READING or path in SEARCHING
            call["x-role"] = "reader" if reads else "operator"
        call["security"] = ([{"token": []}] if guarded else [{}, {"token": []}]) if own else []
        _refusals(verb, path, call)
        for parameter in call.get("parameters", []):
            name = parameter["name"]
            if name == "name" and f"{verb} {path}" in OWN:
                parameter["example"] = OWN[f"{verb} {path}"]
            elif found := (EXAMPLES | example).get(name):
                parameter["example"] = found
    search = made["paths"]["/v1/search"]["post"]
    search["responses"]["200"]["content"]["application/x-ndjson"] = NDJSON
    kept = made["paths"]["/v1/searches"]["post"]["responses"]["201"]
    kept["links"] = {
        name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
        for name in ("get_search", "delete_search")
    }
    made["paths"]["/v1/jobs"]["post"]["responses"]["201"]["links"] = {
        name: {"operationId": name, "parameters": {"job": "$response.body#/id"}}
        for name in ("get_job", "cancel_job", "delete_job", "get_job_file")
    }
    return made


def _calls(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for verb, call in methods.items():
            yield verb, path, call


def _bound(made: dict[str, Any], limits: Limits) -> None:
    """Write the maxima of requests that are the deployment's, where their models cannot."""
    numbers = {"candidates": limits.candidates, "k": limits.top, "classes": limits.classes}
    lists = {
        "architectures": limits.architectures,
        "support": limits.support,
        "students": limits.students,
        "class_names": limits.classes,
    }
    schemas = made["components"]["schemas"]
    asked = [schema for name, schema in schemas.items() if name in ASKED]
    asked.append(_registration(made))
    for schema in asked:
        for name, field in schema["properties"].items():
            if name in numbers:
                field["maximum"] = numbers[name]
            if name in lists:
                field["maxItems"] = lists[name]
    _registration(made)["properties"]["classes"]["minimum"] = 2
    for parameter in made["paths"]["/v1/teachers/{name}"]["put"]["parameters"]:
        if parameter["name"] == "classes":
            parameter["schema"] |= {"minimum": 2, "maximum": limits.classes}
        if parameter["name"] == "class_names":
            parameter["schema"]["maxItems"] = limits.classes
    weights = _registration(made)["properties"]["weights"]
    weights["anyOf"][0]["maxLength"] = 4 * -(-limits.upload_bytes // 3)
    _whole(made)


ASKED = ("SearchRequest", "StreamedSearchRequest", "ScoreRequest", "StudentList")


def _registration(made: dict[str, Any]) -> dict[str, Any]:
    body = made["paths"]["/v1/teachers"]["post"]["requestBody"]
    found: dict[str, Any] = body["content"]["application/json"]["schema"]
    return found


def _whole(value: Any) -> None:
    """Write bounds that are whole numbers as such: 9007199254740992.0 is no integer to many."""
    if isinstance(value, list):
        for item in value:
            _whole(item)
    if isinstance(value, dict):
        for name, item in value.items():
            if name in ("maximum", "minimum") and isinstance(item, float) and item.is_integer():
                value[name] = int(item)
            else:
                _whole(item)


def _refusals(verb: str, path: str, call: dict[str, Any]) -> None:
    """Leave only the refusals that a call can meet, with their headers."""
    bodies = call.get("requestBody", {}).get("content", {})
    named = "{" in path or path in SEARCHING or path == "/v1/jobs"
    cannot = {"405"}  # a method that is documented is one
    if "application/json" not in bodies:
        cannot |= {"400", "415"}
    names = ("/v1/teachers", "/v1/latency-tables")
    if not (verb in ("post", "put") and path.startswith(names)):
        cannot.add("409")
    if not (named or path == "/v1/teachers"):
        cannot.add("404")
    if not path.startswith("/v1"):
        cannot.add("401")
    for status in cannot:
        call["responses"].pop(status, None)
    for status, headers in HEADERS.items():
        if status in call["responses"]:
            call["responses"][status]["headers"] = headers
