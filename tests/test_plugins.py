"""Plugins of other packages, installed as a person would install them: used, missing, broken, and in each other's way."""

import io
import os
import subprocess
import sys
import tomllib
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pytest

import ragbot.runtime
from ingest import parsers, pipeline
from ingest.parse_pool import ParsePool, Request
from ingest.parsers import formats, sniff
from ragbot import Memory, plugins
from ragbot.errors import BrokenError, LockedError, ModelError, ReadError
from ragbot.models import embedder
from ragbot.models.embedder import open_embedder
from ragbot.models.generator import open_generator
from ragbot.models.plugged import PluginEmbedder
from ragbot.runtime import Runtime
from ragbot.types import Message

EXAMPLE = Path(__file__).parent / "plugin_example"
ROOT = Path(__file__).parent.parent
XYZ = b"XYZ1\0Opening hours\0The lab opens at 9:30 on Mondays.\0On Sunday the\r\nlab is\x07 closed."


def installed(site, name, entry_points, code=None, version="1.0"):
    """Install a package of one module into a folder, as an installer does."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    if code is not None:
        (site / f"{name.replace('-', '_')}.py").write_text(code)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages that this process and those that it starts see."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
    import huggingface_hub.constants  # first: it keeps what it finds in the environment for the tests that follow

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    formats._of_plugins.cache_clear()
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    formats._of_plugins.cache_clear()


@pytest.fixture
def example(site):
    """The package of the documentation, installed."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    code = (EXAMPLE / "ragbot_example.py").read_text()
    installed(site, project["name"], project["entry-points"], code, project["version"])
    return site


@pytest.fixture
def broken(site):
    """Installs an embedder called `broken` that is like the example's, but for what is given."""

    def install(**other):
        (site / "ragbot_example.py").write_text((EXAMPLE / "ragbot_example.py").read_text())
        lines = "".join(f"    {name} = {value}\n" for name, value in other.items())
        code = f"from ragbot_example import Hashing\nimport numpy as np\nclass Made(Hashing):\n    model = 'broken'\n{lines}"
        installed(site, "bad-plugin", {"ragbot.embedders": {"broken": "bad_plugin:Made"}}, code)

    return install


def run(program, *arguments, **environ):
    """Run a command: its exit code, standard output and standard error."""
    code = f"from {program}.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "RAGBOT_READER": "none", **environ},
    )
    return done.returncode, done.stdout, done.stderr


# All three, from the command line


def test_a_home_lives_on_plugins_and_says_so_when_they_are_gone(example, tmp_path, home):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "hours.xyz").write_bytes(XYZ)
    (folder / "broken.xyz").write_bytes(b"something else \0\1\2")
    home.mkdir()
    (home / "ragbot.toml").write_text('embedder = "example"\ngenerator = "example"\nanswers = "compose"\n')

    code, told, said = run("ingest", "add", folder, "--home", home)
    assert code == 1 and "hours.xyz" in told and "broken.xyz: does not begin with XYZ1; save it again" in said
    code, answer, said = run("ragbot", "ask", "When does the lab open on Mondays?", "--home", home)
    assert code == 0 and "It is so that The lab opens at 9:30 on Mondays." in answer, answer + said

    with Memory.open(home) as memory:
        hit = memory.recall("On which day is the lab closed?")[0]
    assert (hit.chunk.title, hit.chunk.page, hit.chunk.text) == ("Opening hours", 2, "On Sunday the\nlab is closed.")

    for file in example.rglob("entry_points.txt"):
        file.unlink()
    ragbot.runtime.shared_runtime.cache_clear()
    with (
        Memory.open(home) as memory,
        pytest.raises(ModelError, match=r"install the package that offers example as a plugin") as no,
    ):
        memory.recall("lab")
    assert str(no.value).startswith("example: ") and "\n" not in str(no.value)


# Names


def test_ragbots_own_names_win(site, monkeypatch):
    monkeypatch.setattr(embedder, "BundledEmbedder", lambda name: f"the bundled {name}")
    code = "raise RuntimeError('it is loaded')"
    taken = {"ragbot.embedders": {"bundled": "greedy:A", "all-MiniLM-L6-v2": "greedy:A"}, "ragbot.parsers": {"pdf": "greedy:p"}}
    installed(site, "greedy", taken, code)
    assert plugins.named(plugins.EMBEDDERS, "all-MiniLM-L6-v2", ModelError) is not None
    assert open_embedder("all-MiniLM-L6-v2") == "the bundled all-MiniLM-L6-v2"
    assert formats.named(".pdf") is formats.PDF


def test_a_suffix_of_ragbots_that_a_plugin_wants_is_logged(site, caplog):
    installed(site, "greedy", {"ragbot.parsers": {"PDF": "greedy:p", "new": "greedy:p"}})
    assert formats.named(".new").name == "NEW" and formats.named(".pdf") is formats.PDF
    assert [record.getMessage() for record in caplog.records] == [
        ".pdf is read by ragbot (PDF) and not by the plugin of greedy 1.0"
    ]


