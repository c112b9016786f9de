"""The page in a real browser: by mouse, by keyboard alone, without a script, on a phone, read aloud."""

import re
from pathlib import Path

import pytest
from browsing import browser, violations
from fpdf import FPDF
from serving import ALL

from ragbot import Document

BUILT = Path(__file__).parent.parent / "build" / "journey"
"""Where pictures of the journey are left to be looked at."""


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture
def opened(chromium, server):
    """Opens the page in a new window, signed in as who may do all; what a window complains of fails the test."""
    windows, complaints = [], []
    key = server.key("ana", *ALL, scopes=["everyone"])

    def open_(path="/", **settings):
        window = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-US", **settings})
        windows.append(window)
        page = window.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{server.url}/sign-in?next={path}")
        page.fill("#key", key)
        page.click("button")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    open_.complaints = complaints
    yield open_
    for window in windows:
        window.close()
    assert complaints == []


def ask(page, question, number):
    """Ask by keyboard, and give what the answer says."""
    page.fill("#message", question)
    page.press("#message", "Enter")
    return page.locator(f"#log article:nth-of-type({number}) .answer").inner_text()


# What it costs


def test_the_first_view_is_small_quick_and_asks_nobody_else(chromium, server, opened):
    page = opened()
    requests = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes = {}
    session.on("Network.requestWillBeSent", lambda event: requests.append(event["request"]["url"]))
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    page.goto(server.url, wait_until="networkidle")
    loaded = [url for url in requests if not url.startswith("data:")]
    assert len(loaded) <= 5, loaded
    assert all(url.startswith(server.url) for url in loaded)
    assert sum(sizes.values()) <= 60_000


# A journey


def test_a_journey(opened, server, tmp_path):
    BUILT.mkdir(parents=True, exist_ok=True)
    page = opened()
    assert "The lab opens at 9:30." in ask(page, "When does the lab open?", 1)
    assert re.search(r"/c/[\w-]+$", page.url)
    page.click("#log .cite")
    assert page.locator("#drawer mark").inner_text() == "The lab opens at 9:30."
    assert page.evaluate("document.activeElement.id") == "drawer-heading"
    page.screenshot(path=BUILT / "1-source.png")
    page.keyboard.press("Escape")
    assert page.locator("#drawer > *").count() == 0
    assert "cite" in page.evaluate("document.activeElement.className")

    conversation = page.url
    page.click("text=Sources")
    (tmp_path / "kiln.md").write_text("# Kiln\n\nThe kiln is fired on Fridays.")
    page.set_input_files("#file", tmp_path / "kiln.md")
    page.click("text=Upload")
    page.locator("#uploads li", has_text="searchable now").wait_for()
    page.goto(conversation)
    assert "Fridays" in ask(page, "When is the kiln fired?", 2)
    page.screenshot(path=BUILT / "2-uploaded.png")
    page.goto(f"{server.url}/sources")
    (tmp_path / "kiln.md").write_text("# Kiln\n\nThe kiln is fired on Mondays.")
    page.set_input_files("#file", tmp_path / "kiln.md")
    page.click("text=Upload")
    page.locator("#uploads li", has_text="new version, searchable now").wait_for()
    page.goto(conversation)
    page.click("#log article:nth-of-type(2) .cite")
    assert "This has changed since" in page.locator("#drawer .drawer").inner_text()
    page.click("[data-close]")
    assert "Mondays" in ask(page, "When is the kiln fired?", 3)
    page.screenshot(path=BUILT / "3-new-version.png")

    turn = page.locator("#log article:nth-of-type(3)")
    turn.get_by_text("Correct this").click()
    turn.locator("textarea").fill("The kiln is fired on Thursdays.")
    turn.locator("button", has_text="Correct").click()
    turn.get_by_text("Corrected: The kiln is fired on Thursdays.").wait_for()
    assert "Thursdays" in ask(page, "When is the kiln fired?", 4)
    page.screenshot(path=BUILT / "4-corrected.png")
    turn.get_by_text("Undo").click()
    turn.get_by_text("Corrected:").wait_for(state="detached")
    assert "Mondays" in ask(page, "When is the kiln fired?", 5)

    page.goto(f"{server.url}/sources")
    page.click("text=kiln.md")
    page.locator("summary", has_text="Forget").click()
    page.click("text=Forget this document for good")
    assert "nothing is left" in page.locator("[role=status]").inner_text()
    page.goto(conversation)
    assert "Mondays" not in ask(page, "When is the kiln fired?", 6)
    page.screenshot(path=BUILT / "5-forgotten.png")


