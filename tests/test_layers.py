"""The design's import rules and its limits on length, read from the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(file for package in ("ragbot", "ingest") for file in (ROOT / package).rglob("*.py"))
MAX_FILE, MAX_FUNCTION = 450, 50

ROOMS = {
    "ragbot.types": 0,
    "ragbot.errors": 0,
    "ragbot.config": 1,
    "ragbot.text": 1,
    "ragbot.models": 1,
    "ragbot.store": 1,
    "ragbot.index": 1,
    "ragbot.ranking": 1,
    "ragbot.persona": 1,
    "ragbot.prompt": 2,
    "ragbot.checking": 2,
    "ingest.readers": 1,
    "ragbot.spaces": 2,
    "ragbot.recalling": 2,
    "ragbot.drafting": 2,
    "ragbot.reranking": 2,
    "ragbot.inputs": 3,
    "ragbot.upkeep": 3,
    "ragbot.memory": 4,
    "ragbot.grounding": 4,
    "ragbot.learn": 5,
    "ragbot.answering": 5,
    "ragbot.chat": 6,
    "ragbot.terminal": 5,
    "ragbot.evaluate": 7,
    "ingest.reading": 2,
    "ingest.sources": 4,
    "ingest.web": 4,
    "ingest.feeds": 4,
    "ingest.remote": 5,
    "ingest.verdicts": 5,
    "ingest.pipeline": 6,
    "ingest.watching": 7,
    "ingest.jobs": 5,
    "ingest.cli_jobs": 6,
    "ragbot.cli_eval": 8,
    "ragbot.cli": 9,
    "ingest.cli": 8,
}
"""Room → layer. Imports go to a lower layer, or stay within the room."""

OWNERS = {
    "faiss": "ragbot.index",
    "xxhash": "ragbot.index",
    "filelock": ("ragbot.index", "ingest.jobs"),
    "apscheduler": "ingest.jobs",
    "sqlalchemy": "ragbot.store",
    "alembic": "ragbot.store",
    "torch": ("ragbot.models", "ragbot.learn"),
    "transformers": ("ragbot.models", "ragbot.learn"),
    "sentence_transformers": "ragbot.models",
    "tokenizers": "ragbot.models",
    "openvino": "ragbot.models",
    "safetensors": ("ragbot.models", "ragbot.learn"),
    "peft": "ragbot.learn",
    "gguf": "ragbot.models",
    "openvino_genai": "ragbot.models",
    "platformdirs": "ragbot.models",
    "langchain": "ragbot.models",
    "langchain_text_splitters": "ragbot.text",
    "snowballstemmer": "ragbot.text",
    "pypdf": "ingest.readers",
    "pypdfium2": "ingest.readers",
    "rapidocr": "ingest.readers",
    "PIL": "ingest.readers",
    "watchfiles": "ingest.watching",
    "docx": "ingest.readers",
    "pptx": "ingest.readers",
    "python_calamine": "ingest.readers",
    "lxml": "ingest.readers",
    "bs4": "ingest.readers",
    "chardet": "ingest.readers",
    "httpx2": "ingest.web",
    "httpcore2": "ingest.web",
    "protego": "ingest.web",
    "feedparser": "ingest.feeds",
    "ir_measures": "ragbot.evaluate",
    "matplotlib": "ragbot.evaluate",
}
DOORS = {
    "typer": ("ragbot.cli", "ragbot.cli_eval", "ragbot.terminal", "ingest.cli", "ingest.cli_jobs"),
    "rich": ("ragbot.terminal", "ingest.cli"),
}
HEAVY = {
    "ir_measures",
    "matplotlib",
    "torch",
    "transformers",
    "sentence_transformers",
    "openvino",
    "openvino_genai",
    "langchain",
    "langchain_text_splitters",
}

TRAINING = "ragbot.learn"
"""The one room that is about torch from end to end; nothing imports it where start-up matters."""


def module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str | None:
    return next((r for r in ROOMS if name == r or name.startswith(r + ".")), None)


def imports(tree: ast.AST) -> list[tuple[str, bool]]:
    """(module, whether it is imported when this one is) of every import; those for type checking count too."""
    top = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            top |= {id(inner) for inner in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            found += [(f"{node.module}.{alias.name}", id(node) not in top) for alias in node.names]
    return found


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=module)
def test_imports_go_down(file):
    here = room(module(file))
    if here is None:
        assert module(file) in ("ragbot", "ingest"), f"{module(file)} has no room: give it one in ROOMS"
        return
    for name, _ in imports(parse(file)):
        there = room(name)
        if there and there != here:
            assert ROOMS[there] < ROOMS[here], f"{module(file)} (layer {ROOMS[here]}) imports {name} (layer {ROOMS[there]})"
        if here.startswith("ragbot."):
            assert name.partition(".")[0] != "ingest", f"{module(file)} imports {name}: ragbot never imports ingest"


@pytest.mark.parametrize("file", FILES, ids=module)
def test_each_library_has_one_owner(file):
    here = room(module(file)) or module(file)
    for name, _ in imports(parse(file)):
        library = name.partition(".")[0]
        if library in OWNERS:
            owners = OWNERS[library] if isinstance(OWNERS[library], tuple) else (OWNERS[library],)
            assert here in owners, f"{module(file)} imports {library}, which {' and '.join(owners)} may"
        if library in DOORS:
            assert here in DOORS[library], f"{module(file)} imports {library}, which only doors may"


@pytest.mark.parametrize("file", FILES, ids=module)
def test_heavy_libraries_are_imported_in_functions(file):
    if module(file).startswith(f"{TRAINING}."):
        return
    tree = parse(file)
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in guarded or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for name, at_import in imports(ast.Module([node], [])):
            in_function = any(
                isinstance(outer, ast.FunctionDef) and any(inner is node for inner in ast.walk(outer)) for outer in ast.walk(tree)
            )
            assert not (at_import and not in_function and name.partition(".")[0] in HEAVY), (
                f"{module(file)} imports {name} at once"
            )


@pytest.mark.parametrize("file", FILES, ids=module)
def test_rooms_and_functions_are_short(file):
    tree = parse(file)
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE, f"{module(file)} has {lines} lines: it asks to be two"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{module(file)}.{node.name} has {length} lines: it asks to be two"


@pytest.mark.parametrize("file", FILES, ids=module)
def test_no_broad_except_below_the_doors(file):
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.ExceptHandler) and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            names = {inner.id for inner in ast.walk(node.type) if isinstance(inner, ast.Name)} if node.type else {"BaseException"}
            broad = names & {"Exception", "BaseException"}
            where = f"{module(file)} line {node.lineno}"
            told = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} & {"failed", "queue", "damage"}
            assert not broad or told, f"{where}: a broad except that neither raises again nor hands the failure on"


def test_modules_say_what_they_are_for():
    for file in FILES:
        source = file.read_text(encoding="utf-8")
        assert not source.strip() or ast.get_docstring(ast.parse(source)), f"{module(file)} has no docstring"


def test_python_files_are_found():
    assert len(FILES) > 25