def test_two_packages_with_one_name_are_both_named(site, tmp_path):
    for name in ("one", "two"):
        both = {"ragbot.embedders": {"mine": "m:M"}, "ragbot.generators": {"mine": "m:M"}, "ragbot.parsers": {"xyz": "m:p"}}
        installed(site, name, both)
    for open_, group in ((open_embedder, "ragbot.embedders"), (open_generator, "ragbot.generators")):
        with pytest.raises(ModelError) as no:
            open_("mine")
        assert (
            f"plugin mine ({group}): is offered by " in str(no.value)
            and "one 1.0" in str(no.value)
            and "two 1.0" in str(no.value)
        )
    file = tmp_path / "a.xyz"
    file.write_bytes(XYZ)
    with pytest.raises(BrokenError, match=r"^a.xyz: plugin xyz .ragbot.parsers.: is offered by .*; uninstall all but one"):
        parsers.read(file, "a.xyz")


def test_a_folder_or_an_id_of_the_hub_is_never_a_plugins(site, tmp_path, monkeypatch):
    installed(site, "odd", {"ragbot.embedders": {"org/model": "odd:M", "/folder": "odd:M"}}, "raise RuntimeError")
    assert plugins.named(plugins.EMBEDDERS, "org/model", ModelError) is None
    with pytest.raises(ModelError, match=r"^org/model: cannot be loaded") as no:
        open_embedder("org/model")
    assert "plugin" not in str(no.value)


def test_a_package_whose_files_are_damaged_hides_no_other(site, tmp_path, caplog):
    installed(site, "damaged", {"ragbot.parsers": {}})
    (site / "damaged-1.0.dist-info" / "entry_points.txt").write_text("[ragbot.parsers]\nxyz\n")
    installed(site, "good", {"ragbot.parsers": {"abc": "good:p"}})
    installed(site, "nameless", {"ragbot.parsers": {"def": "nameless:p"}})
    (site / "nameless-1.0.dist-info" / "METADATA").unlink()
    found = plugins.offered(plugins.PARSERS)
    assert found["abc"][0].package == "good 1.0" and found["def"][0].package == "an unknown package"
    assert "damaged: its entry points cannot be read" in caplog.text
    assert formats.named(".abc").name == "ABC" and formats.named(".xyz") is None


def test_nothing_is_looked_up_where_a_name_is_known(monkeypatch):
    monkeypatch.setattr(plugins, "offered", None)
    assert formats.named(".pdf") is formats.PDF and formats.named("") is None and formats.named(".not a suffix") is None
    with pytest.raises(TypeError):
        formats.named(".other")


# Embedders


def test_an_embedder_is_opened_by_its_name_again_and_again(example):
    runtime = Runtime()
    one = runtime.embedder("example")
    assert (one.model, one.revision, one.dim, one.prefixes, one.calibration) == ("example", "1", 128, ("", ""), None)
    assert runtime.embedder(one.model) is one and runtime.reload_embedder(one.model) is not one
    counted = []
    assert one.encode(["a", "b"], counted.append).shape == (2, 128) and counted == [2] and one.encode([]).shape == (0, 128)
    runtime.close()


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"model": "'other'"}, "its model is 'other', not 'broken', its name as a plugin"),
        ({"revision": "3"}, "its revision is 3, not a text"),
        ({"dim": "True"}, "its dim is True, not a whole number from 1 up"),
        ({"prefixes": "'q'"}, "its prefixes is 'q', not two texts"),
        ({"calibration": "{1: 2}"}, "its calibration is {1: 2}, not numbers by name, or None"),
        ({"encode": "None"}, "its encode is None, not a method"),
        ({"dim": "property(lambda self: 1 / 0)"}, "its dim cannot be read (ZeroDivisionError: division by zero)"),
        ({"__init__": "lambda self: exit(3)"}, "bad_plugin:Made cannot be called (SystemExit: 3)"),
        ({"__init__": "lambda self, key: None"}, "bad_plugin:Made cannot be called (TypeError: "),
        (
            {"encode": "lambda self, texts, progress=None: np.ones((1, 128))"},
            "encode gave the shape (1, 128) instead of (2, 128)",
        ),
        ({"encode_query": "lambda self, text: np.ones((1, 128))"}, "encode_query gave the shape (1, 128) instead of (128,)"),
        ({"encode_query": "lambda self, text: np.ones(128)"}, "encode_query gave vectors that are not of length 1"),
        ({"encode_query": "lambda self, text: np.full(128, np.nan)"}, "encode_query gave vectors that are not of length 1"),
        ({"encode_query": "lambda self, text: 'no'"}, "encode_query failed (ValueError: could not convert string to float: "),
        ({"knows_word": "lambda self, word: {}[word]"}, "knows_word failed (KeyError: 'probe')"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_with_an_embedder_is_named(broken, other, why):
    broken(**other)
    with pytest.raises(ModelError) as no:
        open_embedder("broken")
    message = str(no.value)
    assert message.startswith("plugin broken (ragbot.embedders of bad-plugin 1.0): ") and why in message
    assert message.endswith("; mend or upgrade bad-plugin, or uninstall it") and "\n" not in message


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "import nothing_of_that_name",
            "cannot be loaded from bad:Made (ModuleNotFoundError: No module named 'nothing_of_that_name')",
        ),
        ("1 +", "cannot be loaded from bad:Made (SyntaxError: "),
        ("", "cannot be loaded from bad:Made (AttributeError: "),
        ("Made = 3", "cannot be loaded from bad:Made (TypeError: is int, which cannot be called)"),
        ("raise SystemExit", "cannot be loaded from bad:Made (SystemExit)"),
        ("class Made: pass", "its Made has no model"),
    ],
)
def test_a_plugin_that_does_not_load_is_named(site, code, why):
    installed(site, "bad", {"ragbot.embedders": {"it": "bad:Made"}}, code)
    with pytest.raises(ModelError) as no:
        open_embedder("it")
    assert why in str(no.value) and "bad 1.0" in str(no.value)


