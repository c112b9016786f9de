"""The HTTP server, as its clients meet it: the official openai client, LangChain's, and a plain one."""

import asyncio
import base64
import contextlib
import json
import socket
import struct
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import openai
import pytest
from langchain_openai import ChatOpenAI
from serving import ALL, served

import ragbot.runtime
from ragbot import Document
from ragbot.server import answering, gate, protocol
from ragbot.server.app import create_app
from ragbot.server.config import Group, ServerConfig


@pytest.fixture
def client(server):
    with talking(server, server.key("ana")) as made:
        yield made


def talking(server, key):
    """The official client with a key."""
    return openai.OpenAI(api_key=key, base_url=f"{server.url}/v1", max_retries=0)


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.url, headers=server.headers("ana", *ALL, scopes=["everyone"])) as made:
        yield made


def user(text):
    return {"role": "user", "content": text}


# The official client


def test_a_completion_cites_its_sources_in_annotations_that_open_and_in_footnotes(client, server):
    made = client.chat.completions.create(model="ragbot", messages=[user("When does the lab open?")])
    message = made.choices[0].message
    answer, _, notes = message.content.partition("\n\n---\n")
    assert answer == "The lab opens at 9:30." and "lab.md, line 1" in notes and "**Sources**" in notes
    cited = message.annotations[0].url_citation
    assert (answer[cited.start_index : cited.end_index], cited.title) == (answer, "lab.md, line 1")
    page = httpx.get(cited.url, headers={"Accept": "text/html"})  # without a key, as a browser opens it
    assert page.status_code == 200 and "<mark>The lab opens at 9:30.</mark>" in page.text
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 0
    assert (made.choices[0].finish_reason, made.model, made.object) == ("stop", "ragbot", "chat.completion")


def test_a_stream_says_the_same_piece_by_piece(client):
    options = {"include_usage": True}
    stream = client.chat.completions.create(
        model="ragbot", messages=[user("When does the lab open?")], stream=True, stream_options=options
    )
    pieces = list(stream)
    said = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    whole = client.chat.completions.create(model="ragbot", messages=[user("When does the lab open?")])
    assert said.partition("---")[0] == whole.choices[0].message.content.partition("---")[0]
    assert pieces[-1].usage.completion_tokens > 0 and not pieces[-1].choices
    last = pieces[-2].choices[0]
    assert last.finish_reason == "stop" and last.delta.annotations[0]["url_citation"]["title"] == "lab.md, line 1"


def test_several_turns_go_on_with_what_was_said_and_are_one_session(client, server):
    messages = [user("When does the lab open?")]
    sessions = set()
    for question in ("And on Sunday?", "Really?"):
        made = client.chat.completions.create(model="ragbot", messages=messages)
        sessions.add(made.ragbot["session"])
        messages += [{"role": "assistant", "content": made.choices[0].message.content}, user(question)]
    made = client.chat.completions.create(model="ragbot", messages=messages[:3])
    assert made.choices[0].message.content.startswith("On Sunday the lab is closed.")
    assert made.ragbot["session"] in sessions and len(sessions) == 1


def test_what_is_told_counts_for_its_teller_from_then_on(client, server):
    client.chat.completions.create(model="ragbot", messages=[user("My badge number is 4471.")])
    ask = [user("What is my badge number?")]
    assert "4471" in client.chat.completions.create(model="ragbot", messages=ask).choices[0].message.content
    with talking(server, server.key("ben")) as other:
        assert "4471" not in other.chat.completions.create(model="ragbot", messages=ask).choices[0].message.content


def test_a_conversation_stays_one_after_something_of_it_was_forgotten(client):
    messages, sessions = [user("When does the lab open?")], []
    for then in ("My badge number is 4471.", "What is my badge number?", "Forget my badge number.", "And on Sunday?", ""):
        made = client.chat.completions.create(model="ragbot", messages=messages)
        sessions.append(made.ragbot["session"])
        messages += [{"role": "assistant", "content": made.choices[0].message.content}, user(then)]
    assert "Forgotten" in messages[7]["content"] and len(set(sessions)) == 1


def test_tools_and_knobs_are_taken_and_change_nothing(client):
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    made = client.chat.completions.create(
        model="ragbot",
        messages=[{"role": "system", "content": "Talk like a pirate."}, user("When does the lab open?")],
        tools=[tool],
        tool_choice="auto",
        temperature=2,
        max_tokens=1,
        seed=7,
        extra_body={"footnotes": False},
    )
    assert made.choices[0].message.content == "The lab opens at 9:30." and made.choices[0].message.tool_calls is None


