"""The bundled models on the demo's handbook: what `make demo` shows, asserted."""

import re
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from serving import served

import ragbot.runtime
from ingest import pipeline
from ragbot import Chat, Document, Memory
from ragbot.answer import persona

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]

UNKNOWN = persona.load("plain", Path()).en.unknown
DEMO = Path(__file__).parent.parent / "docs" / "demo"


@pytest.fixture(scope="session")
def ingested(bundled_models, shared_folder):
    """The handbook and the memory that has read it, made once in a run."""
    ragbot.runtime.shared_runtime.cache_clear()  # it is made before the fixtures of a single test, which do so too
    room = shared_folder / "demo"
    with FileLock(shared_folder / "demo.lock"), pytest.MonkeyPatch.context() as patched:
        if not room.exists():
            bundled_models.replace_openers(patched)
            aside = shared_folder / "demo-in-the-making"
            shutil.copytree(DEMO / "handbook", aside / "handbook")
            with Memory.open(aside / "indexes") as memory:
                pipeline.sync(memory, aside / "handbook")
            aside.rename(room)
    return room


@pytest.fixture
def handbook(ingested, tmp_path):
    """A chat over a copy of that memory, and the copied handbook."""
    shutil.copytree(ingested, tmp_path, dirs_exist_ok=True)
    with Chat.open(tmp_path / "indexes", session="demo") as chat:
        yield chat, tmp_path / "handbook"


COMES_SECOND = pytest.mark.xfail(reason="docs/decisions/0036-whole-answers.md", strict=True)
IS_REFUSED = pytest.mark.xfail(reason="docs/decisions/0034-customers-words.md", strict=True)


@pytest.mark.parametrize(
    ("question", "words", "where"),
    [
        ("When is the makerspace open on Saturday?", "09:00 to 18:00", "handbook/opening-hours.md, line 12"),
        ("Can I return a gift card?", "within 30 days", "handbook/gift-cards.txt, line 42"),
        ("May I cut PVC on the laser?", "must not be cut", "handbook/safety-rules.pdf, page 2"),
        pytest.param("Do volunteers get their bus fare back?", "£7 per shift", "handbook/volunteers.docx, ", marks=IS_REFUSED),
        (
            "What is the most an employee may spend on a hotel night when travelling for work?",
            "£95",
            "staff-guide.docx, “Expenses”",
        ),
        ("中文服务台什么时候有人值班？", "15:00–18:00", "handbook/welcome-zh.md, line "),
        pytest.param("我一次能借几本中文书？", "三本", "handbook/welcome-zh.md, line 31", marks=COMES_SECOND),
    ],
)
def test_answers_with_their_source(handbook, question, words, where):
    turn = handbook[0].ask(question)
    assert words in turn.answer
    assert turn.grounded
    assert where in turn.citations[0].where


@pytest.mark.parametrize(
    ("question", "document"),
    [("Do volunteers get their bus fare back?", "volunteers.docx")],
)
def test_what_is_there_in_other_words_is_pointed_at(handbook, question, document):
    """They are refused, but with their place, by the title of the document."""
    turn = handbook[0].ask(question)
    assert "Volunteering at Larkfield" in turn.answer
    assert any(document in cited.uri for cited in turn.nearby)


def test_the_conversation_goes_on(handbook):
    handbook[0].ask("When is the makerspace open on Saturday?")
    assert "12:00 to 17:00" in handbook[0].ask("And on Sunday?").answer


@pytest.mark.parametrize(
    "question",
    [
        "Can I bring my dog to the café?",
        "Can I charge my electric car in the car park?",
        "Who is the president of France?",
        "How fast is the wifi?",
    ],
)
def test_what_the_handbook_does_not_say_is_not_known(handbook, question):
    turn = handbook[0].ask(question)
    assert turn.answer.startswith(UNKNOWN) and turn.citations == ()


def test_a_new_version_answers_and_a_deleted_document_does_not(handbook):
    chat, folder = handbook
    shutil.copy(DEMO / "updates" / "opening-hours.md", folder)
    (folder / "gift-cards.txt").unlink()
    changed = {o.uri: o for o in pipeline.sync(chat.memory, folder) if o.status != "unchanged"}
    assert {uri: o.status for uri, o in changed.items()} == {
        "handbook/opening-hours.md": "updated",
        "handbook/gift-cards.txt": "retired",
    }
    assert changed["handbook/opening-hours.md"].chunks.embedded == 2
    assert "10:00 to 16:30" in chat.ask("When is the makerspace open on Saturday?").answer
    assert chat.ask("Can I return a gift card?").answer.startswith(UNKNOWN)


def test_what_is_told_is_known_tomorrow(handbook):
    chat = handbook[0]
    chat.ask("My badge number is 4471.")
    with Chat.open(chat.memory.home, session="tomorrow") as tomorrow:
        turn = tomorrow.ask("What is my badge number?")
        assert "4471" in turn.answer
        assert turn.citations[0].where.startswith("you told me on")
    with Chat.open(chat.memory.home, session="tomorrow", scope="somebody else") as other:
        assert other.ask("What is my badge number?").answer.startswith(UNKNOWN)


@pytest.mark.loads_models
def test_the_readme_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    readme = (DEMO.parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) >= 2
    monkeypatch.chdir(tmp_path)
    of_client = next(block for block in blocks if "from openai" in block)
    exec("\n".join(block for block in blocks if block is not of_client), {})
    printed = capsys.readouterr().out
    assert "The lab opens at 9:30." in printed
    assert "Sunday" in printed
    with Memory.open("indexes") as memory, served(memory) as server:
        memory.remember(Document("lab.md", "The lab opens at 9:30."))
        names = {}
        exec(of_client.replace("http://127.0.0.1:8400", server.url).replace("rb-…", server.key("ben")), names)
        names["client"].close()
    assert "The lab opens at 9:30." in capsys.readouterr().out