def test_an_embedder_of_a_plugin_may_fail_later(example):
    opened = open_embedder("example")
    opened._embedder.encode = lambda texts, progress=None: np.zeros((len(texts), 128))
    with pytest.raises(ModelError, match="not of length 1"):
        opened.encode(["a"])


def test_vectors_of_a_plugin_in_double_precision_are_taken(broken):
    broken(encode="lambda self, texts, progress=None: [[1.0] + [0.0] * 127 for _ in texts]")
    made = open_embedder("broken").encode(["a"])
    assert isinstance(open_embedder("broken"), PluginEmbedder) and made.dtype == np.float32


# Generators


def test_a_generator_gets_the_timeout_and_is_closed(example):
    runtime = Runtime()
    generator = runtime.generator("example", 7)
    assert generator._generator.timeout == 7 and generator.window == 16_000 and generator.count("a b c") == 3
    asked = [Message("user", "[1] a.md\nThe lab opens at 9:30. It is big.")]
    assert "".join(generator.stream(asked, 100)) == "It is so that The lab opens at 9:30. [1]"
    runtime.close()
    with pytest.raises(ModelError, match="^example: was closed"):
        next(generator.stream(asked, 100))


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        ("yield 3", "stream failed (TypeError: gave int instead of str)"),
        ("yield 'a'; raise OSError('gone\\naway')", "stream failed (OSError: gone away)"),
        ("return 3", "stream failed (TypeError: 'int' object is not iterable)"),
    ],
)
def test_what_is_wrong_with_a_generator_is_named(site, stream, why):
    code = "class Made:\n  model, window = 'm', 9\n  def __init__(self, timeout): pass\n  def count(self, text): return 'x'\n"
    code += f"  def close(self): pass\n  def stream(self, messages, max_tokens):\n    {stream}\n"
    installed(site, "bad", {"ragbot.generators": {"it": "bad:Made"}}, code)
    generator = open_generator("it")
    with pytest.raises(ModelError) as no:
        list(generator.stream([], 9))
    assert why in str(no.value) and "ragbot.generators of bad 1.0" in str(no.value)
    with pytest.raises(ModelError, match="count failed"):
        generator.count("a")


def test_a_generator_that_is_not_heard_to_the_end_stops_writing(site):
    code = "ended = []\nclass Made:\n  model, window = 'm', 9\n  def __init__(self, timeout): pass\n  count = close = print\n"
    code += "  def stream(self, messages, max_tokens):\n    try:\n      yield 'a'\n      yield 'b'\n"
    code += "    finally:\n      ended.append(1)\n"
    installed(site, "endless", {"ragbot.generators": {"it": "endless:Made"}}, code)
    pieces = open_generator("it").stream([], 9)
    assert next(pieces) == "a"
    pieces.close()
    assert sys.modules["endless"].ended == [1]


# Parsers

PARSER = """
import os, time
from ingest.parsers.formats import Extract
from ragbot.errors import LockedError

class Mine(LockedError):
    pass

def parse(source):
    return eval(source.data)

def locked(source):
    raise Mine("locked.xyz: has\\na password")
"""


@pytest.fixture
def parse(site, tmp_path):
    """Reads a file whose parser gives what an expression says, in a process of its own."""
    installed(site, "evil", {"ragbot.parsers": {"xyz": "evil:parse"}}, PARSER)
    with ParsePool(1) as pool:

        def parse_(expression):
            file = tmp_path / "a.xyz"
            file.write_text(expression)
            return pool.read(Request(file, "a.xyz", "everyone"))

        yield parse_