def test_what_is_wrong_is_said_in_the_clients_own_errors(client, server):
    with pytest.raises(openai.NotFoundError, match="does not exist") as missing:
        client.chat.completions.create(model="gpt-4o", messages=[user("hi")])
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="messages") as wrong:
        client.chat.completions.create(model="ragbot", messages=[])
    assert wrong.value.param == "messages" and wrong.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="image_url"):
        client.chat.completions.create(
            model="ragbot", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]
        )
    with pytest.raises(openai.BadRequestError, match="user"):
        client.chat.completions.create(model="ragbot", messages=[{"role": "assistant", "content": "hi"}])
    for key in ("rb-000000000000-" + "A" * 43, "sk-proj-x", server.key("ana")[:-1] + "!"):
        with talking(server, key) as other, pytest.raises(openai.AuthenticationError) as refused:
            other.models.list()
        assert refused.value.code == "invalid_api_key"
    with talking(server, server.key("eve", "tell")) as other, pytest.raises(openai.PermissionDeniedError, match="read"):
        other.models.list()


def test_a_failure_in_a_stream_is_told_in_the_stream(client, generators, monkeypatch):
    def fails(messages, max_tokens):
        raise ragbot.errors.ModelError("the generator is gone; start it")
        yield

    monkeypatch.setattr(generators, "stream", fails)
    stream = client.chat.completions.create(model="ragbot", messages=[user("When does the lab open?")], stream=True)
    with stream, pytest.raises(openai.APIError, match="the generator is gone"):
        list(stream)


def test_personas_and_scopes_are_models(server):
    key = server.key("ana", "read", "tell", scopes=["ana", "team"])
    with talking(server, key) as client:
        names = [model.id for model in client.models.list()]
        assert {"ragbot", "ragbot:tutor", "ragbot@team", "ragbot:service@team"} <= set(names)
        assert client.models.retrieve("ragbot@team").id == "ragbot@team"
        client.chat.completions.create(model="ragbot@team", messages=[user("Our meeting room is number 7.")])
    mate = server.key("ben", "read", scopes=["ben", "team"])
    with talking(server, mate) as client:
        made = client.chat.completions.create(model="ragbot", messages=[user("Which number is our meeting room?")])
        assert "number 7" in made.choices[0].message.content
    with talking(server, server.key("eve")) as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="ragbot@team", messages=[user("Which number is our meeting room?")])


def test_responses_stream_and_go_on(client):
    first = client.responses.create(model="ragbot", input="When does the lab open?")
    assert first.output_text == "The lab opens at 9:30." and first.status == "completed"
    cited = first.output[0].content[0].annotations[0]
    assert (cited.type, cited.title, cited.start_index) == ("url_citation", "lab.md, line 1", 0)
    events = list(client.responses.create(model="ragbot", input="And on Sunday?", previous_response_id=first.id, stream=True))
    assert [event.type for event in events][:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    done = events[-1].response
    assert (
        done.output_text
        == "On Sunday the lab is closed."
        == "".join(event.delta for event in events if event.type == "response.output_text.delta")
    )
    assert events[0].response.id == done.id != first.id
    assert client.responses.retrieve(done.id).output_text == done.output_text
    with pytest.raises(openai.NotFoundError, match="previous_response_id"):
        client.responses.create(model="ragbot", input="And?", previous_response_id="resp_000000000000")
    parts = [{"role": "user", "content": [{"type": "input_text", "text": "When does the lab open?"}]}]
    assert client.responses.create(model="ragbot", input=parts).output_text == "The lab opens at 9:30."


def test_embeddings_are_those_of_the_memory(client, lab):
    texts = ["The lab opens.", "On Sunday it is closed."]
    made = client.embeddings.create(model="ragbot", input=texts)  # the client asks for base64, and decodes it
    assert np.array([one.embedding for one in made.data]) == pytest.approx(lab.encode(texts))
    raw = client.embeddings.with_raw_response.create(model="ragbot", input=texts[0], encoding_format="base64").parse()
    packed = raw.data[0].embedding
    values = (
        struct.unpack(f"<{len(base64.b64decode(packed)) // 4}f", base64.b64decode(packed)) if isinstance(packed, str) else packed
    )
    assert list(values) == pytest.approx(lab.encode(texts[:1])[0].tolist())
    question = client.embeddings.create(model="ragbot", input="When?", extra_body={"input_type": "query"})
    assert question.data[0].embedding == pytest.approx(lab.encode_query("When?").tolist())
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="ragbot", input="x", dimensions=3)


def test_langchains_client_meets_the_same(server):
    def model(http, **more):
        return ChatOpenAI(
            model="ragbot", api_key=server.key("ana"), base_url=f"{server.url}/v1", max_retries=0, http_client=http, **more
        )

    with httpx.Client() as http:
        assert model(http).invoke("When does the lab open?").content.startswith("The lab opens at 9:30.")
        pieces = [piece.content for piece in model(http).stream("When does the lab open?")]
        assert "".join(pieces).startswith("The lab opens at 9:30.")
        talk = [("human", "When does the lab open?"), ("ai", "The lab opens at 9:30."), ("human", "And on Sunday?")]
        assert model(http).invoke(talk).content.startswith("On Sunday the lab is closed.")
        assert model(http, use_responses_api=True).invoke("When does the lab open?").text == "The lab opens at 9:30."


# The memory's own routes