def test_the_page_of_a_pdf_is_shown_lit(opened, server, lab):
    made = FPDF()
    made.set_font("helvetica", size=14)
    made.add_page()
    made.multi_cell(0, 10, "Whoever works at the lathe takes off gloves and scarves.")
    page = opened("/sources")
    page.set_input_files("#file", {"name": "safety.pdf", "mimeType": "application/pdf", "buffer": bytes(made.output())})
    page.click("text=Upload")
    page.locator("#uploads li", has_text="searchable now").wait_for()
    page.goto(server.url)
    ask(page, "What does whoever works at the lathe take off?", 1)
    page.click("#log .cite")
    picture = page.locator("#drawer img")
    picture.wait_for()
    page.wait_for_load_state("networkidle")
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 800
    assert "lit" in picture.get_attribute("alt")


def test_a_broken_connection_loses_no_words(opened, server):
    page = opened()
    page.route("**/ask", lambda route: route.abort())
    page.fill("#message", "When does the lab open?")
    page.press("#message", "Enter")
    page.locator("#status", has_text="connection broke").wait_for(state="attached")
    assert page.input_value("#message") == "When does the lab open?"
    page.unroute("**/ask")
    assert "ERR_FAILED" in opened.complaints[0]  # the window's own words
    opened.complaints.clear()
    ask(page, "When does the lab open?", 1)


# By keyboard, without a script, read aloud


def test_by_keyboard_alone(opened, server):
    page = opened()
    page.keyboard.type("When does the lab open?")  # the box has the focus
    page.keyboard.press("Enter")
    page.locator("#log article .answer").wait_for()
    focus(page, ".cite", backwards=True)
    page.keyboard.press("Enter")
    page.locator("#drawer mark").wait_for()
    focus(page, "#drawer .claim textarea")
    page.keyboard.type("The lab opens at 8:00.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#drawer").get_by_text("Corrected: The lab opens at 8:00.").wait_for()
    page.locator("#log").get_by_text("Corrected: The lab opens at 8:00.").wait_for()
    page.keyboard.press("Escape")
    focus(page, "a[href='/known']", backwards=True)
    page.keyboard.press("Enter")
    page.locator(".facts").wait_for()
    focus(page, ".facts form button")
    page.keyboard.press("Enter")
    assert "nothing is left" in page.locator(".receipt").inner_text()
    focus(page, "a[href='/sources']")
    page.keyboard.press("Enter")
    page.locator("#file").wait_for()
    focus(page, "#file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "kiln.md", "mimeType": "text/markdown", "buffer": b"The kiln is fired on Fridays."})
    focus(page, "#upload button")
    page.keyboard.press("Enter")
    page.locator("#uploads li", has_text="searchable now").wait_for()


def focus(page, selector, *, backwards=False):
    """Go on by Tab until something that fits is reached, as who has no mouse does."""
    for _ in range(80):
        if page.evaluate("wanted => !!document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


def test_without_a_script(opened, server):
    page = opened(java_script_enabled=False)
    page.fill("#message", "When does the lab open?")
    page.click("#ask button")
    assert "The lab opens at 9:30." in page.locator("#log .answer").inner_text()
    page.click(".cite")
    assert page.locator("main mark").inner_text() == "The lab opens at 9:30."
    page.go_back()
    page.click("text=Why this answer?")
    assert "supported" in page.locator("main").inner_text()


def test_an_answer_is_read_aloud_once_and_whole(opened):
    page = opened()
    page.evaluate(
        """() => {
            window.heard = [];
            new MutationObserver((changes) => {
                for (const change of changes) for (const one of change.addedNodes) if (one.innerText) heard.push(one.innerText);
            }).observe(document.querySelector("[role=log]"), { childList: true, subtree: true, characterData: true });
        }"""
    )
    ask(page, "When does the lab open?", 1)
    heard = page.evaluate("heard")
    assert len(heard) == 1 and "When does the lab open?" in heard[0] and "The lab opens at 9:30." in heard[0]
    tree = page.locator("body").aria_snapshot()
    assert re.search(r"- log \"Conversation\":\n(.*\n)*?\s+- article", tree)
    assert tree.count("The lab opens at 9:30.") == 1
    assert page.locator("[role=log]").get_attribute("aria-live") == "polite"
    assert page.locator("#draft").get_attribute("aria-live") == "off"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "zoom"), [(320, 1), (1440, 1), (1280, 2)])
