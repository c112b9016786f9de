"""The design's import rules and its limits on length, read from the source."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_FILE, MAX_FUNCTION = 450, 50

ROOMS = {
    "ragbot.types": 0,
    "ragbot.errors": 0,
    "ragbot.access": 0.5,
    "ragbot.plugins": 0.5,
    "ragbot.validation": 1,
    "ragbot.settings": 2,
    "ragbot.text": 1,
    "ragbot.safety": 2,
    "ragbot.temporal": 2,
    "ragbot.models": 1,
    "ragbot.store": 1,
    "ragbot.index": 1,
    "ingest.parsers": 2,
    "ingest.parse_pool": 3,
    "ragbot.runtime": 2,
    "ragbot.search": 3,
    "ragbot.maintenance": 4,
    "ragbot.retriever": 5,
    "ragbot.memory": 6,
    "ragbot.changes": 7,
    "ragbot.answer": 7,
    "ragbot.chat": 8,
    "ragbot.evaluate": 9,
    "ragbot.integrations": 9,
    "ragbot.server": 10,
    "ragbot.cli": 11,
    "ingest.state": 5,
    "ingest.sources": 6,
    "ingest.web": 6,
    "ingest.feeds": 6,
    "ingest.remote": 7,
    "ingest.failed_files": 7,
    "ingest.dating": 7,
    "ingest.originals": 7,
    "ingest.pipeline": 8,
    "ingest.watch": 9,
    "ingest.uploads": 9,
    "ingest.jobs": 7,
    "ingest.cli": 12,
    "training": 10,
}
"""Room → layer. Imports go to a lower layer, or stay within the room."""
DOORS = ("ragbot.server",)
"""Rooms of `ragbot` that may import `ingest`."""

OWNERS = {
    "faiss": ("ragbot.index",),
    "xxhash": ("ragbot.index",),
    "filelock": ("ragbot.index", "ingest.jobs"),
    "apscheduler": ("ingest.jobs",),
    "pydantic": ("ragbot.validation", "ingest.jobs", "ragbot.server", "ragbot.integrations"),
    "pydantic_core": ("ragbot.validation",),
    "sqlalchemy": ("ragbot.store",),
    "alembic": ("ragbot.store",),
    "torch": ("ragbot.models", "training"),
    "transformers": ("ragbot.models", "training"),
    "huggingface_hub": ("ragbot.models",),
    "sentence_transformers": ("ragbot.models", "training"),
    "tokenizers": ("ragbot.models",),
    "sentencepiece": ("ragbot.models",),
    "openvino": ("ragbot.models",),
    "safetensors": ("ragbot.models", "training"),
    "peft": ("training",),
    "gguf": ("ragbot.models",),
    "openvino_genai": ("ragbot.models",),
    "platformdirs": ("ragbot.models",),
    "langchain": ("ragbot.models",),
    "langchain_text_splitters": ("ragbot.text",),
    "snowballstemmer": ("ragbot.text",),
    "opencc": ("ragbot.text",),
    "dateparser": ("ragbot.temporal",),
    "pypdf": ("ingest.parsers",),
    "pypdfium2": ("ingest.parsers",),
    "rapidocr": ("ingest.parsers",),
    "PIL": ("ingest.parsers",),
    "watchfiles": ("ingest.watch",),
    "docx": ("ingest.parsers",),
    "pptx": ("ingest.parsers",),
    "python_calamine": ("ingest.parsers",),
    "lxml": ("ingest.parsers",),
    "nh3": ("ragbot.safety",),
    "bs4": ("ingest.parsers",),
    "trafilatura": ("ingest.parsers",),
    "htmldate": ("ingest.parsers",),
    "tinycss2": ("ingest.parsers",),
    "chardet": ("ingest.parsers",),
    "httpx2": ("ingest.web",),
    "httpcore2": ("ingest.web",),
    "protego": ("ingest.web",),
    "feedparser": ("ingest.feeds",),
    "ir_measures": ("ragbot.evaluate",),
    "matplotlib": ("ragbot.evaluate",),
    "fastapi": ("ragbot.server",),
    "starlette": ("ragbot.server",),
    "uvicorn": ("ragbot.server",),
    "argon2": ("ragbot.server",),
    "prometheus_client": ("ragbot.server",),
    "opentelemetry": ("ragbot.server",),
    "limits": ("ragbot.server",),
    "jinja2": ("ragbot.server",),
    "markupsafe": ("ragbot.server",),
    "markdown_it": ("ingest.parsers", "ragbot.server"),
    "mcp": ("ragbot.server",),
    "langchain_core": ("ragbot.integrations", "ragbot.models"),
    "typer": ("ragbot.cli", "ingest.cli"),
    "rich": ("ragbot.cli", "ingest.cli"),
}
"""Library → the rooms that may import it."""
HEAVY = {
    "ir_measures",
    "matplotlib",
    "torch",
    "transformers",
    "huggingface_hub",
    "sentence_transformers",
    "openvino",
    "openvino_genai",
    "langchain",
    "langchain_text_splitters",
}
"""Libraries that are imported in functions only. `training` is about torch from end to end and is left out."""


@dataclass(frozen=True)
class Module:
    """A parsed module of the project."""

    name: str
    room: str | None
    lines: int
    tree: ast.Module
    imports: list[tuple[str, bool]]
    """(module, whether it is imported when this one is)"""


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str | None:
    return next((room for room in ROOMS if name == room or name.startswith(f"{room}.")), None)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports_of(node: ast.AST, at_import: bool = True) -> list[tuple[str, bool]]:
    """Every import below a node; those in functions or for type checking run later, or never."""
    found = []
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Import):
            found += [(alias.name, at_import) for alias in inner.names]
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "relative imports hide the layer"
            found += [(f"{inner.module}.{alias.name}", at_import) for alias in inner.names]
        else:
            later = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) or is_type_checking(inner)
            found += imports_of(inner, at_import and not later)
    return found


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    found = []
    for package in ("ragbot", "ingest", "training"):
        for file in sorted((ROOT / package).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            tree, name = ast.parse(text), module_name(file)
            found.append(Module(name, room_of(name), len(text.splitlines()), tree, imports_of(tree)))
    assert len(found) > 100
    return found


def test_imports_go_down(modules):
    wrong = []
    for one in modules:
        if one.room is None and one.name not in ("ragbot", "ingest", "ragbot.__main__"):
            wrong.append(f"{one.name} has no room: give it one in ROOMS")
        for name, _ in one.imports:
            there = room_of(name)
            if one.room and there and there != one.room and ROOMS[there] >= ROOMS[one.room]:
                wrong.append(f"{one.name} (layer {ROOMS[one.room]}) imports {name} (layer {ROOMS[there]})")
            if one.name.startswith("ragbot") and one.room not in DOORS and name.partition(".")[0] in ("ingest", "training"):
                wrong.append(f"{one.name} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_each_library_has_its_rooms(modules):
    wrong = [
        f"{one.name} imports {name}, which {' and '.join(OWNERS[library])} may"
        for one in modules
        for name, _ in one.imports
        if (library := name.partition(".")[0]) in OWNERS and (one.room or one.name) not in OWNERS[library]
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_are_imported_in_functions(modules):
    wrong = [
        f"{one.name} imports {name} at once"
        for one in modules
        for name, at_import in one.imports
        if at_import and one.room != "training" and name.partition(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_rooms_and_functions_are_short_and_say_what_they_are_for(modules):
    wrong = []
    for one in modules:
        if one.lines and not ast.get_docstring(one.tree):
            wrong.append(f"{one.name} has no docstring")
        if one.lines > MAX_FILE:
            wrong.append(f"{one.name} has {one.lines} lines: it asks to be two")
        for node in ast.walk(one.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION:
                    wrong.append(f"{one.name}.{node.name} has {length} lines: it asks to be two")
    assert not wrong, "\n".join(wrong)


def test_no_broad_except_below_the_doors(modules):
    wrong = []
    for one in modules:
        for node in ast.walk(one.tree):
            if isinstance(node, ast.ExceptHandler) and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                caught = ast.walk(node.type) if node.type else [ast.Name("BaseException")]
                broad = {inner.id for inner in caught if isinstance(inner, ast.Name)} & {"Exception", "BaseException"}
                handed_on = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} & {"failed", "queue", "damage"}
                if broad and not handed_on:
                    wrong.append(f"{one.name} line {node.lineno}: neither raises again nor hands the failure on")
    assert not wrong, "\n".join(wrong)
