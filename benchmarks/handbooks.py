"""The two handbooks that questions were written about, and what the benchmarks over them share."""

import argparse
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
HANDBOOKS = {"en": HERE.parent / "docs/demo/handbook", "zh": HERE / "cross_lingual/handbook-zh"}
PARTS = {"dev": slice(0, None, 2), "held": slice(1, None, 2), "all": slice(None)}


@contextmanager
def home_with(*languages):
    """A folder with the memory of the handbooks of these languages, until it is left."""
    with tempfile.TemporaryDirectory() as home:
        told = [str(HANDBOOKS[language]) for language in languages]
        command = [sys.executable, "-m", "ingest.cli", "add", *told, "--home", home, "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        yield home


def holds(text, quote):
    """Whether a text holds the quoted words, white space aside."""
    return "".join(quote.split()) in "".join(text.split())


def cites(turn, quote):
    """Whether an answer cites the quoted words, or some of them."""
    return any(holds(citation.quote, quote) or holds(quote, citation.quote) for citation in turn.citations)


def options(description):
    """The options that all of them take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="all", help="every second question, the others, or all (default)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="what was said or missed, on standard error")
    return parser
