"""The page without a browser: who gets in, what a form does, and that nobody sees or sends what is not his."""

import html
import re
from contextlib import contextmanager

import httpx
import pytest
from fpdf import FPDF
from serving import ALL, served

from ragbot import Document
from ragbot.server.page import look, markup
from ragbot.server.page.view import local_path
from ragbot.types import Citation, Claim, Turn


@pytest.fixture
def page(server):
    """A browser without a script, signed in as who may do all."""
    with signed_in(server, server.key("ana", *ALL, scopes=["everyone"])) as made:
        yield made


@contextmanager
def signed_in(server, key):
    with httpx.Client(base_url=server.url, follow_redirects=True) as made:
        assert made.post("/sign-in", data={"key": key}).status_code == 200
        yield made


def asked(page, message, **fields):
    return page.post("/ask", data={"message": message, "session": "s", **fields})


def words_of(response):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.text)).split())


def links(response, begin):
    return [html.unescape(one) for one in re.findall(r'href="([^"]+)"', response.text) if one.startswith(begin)]


# Who gets in


def test_a_key_opens_the_page_and_a_wrong_one_does_not(server):
    with httpx.Client(base_url=server.url) as stranger:
        sent = stranger.get("/sources?words=a&scope=everyone")
        assert sent.status_code == 303
        entrance = stranger.get(sent.headers["location"])
        assert entrance.status_code == 200 and 'value="/sources?words=a&amp;scope=everyone"' in entrance.text
        wrong = stranger.post("/sign-in", data={"key": "rb-000000000000-" + "x" * 43, "next": "/sources"})
        assert wrong.status_code == 401 and "opens nothing" in wrong.text and "set-cookie" not in wrong.headers
        right = stranger.post("/sign-in", data={"key": server.key("ana"), "next": "/sources"})
        assert (right.status_code, right.headers["location"]) == (303, "/sources")
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and "rb-" not in cookie
        assert stranger.get("/sources").status_code == 200


def test_a_cookie_is_for_https_alone_where_people_come_over_https(lab):
    with served(lab, trusted_proxies=("127.0.0.1",)) as server:
        for said, is_secure in (("https", True), ("http", False)):
            answer = httpx.post(f"{server.url}/sign-in", data={"key": server.key("ana")}, headers={"X-Forwarded-Proto": said})
            assert ("secure" in answer.headers["set-cookie"].lower()) is is_secure
    with served(lab) as server:
        answer = httpx.post(f"{server.url}/sign-in", data={"key": server.key("ben")}, headers={"X-Forwarded-Proto": "https"})
        assert "secure" not in answer.headers["set-cookie"].lower()  # anybody may say so


def test_a_page_closes_with_its_key_and_with_a_new_secret_of_it(server):
    for end in (lambda ring, key_id: ring.revoke(key_id), lambda ring, key_id: ring.rotate(key_id)):
        key = server.key("ana")
        with signed_in(server, key) as page:
            assert page.get("/", follow_redirects=False).status_code == 200
            end(server.gate.parts.keyring, key.split("-")[1])
            assert page.get("/", follow_redirects=False).status_code == 303


def test_a_cookie_that_was_tampered_with_opens_nothing(server):
    first, second = server.key("ana"), server.key("admin", *ALL)
    with signed_in(server, first) as page:
        own = page.cookies["ragbot"]
        for forged in (own.replace(first.split("-")[1], second.split("-")[1]), own[:-1], "a.b.c", "", "..", own + "0"):
            answer = httpx.get(f"{server.url}/admin", headers={"Cookie": f"ragbot={forged}"})
            assert answer.status_code == 303, forged


def test_no_page_of_others_sends_anything_in_ones_name(page, server):
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        for path in ("/ask", "/known/forget-all", "/admin/keys", "/sources/uploads"):
            assert page.post(path, data={"message": "The lab moved.", "session": "s"}, headers=headers).status_code == 403
        assert page.post("/sign-in", data={"key": "x"}, headers=headers).status_code == 403
    assert asked(page, "When does the lab open?").status_code == 200
    with httpx.Client(base_url=server.url, headers={"Cookie": f"ragbot={page.cookies['ragbot']}"}) as api:
        assert api.get("/v1/memory/status").status_code == 401  # the cookie is the page's alone