def test_the_verbs_do_what_they_do_in_python(http, lab):
    asked = http.post("/v1/memory/ask", json={"message": "What does the printer cost a page?"}).json()
    assert asked["answer"].startswith("The printer costs 5 cents a page.") and asked["grounded"]
    found = http.post("/v1/memory/recall", json={"query": "lab hours", "k": 2, "explain": True}).json()["hits"]
    assert found[0]["passage"]["uri"] == "lab.md" and found[0]["features"]["dense_rank"] == 1 and found[0]["reasons"]
    assert http.post(f"/v1/memory/turns/{asked['id']}/rating", json={"up": False}).json()["done"]
    assert (
        http.post(
            f"/v1/memory/turns/{asked['id']}/correction", json={"text": "The printer costs 7 cents a page since May."}
        ).json()["uri"]
        == f"correction:{asked['id']}"
    )
    again = http.post("/v1/memory/ask", json={"message": "What does the printer cost a page?"}).json()
    assert "7 cents" in again["answer"]
    why = http.get(f"/v1/memory/turns/{asked['id']}").json()
    assert [one["kind"] for one in why["feedback"]] == ["down", "correction"] and why["retrieved"][0]["uri"] == "lab.md"
    assert [one["id"] for one in http.get("/v1/memory/turns", params={"session": "default"}).json()["turns"]][0] == asked["id"]
    assert http.get("/v1/memory/affected").json()["answers"][0]["turn"] == asked["id"]


def test_documents_come_page_by_page_and_can_be_read_changed_compared_and_forgotten(http, lab):
    for number in range(5):
        given = {"uri": f"rooms/{number}.md", "text": f"Room {number} has {number + 3} seats.", "scope": "everyone"}
        assert http.post("/v1/memory/documents", json=given).json()["status"] == "added"
    lab.remember(Document(f"many/{number:03}.md", f"Shelf {number}.") for number in range(200))
    many = http.get("/v1/memory/documents", params={"limit": 200, "uri": "*"}).json()
    assert len(many["documents"]) == 200 and many["next"]
    seen, after = [], None
    while True:
        page = http.get(
            "/v1/memory/documents", params={"limit": 2, "uri": "rooms/*", **({"after": after} if after else {})}
        ).json()
        seen += [one["uri"] for one in page["documents"]]
        after = page["next"]
        if not after:
            break
    assert seen == [f"rooms/{number}.md" for number in range(5)]
    changed = {"uri": "rooms/1.md", "text": "Room 1 has 40 seats.", "scope": "everyone"}
    assert http.post("/v1/memory/documents", json=changed).json()["status"] == "updated"
    diff = http.get("/v1/memory/diff", params={"uri": "rooms/1.md"}).json()
    assert (diff["added"], diff["removed"]) == (["Room 1 has 40 seats."], ["Room 1 has 4 seats."])
    assert "Room 1 has 40 seats." in json.dumps(http.get("/v1/memory/digest", params={"since": "2026-01-01T00:00:00Z"}).json())
    for own in ("turn:1", "correction:1"):  # the bot gives these itself
        assert http.post("/v1/memory/documents", json={**changed, "uri": own}).status_code == 400
    whole = http.get("/v1/memory/document", params={"uri": "rooms/1.md"}).json()
    assert [one["text"] for one in whole["text"]] == ["Room 1 has 40 seats."]
    gone = http.delete("/v1/memory/documents", params={"uri": "rooms/1.md", "scope": "everyone"}).json()
    assert gone["passages"] == 2 and gone["cleared"]
    assert http.get("/v1/memory/document", params={"uri": "rooms/1.md"}).status_code == 404
    assert http.get("/v1/memory/status").json()["documents"]["everyone"] == 205


def test_what_was_told_is_listed_and_can_be_let_hold_again_promoted_and_taken_back(http, lab):
    for told in ("My desk is in room 4.", "The fire drill is on Friday at ten."):
        http.post("/v1/memory/ask", json={"message": told})
    facts = http.get("/v1/memory/facts").json()["facts"]
    assert [one["text"] for one in facts] == ["The fire drill is on Friday at ten.", "My desk is in room 4."]
    assert http.post("/v1/memory/facts/unsupersede", json={"uri": facts[0]["uri"]}).status_code == 404  # nothing set it aside
    assert http.post("/v1/memory/promotions", json={"uri": facts[1]["uri"]}).json()["done"]
    assert lab.recall("my desk", scopes=("everyone",))[0].chunk.text == "My desk is in room 4."
    assert http.delete("/v1/memory/promotions", params={"uri": facts[1]["uri"]}).json()["done"]
    assert "desk" not in "".join(hit.chunk.text for hit in lab.recall("my desk", scopes=("everyone",)))


def test_the_events_of_an_answer_come_typed(http):
    with http.stream("POST", "/v1/memory/ask", json={"message": "When does the lab open?", "stream": True}) as stream:
        lines = [line for line in stream.iter_lines() if line]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert names == ["claim", "done"] and stream.headers["content-type"].startswith("text/event-stream")
    turn = json.loads(lines[-1].removeprefix("data: "))
    assert turn["claims"][0]["citations"][0]["quote"] == "The lab opens at 9:30."
    unknown = {"message": "Who is the president of France?", "stream": True}
    assert "event: refusal" in http.post("/v1/memory/ask", json=unknown).text