def test_nothing_bars_anybody_from_any_view(opened, server, lab, scheme, width, zoom):
    lab.remember(Document("desk/lab-2.md", "| Day | Opens |\n| --- | --- |\n| Monday | 9:30 |\n| Friday | 10:30 |"))
    page = opened(
        color_scheme=scheme, bypass_csp=True, viewport={"width": width // zoom, "height": 800 // zoom}, device_scale_factor=zoom
    )
    ask(page, "My bench is number 12.", 1)
    ask(page, "When does the lab open?", 2)

    def looked_at(name):
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width // zoom, name

    looked_at("chat")
    page.locator("#log article:nth-of-type(2) .correct summary").click()
    page.locator("#log article:nth-of-type(2) .cite").first.click()
    page.locator("#drawer mark").first.wait_for()
    looked_at("source")
    page.click("[data-close]")
    page.locator("#log article:nth-of-type(2)").get_by_text("Why this answer?").click()
    page.locator("#drawer .candidates").wait_for()
    looked_at("why")
    document = "/sources/document?uri=desk/lab-2.md&scope=everyone"
    for path in ("/sources", document, "/sources/conflicts", "/known", "/conversations", "/admin", "/sign-in", "/c/none?as_of=x"):
        page.goto(f"{server.url}{path}")
        looked_at(path)
    assert all("status of 400" in said for said in opened.complaints)  # of a day that is none
    opened.complaints.clear()


def test_a_phone_and_another_language(opened):
    page = opened(viewport={"width": 360, "height": 700}, locale="zh-CN")
    assert page.locator("h1").inner_text() == "您想知道什么？"
    assert page.locator("html").get_attribute("lang") == "zh"
    assert not page.locator("#words").is_visible()  # the conversations are folded
    ask(page, "When does the lab open?", 1)
    page.click("#log .cite")
    page.locator("#drawer mark").wait_for()
    box = page.locator("#drawer").bounding_box()
    assert (box["width"], box["height"]) == (360, 700)


# Much of it


def test_many_documents_and_turns_come_page_by_page(opened, server, lab):
    lab.remember([Document(f"many/{number:04}.md", f"Shelf {number} holds box {number}.") for number in range(1000)])
    page = opened("/sources")
    assert page.locator("#documents tbody tr").count() == 100
    page.locator("#documents .older a").click()
    page.locator("#documents tbody tr").nth(150).wait_for()
    assert page.locator("#documents tbody tr").count() == 200
    page.fill("#filter", "0999")
    page.locator("#documents tbody tr", has_text="0999.md").wait_for()
    page.wait_for_timeout(300)
    assert page.locator("#documents tbody tr").count() == 1


def test_what_is_dropped_is_uploaded(opened, server):
    page = opened("/sources")
    page.evaluate(
        """() => {
            const carried = new DataTransfer();
            carried.items.add(new File(["The press is blue."], "press.md", { type: "text/markdown" }));
            carried.items.add(new File(["%PDF-1.7 nonsense"], "bad.pdf", { type: "application/pdf" }));
            const drop = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
            document.getElementById("upload").dispatchEvent(drop);
        }"""
    )
    page.locator("#uploads li", has_text="press.md: searchable now").wait_for()
    page.locator("#uploads li .failed", has_text="bad.pdf").wait_for()
    page.locator("#documents td", has_text="press.md").wait_for()
