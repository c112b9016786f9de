"""How often text in an old encoding is read as what it is.

    python benchmarks/old_encodings.py [--langs de zh]     # prints one JSON object

The sentences of `old_encodings.json`, by language: each by itself, in pairs, all together, and eight times all, in each encoding.
"""

import argparse
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from corpus import machine

from ingest.parsers.characters import decode


def samples(languages):
    for language, given in languages.items():
        sentences = given["sentences"]
        parts = [[one] for one in sentences] + [list(two) for two in pairwise(sentences)] + [sentences, sentences * 8]
        for encoding in given["encodings"]:
            for part in parts:
                text = "".join(f"{sentence}\n" for sentence in part)
                try:
                    data = text.encode(encoding)
                except UnicodeEncodeError:
                    continue
                if not text.isascii():
                    yield f"{language} {encoding}", text, data


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--langs", nargs="+", help="only these languages of old_encodings.json")
    options = parser.parse_args(argv)
    languages = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    chosen = {name: given for name, given in languages.items() if not options.langs or name in options.langs}
    right, asked = Counter(), Counter()
    for kind, text, data in samples(chosen):
        asked[kind] += 1
        right[kind] += decode(data) == text
    wrong = {kind: f"{asked[kind] - right[kind]} of {asked[kind]}" for kind in asked if right[kind] < asked[kind]}
    found = {"command": "benchmarks/old_encodings.py", "machine": machine(), "samples": asked.total(), "right": right.total()}
    print(json.dumps({**found, "wrong": wrong}, indent=1))


if __name__ == "__main__":
    main()