def test_an_upload_tells_each_stage_and_is_searchable_at_its_end(http, lab):
    files = {"file": ("pool/hours.md", b"# Pool\n\nThe pool opens at seven.", "text/markdown")}
    told = http.post("/v1/memory/uploads", files=files, data={"scope": "everyone"}, headers={"Accept": "text/event-stream"}).text
    assert [line for line in told.splitlines() if line.startswith("data")][:2] == [
        'data: {"stage": "reading"}',
        'data: {"stage": "embedding"}',
    ]
    assert lab.recall("pool", k=1)[0].name == "pool/hours.md"
    plain = {"file": ("opening times.txt", b"The sauna opens at eight.")}
    uri = http.post("/v1/memory/uploads", files=plain).json()["uri"]
    assert http.get("/v1/memory/document", params={"uri": uri}).json()["title"] == "opening times"
    again = http.post("/v1/memory/uploads", files=files, data={"scope": "everyone"}).json()
    assert (again["status"], again["uri"]) == ("unchanged", "upload:pool/hours.md")
    for name, content, status in (("a.bin", b"\x00\x01" * 99, 422), ("empty.md", b"", 422), ("../../..", b"x", 400)):
        refused = http.post("/v1/memory/uploads", files={"file": (name, content)})
        assert refused.status_code == status and refused.json()["error"]["message"], name


# Who may what


def test_a_key_does_what_its_roles_say_and_nothing_else(server, lab):
    with httpx.Client(base_url=server.url) as http:
        reader, teller = server.headers("rae", "read"), server.headers("tom", "read", "tell")
        writer = server.headers("wim", "read", "tell", "write")
        given = {"uri": "a.md", "text": "The attic is dry."}
        assert http.post("/v1/memory/documents", json=given, headers=teller).status_code == 403
        assert http.post("/v1/memory/documents", json=given, headers=writer).json()["scope"] == "wim"
        for scope in ("everyone", "tom", "nowhere"):
            refused = http.post("/v1/memory/documents", json={**given, "scope": scope}, headers=writer)
            assert refused.status_code == 403 and refused.json()["error"]["code"] == "insufficient_permissions"
        said = http.post("/v1/memory/ask", json={"message": "My badge number is 4471."}, headers=reader).json()
        assert "Noted" not in said["answer"] and not said["claims"]
        assert http.get("/v1/memory/facts", headers=reader).json()["facts"] == []
        http.post("/v1/memory/ask", json={"message": "My badge number is 4471."}, headers=teller)
        uri = http.get("/v1/memory/facts", headers=teller).json()["facts"][0]["uri"]
        assert http.post("/v1/memory/promotions", json={"uri": uri}, headers=teller).status_code == 403
        assert http.delete("/v1/memory/documents", params={"uri": uri}, headers=reader).status_code == 403
        assert http.delete("/v1/memory/documents", params={"uri": uri}, headers=teller).status_code == 200
        for path in ("/metrics", "/v1/memory/affected?everybody=true"):
            assert http.get(path, headers=writer).status_code == 403
        admin = server.headers("ada", "read", "admin")
        assert "ragbot_requests_total" in http.get("/metrics", headers=admin).text
        assert http.get("/v1/memory/status", headers=admin).json()["freshness"]["documents"] == 2
        assert http.get("/v1/memory/status", headers=writer).json()["freshness"] is None


def test_a_key_that_is_revoked_rotated_or_expired_opens_nothing_from_then_on(server, lab):
    keyring = server.gate.parts.keyring
    key, secret = keyring.add("ana")
    soon, brief = keyring.add("ben", expires_at=datetime.now(UTC) + timedelta(hours=1))

    def status(token):
        return httpx.get(f"{server.url}/v1/models", headers={"Authorization": f"Bearer {token}"}).status_code

    turn = httpx.post(
        f"{server.url}/v1/memory/ask", json={"message": "When does the lab open?"}, headers={"Authorization": f"Bearer {secret}"}
    )
    link = turn.json()["claims"][0]["citations"][0]["url"]
    assert (status(secret), status(brief), httpx.get(link).status_code) == (200, 200, 200)
    assert keyring.all()[0].last_used_at is not None
    other = keyring.rotate(key.id)[1]
    assert (status(secret), status(other)) == (401, 200)
    keyring.revoke(key.id)
    with lab.store.keys(write=True) as keys:  # an hour later
        keys.replace(replace(soon, expires_at=datetime.now(UTC)))
    assert (status(other), status(brief), httpx.get(link).status_code) == (401, 401, 401)
    kept = b"".join(file.read_bytes() for file in lab.home.rglob("*") if file.is_file())
    assert secret.rpartition("-")[2].encode() not in kept and b"$argon2id$" in kept