def test_a_proxy_that_is_trusted_is_no_way_around(lab):
    with served(lab, trusted_proxies=("127.0.0.1",)) as server:
        head = {"X-Forwarded-User": "ben", "Sec-Fetch-Site": "cross-site"}
        assert httpx.post(f"{server.url}/ask", data={"message": "Hi", "session": "s"}, headers=head).status_code == 403
        assert httpx.get(f"{server.url}/", headers={"X-Forwarded-User": "ben"}).status_code == 200


def test_the_policy_allows_no_script_of_others_and_none_in_the_text(page):
    answer = page.get("/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert not re.search(r"<script(?![^>]+src=)|\son\w+=|style=", answer.text)
    assert "http://" not in answer.text.replace("http://www.w3.org", "") and "https://" not in answer.text


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", ""])
def test_a_way_back_leads_nowhere_else(there):
    assert local_path(there) == "/"


def test_static_files_are_packed_kept_for_ever_and_no_others_are_given(server):
    for name in look.static_files():
        got = httpx.get(f"{server.url}/static/{name}")
        assert got.status_code == 200 and "immutable" in got.headers["cache-control"]
        assert got.headers["content-encoding"] == "gzip"
    for name in ("..%2flook.py", "%2e%2e/look.py", "htmx.LICENSE", "none.js"):
        assert httpx.get(f"{server.url}/static/{name}").status_code in (303, 404), name


def test_the_labels_of_both_languages_are_the_same_ones(page):
    english, chinese = look.labels("en"), look.labels("zh")
    assert english.keys() == chinese.keys()
    for name, text in english.items():
        assert sorted(re.findall(r"{\w*}", text)) == sorted(re.findall(r"{\w*}", chinese[name])), name
    used = {
        name for file in (look._HERE / "templates").iterdir() for name in re.findall(r'\bt\("([\w.]+)"[),]', file.read_text())
    }
    assert used <= english.keys()
    assert "您想知道什么？" in page.get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    assert "您想知道什么？" in page.post("/language", data={"code": "zh"}).text


# Ask, read, open, without a script


def test_an_answer_is_read_and_its_source_opened(page):
    answer = asked(page, "When does the lab open?")
    assert answer.url.path == "/c/s" and "The lab opens at 9:30." in words_of(answer)
    source = page.get(links(answer, "/source/")[0])
    assert "<mark>The lab opens at 9:30.</mark>" in source.text and "lab.md" in source.text
    why = page.get(links(answer, "/turn/")[0])
    assert "supported" in words_of(why) and "A question" in words_of(why) and "used" in words_of(why)


def test_a_correction_answers_next_and_is_taken_back(page):
    turn = links(asked(page, "When does the lab open?"), "/turn/")[0].split("/")[2]
    corrected = page.post(f"/turn/{turn}/correct", data={"text": "The lab opens at 8:00."})
    assert "Corrected: The lab opens at 8:00." in words_of(corrected)
    assert "8:00" in words_of(asked(page, "When does the lab open?", session="t"))
    undone = page.post(f"/turn/{turn}/undo")
    assert "Corrected" not in words_of(undone)
    assert "9:30" in words_of(asked(page, "When does the lab open?", session="u"))


def test_a_claim_is_corrected_and_the_others_stay(page, server):
    turn = links(asked(page, "When does the lab open?"), "/turn/")[0].split("/")[2]
    page.post(f"/turn/{turn}/outdated", data={"claim": "0"})
    now = words_of(asked(page, "When does the lab open?", session="t"))
    assert "no longer up to date" in now
    assert "5 cents" in words_of(asked(page, "What does the printer cost a page?", session="v"))
    assert page.post(f"/turn/{turn}/correct", data={"text": "x", "claim": "9"}).status_code == 404


def test_an_opened_source_says_what_was_said_about_its_claim(page):
    answer = asked(page, "When does the lab open?")
    turn = links(answer, "/turn/")[0].split("/")[2]
    rated = page.post(f"/turn/{turn}/rate", data={"value": "down", "claim": "0", "number": "1"})
    assert rated.url.path.startswith("/source/") and 'value="none" aria-pressed="true"' in rated.text
    outdated = page.post(f"/turn/{turn}/outdated", data={"claim": "0", "number": "1"})
    assert "Corrected: This is no longer up to date" in words_of(outdated)
    undone = page.post(f"/turn/{turn}/undo", data={"claim": "0", "number": "1"})
    assert "Corrected" not in words_of(undone)
    part = page.post(f"/turn/{turn}/rate", data={"value": "up", "claim": "0", "number": "1"}, headers={"HX-Request": "true"})
    assert f'hx-target="#turn-{turn}"' in part.text and part.text.count("<article") == 1


@pytest.mark.parametrize("session", ["desk/1", "a?b#c", "50% & more", 'x" onload="y', "会话 1", "../known"])
def test_any_session_of_other_doors_is_found_and_opened(page, lab, session):
    asked(page, "When does the lab open?", session=session)
    address = links(page.get("/conversations"), "/c/")[0]
    opened = page.get(address)
    assert opened.status_code == 200 and "The lab opens at 9:30." in words_of(opened)
    form = html.unescape(re.search(r'action="(/c/[^"]+)/delete"', opened.text)[1])
    page.post(f"{form}/name", data={"name": "Desk"})
    assert "Desk" in words_of(page.get("/conversations"))
    page.post(f"{form}/delete")
    assert links(page.get("/conversations"), "/c/") == []


def test_thumbs_stand_until_they_are_taken_back(page, lab):
    turn = links(asked(page, "When does the lab open?"), "/turn/")[0].split("/")[2]

    def said():
        with lab.store.reading() as snapshot:
            return [(one.kind, one.claim, one.author) for one in snapshot.feedback(turn)]

    assert 'aria-pressed="true"' in page.post(f"/turn/{turn}/rate", data={"value": "up"}).text
    page.post(f"/turn/{turn}/rate", data={"value": "down"})
    page.post(f"/turn/{turn}/rate", data={"value": "down", "claim": "0"})
    assert said() == [("down", None, "ana"), ("down", 0, "ana")]
    page.post(f"/turn/{turn}/rate", data={"value": "none"})
    assert said() == [("down", 0, "ana")]


def test_what_was_told_is_edited_and_forgotten_with_a_receipt(page):
    asked(page, "My bench is number 12.")
    known = page.get("/known")
    uri = html.unescape(re.search(r'name="uri" value="([^"]+)"', known.text)[1])
    edited = words_of(page.post("/known/edit", data={"uri": uri, "text": "My bench is number 14."}))
    assert "My bench is number 14." in edited and "number 12" not in edited
    assert "14" in words_of(asked(page, "What is the number of my bench?", session="t"))
    receipt = words_of(page.post("/known/forget", data={"uri": uri}))
    assert "1 erased" in receipt and "nothing is left" in receipt and "14" not in receipt
    asked(page, "My locker is number 7.", session="u")
    asked(page, "My cousin is called Ada.", session="u")
    assert "2 erased" in words_of(page.post("/known/forget-all"))
    assert page.post("/known/edit", data={"uri": "lab.md", "text": "x"}).status_code == 404


def test_a_day_rules_the_conversation_and_is_shown(page):
    answer = asked(page, "When does the lab open?", as_of="2020-01-01")
    assert "You ask what held on 2020-01-01." in words_of(answer) and "9:30" not in words_of(answer)
    assert 'name="as_of" value="2020-01-01"' in answer.text
    assert asked(page, "When?", as_of="yesterday-ish").status_code == 400


def test_conversations_are_found_named_exported_and_deleted(page):
    asked(page, "When does the lab open?", session="first")
    asked(page, "What does the printer cost a page?", session="second")
    found = links(page.get("/conversations?words=cents"), "/c/")
    assert found == ["/c/second"]
    assert "Paper" in words_of(page.post("/c/second/name", data={"name": " Paper \n and ink "}))
    assert "5 cents" in page.get("/c/second/export").text
    assert page.get("/c/second/export?form=json").json()[0]["claims"][0]["citations"][0]["uri"] == "lab.md"
    page.post("/c/second/delete")
    assert links(page.get("/conversations"), "/c/") == ["/c/first"]


def test_a_long_conversation_comes_page_by_page(page, lab):
    for number in range(45):
        asked(page, f"Note {number}: it is a day.", session="long")
    seen, answer = [], page.get("/c/long")
    while True:
        seen = re.findall(r"Note (\d+): it is", "".join(re.findall(r'class="question">.*?</p>', answer.text, re.DOTALL))) + seen
        older = links(answer, "/c/long?before=")
        if not older:
            break
        answer = page.get(older[0])
    assert [int(one) for one in seen] == list(range(45))


# Documents


def test_a_file_is_uploaded_replaced_compared_and_forgotten(page):
    def upload(text):
        return page.post("/sources/uploads", files={"file": ("desk/kiln.md", text.encode())}, data={"scope": "everyone"})

    assert "kiln.md" in words_of(upload("# Kiln\n\nThe kiln is fired on Fridays.\n\nIt holds 40 pots."))
    upload("# Kiln\n\nThe kiln is fired on Mondays.\n\nIt holds 40 pots.")
    document = page.get(next(one for one in links(page.get("/sources?words=kiln"), "/sources/document")))
    assert (
        "<del>The kiln is fired on Fridays.</del>" in document.text
        and "<ins>The kiln is fired on Mondays.</ins>" in document.text
    )
    gone = page.post("/sources/forget", data={"uri": "upload:desk/kiln.md", "scope": "everyone"})
    assert "nothing is left" in words_of(gone)
    assert "No document of this name" in words_of(page.get("/sources?words=kiln"))


def test_a_file_that_cannot_be_read_says_why(page):
    stages = page.post("/sources/uploads", files={"file": ("a.pdf", b"%PDF-1.7 nonsense")}, headers={"HX-Request": "true"}).text
    assert "being read" in stages and 'role="alert"' in stages and "a.pdf" in stages
    assert page.post("/sources/uploads", files={"file": ("a.pdf", b"%PDF-1.7 nonsense")}).status_code == 422


def test_a_page_of_a_pdf_is_a_picture_with_the_quoted_words_lit(page, lab, tmp_path):
    made = FPDF()
    made.set_font("helvetica", size=14)
    for text in ("Long hair is tied back.", "Whoever works at the lathe takes off gloves and scarves."):
        made.add_page()
        made.multi_cell(0, 10, text)
    page.post("/sources/uploads", files={"file": ("safety.pdf", bytes(made.output()))}, data={"scope": "everyone"})
    answer = asked(page, "What does whoever works at the lathe take off?")
    source = page.get(links(answer, "/source/")[0])
    assert "page 2" in words_of(source)
    picture = page.get(html.unescape(re.search(r'src="(/picture/[^"]+)"', source.text)[1]))
    assert picture.status_code == 200 and picture.headers["content-type"] == "image/webp"
    assert lit(picture.content) > 500
    elsewhere = page.get(str(picture.url).replace("from=", "from=9"))  # words that are on no page
    assert elsewhere.status_code == 404 or lit(elsewhere.content) > 0
    lab.forget("upload:safety.pdf")
    assert page.get(str(picture.url)).status_code == 404


def lit(data):
    """How many pixels of a picture are yellow."""
    import io

    from PIL import Image

    found = Image.open(io.BytesIO(data)).convert("RGB").getcolors(1 << 24)
    return sum(count for count, (red, green, blue) in found if red > 230 and green > 200 and blue < 170)


# Who sees what


def test_nothing_of_another_scope_is_on_any_view(server, lab):
    lab.remember(Document("secret.md", "The vault code is SWORDFISH.", scope="ben"))
    with signed_in(server, server.key("ben")) as ben:
        told = asked(ben, "My locker is number SWORDFISH.")
        answer = asked(ben, "What is the vault code?")
        turn, source = links(told, "/turn/")[0], links(answer, "/source/")[0]
        assert "SWORDFISH" in ben.get(source).text
    with signed_in(server, server.key("ana", "read", "tell", "write")) as ana:
        paths = [
            "/",
            "/c/s",
            "/c/s?model=ragbot@ben",
            "/conversations?words=SWORDFISH",
            "/known",
            "/known?model=ragbot@ben",
            "/sources",
        ]
        paths += ["/sources?scope=ben", "/sources/document?uri=secret.md", "/sources/document?uri=secret.md&scope=ben", "/admin"]
        paths += [turn, source, source.replace("/source/", "/picture/"), "/sources/conflicts", "/c/s/export?model=ragbot@ben"]
        for path in paths:
            seen = ana.get(path)
            assert "SWORDFISH" not in seen.text.replace("words=SWORDFISH", "").replace('value="SWORDFISH"', ""), path
        turn_id = turn.split("/")[2]
        for path, data in (
            (f"/turn/{turn_id}/rate", {"value": "up"}),
            (f"/turn/{turn_id}/correct", {"text": "x"}),
            ("/c/s/delete", {"model": "ragbot@ben"}),
            ("/known/forget-all", {"model": "ragbot@ben"}),
            ("/sources/forget", {"uri": "secret.md", "scope": "ben"}),
            ("/admin/keys", {"name": "x"}),
            ("/ask", {"message": "x", "session": "s", "model": "ragbot@ben"}),
        ):
            assert ana.post(path, data=data).status_code in (403, 404), path
    with signed_in(server, server.key("reader", "read")) as reader:
        answer = asked(reader, "When does the lab open?")
        assert "/rate" not in answer.text and 'action="/sources/uploads"' not in reader.get("/sources").text


def test_an_administrator_makes_and_revokes_keys_and_checks_the_index(page, server):
    made = page.post("/admin/keys", data={"name": "desk", "scopes": "desk, everyone", "roles": ["read"], "days": "7"})
    key = re.search(r"<code>(rb-[^<]+)</code>", made.text)[1]
    with signed_in(server, key) as desk:
        assert desk.get("/").status_code == 200 and desk.get("/admin").status_code == 403
        page.post(f"/admin/keys/{key.split('-')[1]}/revoke")
        assert desk.get("/", follow_redirects=False).status_code == 303
    assert "agrees with the database" in words_of(page.post("/admin/check"))
    assert "<polyline" in page.get("/admin").text


# What becomes HTML


def turn_of(*claims):
    from ragbot.text import layout

    return Turn("t", "s", "l", "q", layout.joined(one.text for one in claims), claims, True, None)


def claim(text, *starts):
    return Claim(text, "supported", 1.0, tuple(Citation(1, "a.md", start, start + 1, "x") for start in starts))


def test_an_answer_keeps_its_lists_and_tables_and_numbers_its_sources():
    turn = turn_of(claim("Bring:", 1), claim("- a card", 2, 3), claim("- a **pen**", 4), claim("Come early.", 5))
    made = str(markup.answer(turn, lambda source: f"[{source.number}/{source.claim}]"))
    assert made == (
        "<p>Bring:[1/0]</p>\n<ul>\n<li>a card[2/1][3/1]</li>\n<li>a <strong>pen</strong>[4/2]</li>\n</ul>\n"
        "<p>Come early.[5/3]</p>\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script>",
        "[here](javascript:alert(1))",
        "![x](https://evil.example/x.png)",
        "<https://evil.example>",
        "&lt;b&gt;",
    ],
)
def test_what_a_source_says_stays_words(words):
    made = str(markup.answer(turn_of(claim(words, 1)), lambda _: "")) + str(markup.passage(words, (0, 5), is_plain=True))
    assert not re.search(r"<(?!/?(?:p|pre|mark|br)\b)", made)


def test_words_are_lit_where_they_stand():
    text = "# Hours\n\n- Monday: 9 to 5\n- Friday: 10 to 2\n\n| Day | Fee |\n| --- | --- |\n| Monday | 3 |\n| Friday | 4 |"
    for words, seen in (
        ("- Friday: 10 to 2", "<li><mark>Friday: 10 to 2</mark></li>"),
        ("Monday: 9", "<li><mark>Monday: 9</mark> to 5</li>"),
        ("| Friday | 4 |", '<tr class="lit">\n<td>Friday</td>'),
    ):
        at = text.index(words)
        made = str(markup.passage(text, (at, at + len(words)), is_plain=False))
        assert seen in made and len(re.findall(r"<mark>|class=\"lit\"", made)) == 1, made
