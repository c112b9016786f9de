"""Whatever a client sends, by the OpenAPI document or beside it: no answer outside of the document, and none unforeseen."""

from collections import Counter

import pytest
import schemathesis
from fakes import FakeEmbedder, FakeGenerator
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi

import ragbot.runtime
from ragbot import Document, Memory
from ragbot.server.app import create_app
from ragbot.server.config import ServerConfig

EXAMPLES = 12
"""Of each operation; `make nightly` tries MANY."""
MANY = 150
CHECKS = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
    openapi.response_headers_conformance,
]
"""Some bodies that the document allows have no sense, such as a conversation without a question; they are refused."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragbot.runtime, "open_embedder", FakeEmbedder)
        patch.setattr(ragbot.runtime, "open_generator", lambda name, timeout: FakeGenerator())
        patch.setattr(ragbot.runtime, "open_answerability_model", lambda: None)
        patch.setattr(ragbot.runtime, "open_supersession_model", lambda: None)
        ragbot.runtime.shared_runtime.cache_clear()
        with Memory.open(tmp_path_factory.mktemp("schema") / "indexes") as memory:
            memory.remember(Document("lab.md", "The lab opens at 9:30. On Sunday the lab is closed."))
            made = create_app(memory, ServerConfig(requests_per_minute=1_000_000, uploads_per_hour=1_000_000))
            yield made
            made.parts.close()


@pytest.fixture(scope="module")
def headers(gate):
    """What the owner of everything sends."""
    secret = gate.parts.keyring.add("ana", scopes=["everyone"], roles=["read", "tell", "write", "admin"])[1]
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def api(gate):
    async def running(scope, receive, send):
        """The same application without an end: the client that reads its schema would close it."""
        if scope["type"] != "lifespan":
            return await gate(scope, receive, send)
        while (message := await receive())["type"]:
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    return schemathesis.openapi.from_asgi("/openapi.json", running)


def each_operation(api, examples, check):
    """Check so many generated requests of each operation; what fails is named with its operation."""
    wrong = []
    for found in api.get_all_operations():
        operation = found.ok()

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
        @given(operation.as_strategy())
        def one(case):
            check(case)

        try:
            one()
        except (Exception, BaseExceptionGroup) as failed:
            wrong.append(f"{operation.method.upper()} {operation.path}: {failed}")
    assert not wrong, "\n\n".join(wrong)


def test_every_operation_keeps_to_the_schema(api, headers):
    seen = Counter()

    def valid(case):
        seen[case.call_and_validate(headers=headers, checks=CHECKS).status_code] += 1

    each_operation(api, EXAMPLES, valid)
    assert seen[200] > 50 and seen[400] > 10 and not {429, 503} & set(seen), seen


@pytest.mark.nightly
def test_every_operation_keeps_to_the_schema_at_length(api, headers):
    each_operation(api, MANY, lambda case: case.call_and_validate(headers=headers, checks=CHECKS))


def test_without_a_key_nothing_is_answered(api):
    def refused(case):
        case.headers = {}
        expected = 200 if case.path in ("/health", "/ready") else 401
        assert case.call().status_code == expected

    each_operation(api, 2, refused)