def test_restoring_a_backup_revives_no_key(server, lab, tmp_path):
    keyring = server.gate.parts.keyring
    key, secret = keyring.add("ana")
    lab.backup(tmp_path / "copy")
    keyring.revoke(key.id)
    lab.restore(tmp_path / "copy")
    assert keyring.identity(secret) is None and [one.id for one in keyring.all()] == [key.id]


def test_a_link_opens_the_passage_that_it_was_made_for_and_no_other(server, lab):
    lab.remember(Document("diary.md", "Ana hides the key under the fern.", scope="ana"))
    hers, his = server.headers("ana", "read"), server.headers("ben", "read")
    url = httpx.post(f"{server.url}/v1/memory/ask", json={"message": "Where does Ana hide the key?"}, headers=hers).json()
    link = url["claims"][0]["citations"][0]["url"]
    passage = url["claims"][0]["citations"][0]["passage"]
    assert "fern" in httpx.get(link).text
    assert httpx.get(f"{server.url}/v1/memory/passages/{passage}", headers=his).status_code == 404
    open_one = httpx.post(f"{server.url}/v1/memory/ask", json={"message": "When does the lab open?"}, headers=his).json()
    his_link = open_one["claims"][0]["citations"][0]["url"]
    forged = his_link.replace(open_one["claims"][0]["citations"][0]["passage"], passage)
    late = link.replace("until=", "until=9")
    moved = link.replace("from=0", "from=3")
    assert "no longer opens" in httpx.get(late, headers={"Accept": "text/html"}).text
    for wrong in (forged, late, moved, link.partition("?")[0], link[:-1] + "0" if link[-1] != "0" else link[:-1] + "1"):
        assert httpx.get(wrong).status_code == 401, wrong


def test_what_is_private_does_not_get_into_the_turns_of_a_shared_scope(server):
    ana, bob = (server.headers(name, "read", "tell", scopes=[name, "team"]) for name in ("ana", "bob"))
    with httpx.Client(base_url=server.url) as http:
        http.post("/v1/memory/ask", json={"message": "My salary number is 91000."}, headers=ana)
        ask = {"message": "What is my salary number?", "model": "ragbot@team"}
        assert "91000" not in http.post("/v1/memory/ask", json=ask, headers=ana).text
        own = http.post("/v1/memory/ask", json={**ask, "model": "ragbot"}, headers=ana).json()
        assert "91000" in own["answer"]
        seen = http.get("/v1/memory/turns", params={"session": "default", "scope": "team"}, headers=bob).text
        assert "91000" not in seen and http.get(f"/v1/memory/turns/{own['id']}", headers=bob).status_code == 404
        laptop = server.headers("ana", "read", "tell", scopes=["ana"])  # the same person, who reads less with it
        server.memory.remember(Document("plan.md", "The team moves to hall 9.", scope="team"))
        asked = http.post("/v1/memory/ask", json={"message": "To which hall does the team move?"}, headers=ana).json()
        assert "hall 9" in asked["answer"]
        assert http.get(f"/v1/memory/turns/{asked['id']}", headers=ana).status_code == 200
        assert http.get(f"/v1/memory/turns/{asked['id']}", headers=laptop).status_code == 404
        assert "hall 9" not in http.get("/v1/memory/turns", params={"session": "default"}, headers=laptop).text


def test_an_address_can_add_nothing_to_a_footnote(http):
    uri = "https://a.example/) ![x](https://evil.example/p.png"
    http.post("/v1/memory/documents", json={"uri": uri, "text": "The boat house is green.", "scope": "everyone"})
    asked = {"model": "ragbot", "messages": [user("Which colour is the boat house?")]}
    said = http.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]
    assert "green" in said["content"] and "(https://evil" not in said["content"].replace("\\", "").partition("](")[2]
    assert " " not in said["annotations"][0]["url_citation"]["url"]


def test_what_counts_for_everyone_is_not_undone_by_who_may_only_tell(server):
    teller = server.headers("tom", "read", "tell", scopes=["tom", "everyone"])
    with httpx.Client(base_url=server.url, headers=teller) as http:
        for uri in ("correction:x", "turn:x"):
            refused = http.delete("/v1/memory/documents", params={"uri": uri, "scope": "everyone"})
            assert refused.status_code == 403
        given = {"uri": "turn:x", "scope": "everyone"}
        assert http.post("/v1/memory/facts/unsupersede", json=given).status_code == 403


def test_a_trusted_proxy_says_who_asks_and_nobody_else_does(lab):
    groups = {"staff": Group(("team",), ("write",))}
    said = {"X-Forwarded-User": "ana@example.org", "X-Forwarded-Groups": "staff, strangers"}
    with served(lab, trusted_proxies=("127.0.0.0/8",), groups=groups) as server:
        found = httpx.get(f"{server.url}/v1/memory/status", headers=said).json()
        assert found["scopes"] == ["everyone", "user:ana@example.org", "team"] and found["roles"] == ["read", "tell", "write"]
        twice = [*said.items(), ("X-Forwarded-User", "root")]
        assert httpx.get(f"{server.url}/v1/memory/status", headers=twice).status_code == 401
        assert httpx.get(f"{server.url}/v1/memory/status").status_code == 401
        key = server.headers("ben", "read")
        assert httpx.get(f"{server.url}/v1/memory/status", headers=key).json()["name"] == "ben"
    with served(lab, trusted_proxies=("10.0.0.1",), groups=groups) as server:
        assert httpx.get(f"{server.url}/v1/memory/status", headers=said).status_code == 401


