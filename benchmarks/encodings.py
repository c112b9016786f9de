"""How often text in an old encoding is read as what it is.

python benchmarks/encodings.py      # prints one JSON object

The sentences of `encodings.json`, by language: each by itself, in pairs, all together, and eight times all, in each encoding.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from corpus import machine

from ingest.parsers.characters import decode


def samples():
    for language, given in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")).items():
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


def main():
    right, asked = Counter(), Counter()
    for kind, text, data in samples():
        asked[kind] += 1
        right[kind] += decode(data) == text
    wrong = {kind: f"{asked[kind] - right[kind]} of {asked[kind]}" for kind in asked if right[kind] < asked[kind]}
    say = {"command": "benchmarks/encodings.py", "machine": machine(), "samples": asked.total(), "right": right.total()}
    print(json.dumps({**say, "wrong": wrong}, indent=1))


if __name__ == "__main__":
    main()