def test_what_a_parser_gives_is_cleaned_page_by_page(parse):
    document = parse(r"Extract('\x1b[31mone\r\n\x07two\ud800', title='  a\nb ', pages=[0, 10], date='2024-05-01')")
    assert (document.text, document.title, document.pages) == ("one\ntwo", "a b", (0, 4))
    assert document.metadata == {"content_type": "application/x-xyz", "page_date": "2024-05-01"}


def test_what_is_wrong_with_a_parser_is_the_failure_of_its_file(parse):
    named = r"^a.xyz: plugin xyz .ragbot.parsers of evil 1.0.: failed .{}.; mend or upgrade evil, or uninstall it$"
    for expression, why in (
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("exit(3)", "SystemExit: 3"),
        ("'text'", "TypeError: gave str instead of ingest.parsers.formats.Extract"),
        ("Extract(3)", "TypeError: gave a text that is int instead of str"),
        ("Extract('a', pages=(2,))", "ValueError: gave pages that do not lie in the text one after the other"),
        ("Extract('a', pages=('x',))", "TypeError: gave a page or a count that is no whole number"),
        ("Extract('a', date='May')", "ValueError: gave a date that is not YYYY-MM-DD"),
    ):
        with pytest.raises(BrokenError, match=named.format(why)):
            parse(expression)
    with pytest.raises(ReadError, match=r"^a.xyz: holds no text"):
        parse("Extract(' ')")
    with pytest.raises(BrokenError, match=r"^a.xyz: has more than 20,000,000 characters"):
        parse("Extract('a' * 20_000_001)")
    with pytest.raises(BrokenError, match=r"^a.xyz: its reader crashed \(exit 7\)"):
        parse("os._exit(7)")
    assert parse("Extract('all is well')").text == "all is well"


def test_an_error_of_a_parsers_own_class_keeps_its_kind(site, tmp_path):
    installed(site, "evil", {"ragbot.parsers": {"xyz": "evil:locked", "abc": "evil:nothing"}}, PARSER)
    (tmp_path / "a.xyz").write_text("a")
    with ParsePool(1) as pool:
        with pytest.raises(LockedError, match=r"^locked.xyz: has a password$"):
            pool.read(Request(tmp_path / "a.xyz", "a.xyz", "everyone"))
        (tmp_path / "a.abc").write_text("a")
        with pytest.raises(BrokenError, match=r"^a.abc: plugin abc .*: cannot be loaded from evil:nothing .AttributeError"):
            pool.read(Request(tmp_path / "a.abc", "a.abc", "everyone"))


def test_the_suffix_of_a_plugin_decides_alone(example, tmp_path):
    assert sniff.sniff(io.BytesIO(b"%PDF-1.7"), ".xyz").format is formats.named(".xyz")
    file = tmp_path / "no-suffix"
    file.write_bytes(XYZ)
    assert parsers.read(file, "no-suffix").metadata["content_type"] == "text/plain"
    assert parsers.read(file, "no-suffix", suffix=".xyz").title == "Opening hours"


def test_a_plugin_reads_what_is_attached_to_a_mail(example, tmp_path):
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "Hours", "ana@example.org"
    mail.set_content("See the file.")
    mail.add_attachment(XYZ, maintype="application", subtype="octet-stream", filename="hours.xyz")
    (tmp_path / "a.eml").write_bytes(mail.as_bytes())
    assert "The lab opens at 9:30 on Mondays." in parsers.read(tmp_path / "a.eml", "a.eml").text


def test_a_parser_that_comes_or_is_mended_or_goes_reads_its_files_again(site, tmp_path, embedders):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.xyz").write_text("Extract('The plugin was here.')")
    with Memory.open(tmp_path / "indexes") as memory:

        def synced():
            formats._of_plugins.cache_clear()
            [outcome] = pipeline.sync(memory, tmp_path / "docs")
            return outcome.status

        assert [synced(), synced()] == ["added", "unchanged"]
        installed(site, "evil", {"ragbot.parsers": {"xyz": "evil:gone"}}, PARSER)
        assert synced() == "failed"
        (site / "evil-1.0.dist-info").rename(tmp_path / "aside")
        installed(site, "evil", {"ragbot.parsers": {"xyz": "evil:parse"}}, version="1.1")
        assert [synced(), synced()] == ["updated", "unchanged"]
        assert memory.recall("plugin")[0].chunk.text == "The plugin was here."
        (site / "evil-1.1.dist-info").rename(tmp_path / "aside too")
        assert [synced(), synced()] == ["updated", "unchanged"]
        assert memory.recall("plugin")[0].chunk.text == "Extract('The plugin was here.')"