def test_without_keys_only_this_machine_is_answered_and_no_page_of_others(lab):
    with served(lab, keys=False) as server:
        ask = {"message": "When does the lab open?"}
        assert httpx.post(f"{server.url}/v1/memory/ask", json=ask).json()["scope"] == "local"
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "localhost.evil.example:80"}):
            assert httpx.post(f"{server.url}/v1/memory/ask", json=ask, headers=headers).status_code == 403
        own = {"Origin": server.url}
        assert httpx.post(f"{server.url}/v1/memory/ask", json=ask, headers=own).status_code == 200


def test_pages_of_other_origins_are_let_in_by_name_only(lab):
    asks = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
    with served(lab) as server:
        assert "access-control-allow-origin" not in httpx.options(f"{server.url}/v1/models", headers=asks).headers
    with served(lab, cors_origins=("https://desk.example",)) as server:
        allowed = httpx.options(f"{server.url}/v1/models", headers=asks)
        assert allowed.headers["access-control-allow-origin"] == "https://desk.example"
        other = httpx.options(f"{server.url}/v1/models", headers={**asks, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_too_many_requests_and_wrong_keys_are_turned_away(lab, monkeypatch):
    monkeypatch.setattr(gate, "WRONG_KEYS", gate.RateLimitItemPerMinute(3))
    with served(lab, requests_per_minute=5) as server:
        ana, ben = server.headers("ana", "read"), server.headers("ben", "read")
        found = [httpx.get(f"{server.url}/v1/models", headers=ana) for _ in range(6)]
        assert [one.status_code for one in found] == [200] * 5 + [429] and "retry-after" in found[-1].headers
        assert httpx.get(f"{server.url}/v1/models", headers=ben).status_code == 200
        wrong = {"Authorization": "Bearer rb-000000000000-" + "A" * 43}
        assert [httpx.get(f"{server.url}/v1/models", headers=wrong).status_code for _ in range(2)] == [401, 429]
        assert httpx.get(f"{server.url}/v1/models", headers=ben).status_code == 200  # who is known is not locked out


# Bad input, bad clients


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"query": 3}', b'{"query": " "}', b'{"query": "x", "k": 1e9}',
     b'{"query": "x", "also": 1}', b'{"query": "\\ud800"}', b'{"query": "x", "as_of": "0000-01-01"}',
     b'{"query": "x", "uris": ["' + b"*" * 400 + b'"]}', b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_none_is_refused_in_the_protocols_shape(http, body):
    refused = http.post("/v1/memory/recall", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 400 and set(refused.json()["error"]) == {"message", "type", "param", "code"}


def test_a_body_that_is_too_long_is_refused_and_one_without_end_is_cut_off(server, http, monkeypatch):
    """Of who is not known not a byte is read."""

    sent = []

    def long(megabytes):
        for piece in range(megabytes * 16):
            sent.append(piece)
            yield b"x" * 65536

    for content in (long(100), b"x" * (3 << 20)):
        refused = http.post("/v1/memory/recall", content=content)
        assert refused.status_code == 413 and refused.json()["error"]["type"] == "invalid_request_error"
    assert httpx.post(f"{server.url}/v1/memory/uploads", content=long(100)).status_code == 401
    monkeypatch.setattr(protocol, "DRAIN_BYTES", 1 << 20)
    sent.clear()
    with contextlib.suppress(httpx.TransportError):
        http.post("/v1/memory/recall", content=long(10_000))
    assert len(sent) < 10_000
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_half_an_upload_leaves_nothing_behind(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    key = server.key("ana", *ALL)
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as half:
        head = f"POST /v1/memory/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 100000\r\n"
        half.sendall(
            head.encode() + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; "
        )
    _eventually(lambda: not list(tmp_path.glob("ragbot-upload-*")))
    assert httpx.get(f"{server.url}/health").status_code == 200


def test_slow_heads_and_silent_bodies_are_ended(lab, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    monkeypatch.setattr(gate, "BODY_S", 0.2)
    with served(lab) as server:
        where = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with socket.create_connection(where) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\nX-A: ")
            assert b" 408 " in _all(slow)
        with socket.create_connection(where) as silent:
            head = f"POST /v1/memory/recall HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key('ana')}\r\n"
            silent.sendall(head.encode() + b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{")
            answer = _all(silent)
            assert b" 408 " in answer and b'"error"' in answer
        with socket.create_connection(where) as long:
            long.sendall(b"GET /health HTTP/1.1\r\nX-A: " + b"a" * (protocol.HEAD_BYTES + 1))
            assert b" 431 " in _all(long)


def test_more_connections_than_there_may_be_are_told_so_and_the_others_go_on(lab):
    with served(lab, connections=20) as server:
        where = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        held = [socket.create_connection(where) for _ in range(20)]
        with socket.create_connection(where) as one_more:
            answer = _all(one_more)
            assert b" 503 " in answer and json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "server_error"
        held.pop().close()
        _eventually(lambda: _status(f"{server.url}/health") == 200)
        for one in held:
            one.close()


def test_who_hangs_up_frees_the_place_in_the_queue(lab, generators, monkeypatch):
    """One answer at a time: the first is held up, the second hangs up while it waits, the third comes next."""
    hold, asked = threading.Event(), []

    def held(messages, max_tokens):
        asked.append(messages[-1].content)
        hold.wait(10)
        yield ""

    monkeypatch.setattr(generators, "stream", held)
    with served(lab, answers_at_once=1) as server:
        headers = server.headers("ana", "read", "tell")

        def ask(question, **more):
            return httpx.post(f"{server.url}/v1/memory/ask", json={"message": question}, headers=headers, **more)

        first = threading.Thread(target=ask, args=("When does the lab open?",), kwargs={"timeout": 20})
        first.start()
        queue = server.gate.parts.work.answers
        _eventually(lambda: asked and queue.running == 1)
        with pytest.raises(httpx.ReadTimeout):
            ask("What does the printer cost a page?", timeout=0.2)
        _eventually(lambda: queue.waiting == 0)
        hold.set()
        first.join()
        assert ask("Is the lab open on Sunday?", timeout=20).status_code == 200
        assert not any("printer" in text and "Question: What does the printer" in text for text in asked)


def test_streams_that_nobody_reads_are_withdrawn(lab, generators, monkeypatch):
    hold = threading.Event()

    def held(messages, max_tokens):
        hold.wait(30)
        yield ""

    monkeypatch.setattr(generators, "stream", held)
    with served(lab, answers_at_once=1) as server:
        headers, queue = server.headers("ana", "read"), server.gate.parts.work.answers
        ask = {"json": {"message": "When does the lab open?", "stream": True}, "headers": headers}
        first = threading.Thread(target=httpx.post, args=(f"{server.url}/v1/memory/ask",), kwargs={**ask, "timeout": 60})
        first.start()
        _eventually(lambda: queue.running == 1)
        for _ in range(3):
            with contextlib.suppress(httpx.TimeoutException):
                httpx.post(f"{server.url}/v1/memory/ask", **ask, timeout=0.3)
        _eventually(lambda: queue.waiting == 0)
        hold.set()
        first.join()


def test_a_full_queue_says_so(lab, generators, monkeypatch):
    hold = threading.Event()

    def held(messages, max_tokens):
        hold.wait(10)
        yield ""

    monkeypatch.setattr(generators, "stream", held)
    with served(lab, answers_at_once=1, waiting_per_person=1) as server:
        headers = server.headers("ana", "read")
        ask = {"url": f"{server.url}/v1/memory/ask", "json": {"message": "When does the lab open?"}, "headers": headers}
        waiting = [threading.Thread(target=httpx.post, kwargs={**ask, "timeout": 20}) for _ in range(2)]
        for at, one in enumerate(waiting):
            one.start()
            _eventually(lambda at=at: server.gate.parts.work.answers.running + server.gate.parts.work.answers.waiting == at + 1)
        refused = httpx.post(**ask, timeout=20)
        assert refused.status_code == 429 and refused.json()["error"]["code"] == "too_many_waiting"
        other = {**ask, "headers": server.headers("ben", "read")}  # whose own place is free
        late = threading.Thread(target=httpx.post, kwargs={**other, "timeout": 20})
        late.start()
        _eventually(lambda: server.gate.parts.work.answers.waiting == 2)
        hold.set()
        for one in (*waiting, late):
            one.join()


def test_who_asks_little_does_not_wait_for_who_asks_much(lab, generators, monkeypatch):
    """One answer at a time: while the first of ten is written, somebody else asks, and is next but one at the latest."""
    go_on, asked = threading.Event(), []

    def held(messages, max_tokens):
        asked.append("printer" in messages[-1].content)
        go_on.wait(30)
        yield ""

    monkeypatch.setattr(generators, "stream", held)
    with served(lab, answers_at_once=1) as server:
        queue = server.gate.parts.work.answers

        def ask(question, headers, waiting):
            one = threading.Thread(
                target=httpx.post,
                args=(f"{server.url}/v1/memory/ask",),
                kwargs={"json": {"message": question}, "headers": headers, "timeout": 60},
            )
            one.start()
            _eventually(lambda: queue.running + queue.waiting == waiting)
            return one

        much, little = server.headers("ana", "read"), server.headers("ben", "read")
        threads = [ask("When does the lab open?", much, number + 1) for number in range(10)]
        threads.append(ask("What does the printer cost a page?", little, 11))
        go_on.set()
        for one in threads:
            one.join()
    assert len(asked) == 11 and asked.index(True) <= 2


def test_a_reader_who_takes_nothing_holds_up_nobody(lab, generators):
    with served(lab, answers_at_once=1) as server:
        key = server.key("ana", "read")
        where = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        body = json.dumps({"message": "When does the lab open?", "stream": True}).encode()
        stuck = []
        for _ in range(3):
            slow = socket.create_connection(where)
            head = f"POST /v1/memory/ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            slow.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            stuck.append(slow)
        done = httpx.post(
            f"{server.url}/v1/memory/ask", json={"message": "When does the lab open?"}, headers=server.headers("ben", "read")
        )
        assert done.status_code == 200
        for one in stuck:
            one.close()


def test_running_answers_end_before_the_server_does(lab, generators, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def held(messages, max_tokens):
        begun.set()
        go_on.wait(10)
        yield ""

    monkeypatch.setattr(generators, "stream", held)
    got = []
    with served(lab) as server:
        headers = server.headers("ana", "read")
        ask = threading.Thread(
            target=lambda: got.append(
                httpx.post(
                    f"{server.url}/v1/memory/ask", json={"message": "When does the lab open?"}, headers=headers, timeout=20
                )
            )
        )
        ask.start()
        begun.wait(10)
        threading.Timer(0.3, go_on.set).start()
    ask.join()
    assert got[0].json()["answer"].startswith("The lab opens at 9:30.")


def test_logs_hold_nobodys_words(http, server, caplog):
    caplog.set_level("INFO", logger="ragbot.access")
    http.post("/v1/memory/ask", json={"message": "When does the SECRETWORD open?", "session": "SECRETWORD"})
    http.get("/v1/memory/document", params={"uri": "SECRETWORD.md"})
    http.get("/SECRETWORD")
    http.post("/v1/memory/documents", json={"uri": "SECRETWORD", "text": "\x00"})
    told = lambda: [json.loads(record.message) for record in caplog.records if record.name == "ragbot.access"]  # noqa: E731
    _eventually(lambda: len(told()) >= 4)  # a request is noted behind its answer
    lines = told()
    assert [line["route"] for line in lines][-4:] == ["/v1/memory/ask", "/v1/memory/document", "other", "/v1/memory/documents"]
    assert "SECRETWORD" not in caplog.text and all(line["key"] and line["status"] for line in lines)
    assert "SECRETWORD" not in http.get("/metrics").text


def test_the_servers_own_routes(server, lab):
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}
    server.gate.app.state.loading = Future()
    assert httpx.get(f"{server.url}/ready").status_code == 503
    server.gate.app.state.loading.set_result(True)
    answer = httpx.get(f"{server.url}/ready")
    assert answer.status_code == 200 and answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/memory/recall"} <= set(document["paths"])


def test_a_trace_says_what_was_asked_of_which_model_and_not_what_was_said(http, monkeypatch):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(answering, "tracer", provider.get_tracer("ragbot"))
    http.post("/v1/memory/ask", json={"message": "When does the SECRETWORD lab open?"})
    _eventually(lambda: any(one.name == "chat ragbot" for one in spans.get_finished_spans()))  # it ends behind the answer
    chats = [one for one in spans.get_finished_spans() if one.name == "chat ragbot"]
    assert chats and chats[0].attributes["gen_ai.operation.name"] == "chat"
    assert "SECRETWORD" not in "".join(one.to_json() for one in spans.get_finished_spans())


def test_a_wrong_setting_of_the_server_is_named(home):
    from ragbot.errors import ConfigError
    from ragbot.server import config

    home.mkdir()
    for text, said in (
        ("[server]\nprot = 1", "unknown setting 'prot'"),
        ("[server]\nport = 99999", "port takes a port"),
        ("[server]\ntrusted_proxies = ['here']", "trusted_proxies"),
        ("[server.groups.staff]\nroles = ['boss']", r"groups.staff\]: roles"),
        ("[server]\ngroups = 3", "groups takes a table"),
    ):
        (home / "ragbot.toml").write_text(text)
        with pytest.raises(ConfigError, match=said):
            config.load(home)
    (home / "ragbot.toml").write_text("[server]\nport = 9\n[server.groups.staff]\nscopes = ['team']\nroles = ['read']")
    loaded = config.load(home)
    assert loaded.port == 9 and loaded.groups["staff"] == Group(("team",), ("read",))


def test_the_application_needs_no_socket(lab):
    """As other ASGI servers and test clients run it."""

    async def ask():
        running = create_app(lab, ServerConfig(), keys=False)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(running), base_url="http://localhost") as client:
            answered = (await client.post("/v1/memory/ask", json={"message": "When does the lab open?"})).json()
        running.parts.close()
        return answered

    assert asyncio.run(ask())["answer"].startswith("The lab opens at 9:30.")


def _all(connection):
    connection.settimeout(10)
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


def _status(url):
    try:
        return httpx.get(url).status_code
    except httpx.HTTPError:
        return None


def _eventually(holds, seconds=30):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
