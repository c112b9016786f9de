"""Real passages with their vectors, for the benchmarks of the index: made once, then read.

    python benchmarks/corpus.py DATA OUT [--passages 366000]

DATA is a folder of folders with `*corpus*.jsonl[.gz]` files (fields `text`, `title`). The texts are cut into windows of
whole sentences, of 12 to 60 words; where that is not enough, further windows begin at other sentences. OUT gets `texts.jsonl`,
`vectors.npy` (n, 384), and `queries.jsonl` with `queries.npy`: the questions of the same sets.

Vectors beyond the real ones are made by `spread`.
"""

import argparse
import gzip
import json
import os
import platform
import random
import time
from pathlib import Path

import numpy as np

from ragbot.models import bundled
from ragbot.models.embedder import BundledEmbedder
from ragbot.text.sentences import sentences

SHORTEST, LONGEST = 12, 60
SYNTHETIC_WORDS, SYNTHETIC_DIM, SYNTHETIC_QUESTIONS = 30_000, 64, 1000


def lines(file):
    opened = gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8")
    with opened:
        yield from (json.loads(line) for line in opened if line.strip())


def texts_of(folder):
    for file in sorted(folder.glob("*/*")):
        if "corpus" in file.name or "turns" in file.name:
            for row in lines(file):
                text = row.get("text") or ""
                if sum(character.isascii() for character in text) > 0.9 * len(text):  # the bundled embedder is English
                    yield text


def windows(texts, wanted):
    """Distinct windows of whole sentences; each pass begins one sentence later and ends at another length."""
    spans = [[text[start:end].split() for start, end in sentences(text)] for text in texts]
    found = {}
    for shift, longest in ((0, 60), (1, 44), (0, 30), (2, 60), (1, 24), (3, 50)):
        for words in spans:
            window = []
            for sentence in words[shift:]:
                if window and len(window) + len(sentence) > longest:
                    if len(window) >= SHORTEST:
                        found.setdefault(" ".join(window))
                    window = []
                window = (window + sentence)[:LONGEST]
            if len(window) >= SHORTEST:
                found.setdefault(" ".join(window))
            if len(found) >= wanted:
                return list(found)[:wanted]
    return list(found)


def questions_of(folder):
    for file in sorted(folder.glob("*/queries*.jsonl*")) + sorted(folder.glob("*/*qa*.jsonl*")):
        for row in lines(file):
            text = row.get("text") or row.get("question") or row.get("query")
            if isinstance(text, str) and 4 <= len(text.split()) <= 40 and text.isascii():
                yield text


def spread(vectors, wanted, seed=0):
    """(wanted, dim) unit vectors: the real ones, then real ones mixed with a little of four others.

    A graph over these finds about as much as over real ones alone: noise in all directions would make it find less.
    """
    rng = np.random.default_rng(seed)
    parts, have = [vectors[:wanted]], min(len(vectors), wanted)
    while have < wanted:
        take = min(100_000, wanted - have)
        made = vectors[rng.integers(0, len(vectors), take)].copy()
        for _ in range(4):
            made += rng.uniform(-0.3, 0.3, (take, 1)).astype(np.float32) * vectors[rng.integers(0, len(vectors), take)]
        parts.append(made / np.linalg.norm(made, axis=1, keepdims=True))
        have += take
    return np.concatenate(parts).astype(np.float32)


def synthetic(count, dim=384, seed=0):
    """(texts, vectors, questions, their vectors) of no language and no model, for measurements without a corpus.

    Words are as frequent as in prose (Zipf and Mandelbrot); vectors lie in clusters of a space of fewer dimensions, as real
    ones do, so that a graph finds about as much of them. A question is five words and a vector near those of some passage.
    """
    rng = np.random.default_rng(seed)
    words = np.array(["".join(letters) for letters in rng.choice(list("bdfgklmnprtvz"), (SYNTHETIC_WORDS, 6))])
    frequency = 1 / (np.arange(SYNTHETIC_WORDS) + 20)
    lengths = rng.integers(20, 50, count)
    drawn = words[rng.choice(SYNTHETIC_WORDS, int(lengths.sum()), p=frequency / frequency.sum())]
    texts = [" ".join(some) for some in np.split(drawn, np.cumsum(lengths)[:-1])]
    turn = rng.standard_normal((SYNTHETIC_DIM, dim), np.float32)
    centers = rng.standard_normal((500, SYNTHETIC_DIM), np.float32)

    def unit(latent):
        made = latent @ turn
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    latent = centers[rng.integers(0, len(centers), count)] + rng.standard_normal((count, SYNTHETIC_DIM), np.float32)
    some = rng.integers(0, count, SYNTHETIC_QUESTIONS)
    asked = latent[some] + 0.7 * rng.standard_normal((len(some), SYNTHETIC_DIM), np.float32)
    questions = [" ".join(rng.choice(texts[row].split(), 5, replace=False)) for row in some]
    return texts, unit(latent), questions, unit(asked)


def machine():
    model = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return f"{os.cpu_count()} cores of {model[0]}, Python {platform.python_version()}, {platform.system()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--passages", type=int, default=366_000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = windows(list(texts_of(options.data)), options.passages)
    random.Random(0).shuffle(texts)
    questions = sorted(set(questions_of(options.data)))
    random.Random(0).shuffle(questions)
    questions = questions[:1000]
    print(f"{len(texts)} passages, {len(questions)} questions", flush=True)
    embedder = BundledEmbedder(bundled.MINILM)
    for name, file, some in (("queries", "queries", questions), ("texts", "vectors", texts)):
        (options.out / f"{name}.jsonl").write_text("".join(json.dumps(text) + "\n" for text in some), encoding="utf-8")
        embed(embedder, some, options.out / f"{file}.npy")


def embed(embedder, texts, file):
    """Write the vectors of `texts`; cut off, the next run goes on where this one last saved."""
    partial = file.with_suffix(".partial.npy")
    parts = [np.load(partial)] if partial.exists() else []
    done, began = sum(map(len, parts)), time.monotonic()
    while done < len(texts):
        parts.append(embedder.encode(texts[done : done + 4096]))
        done += len(parts[-1])
        print(f"{file.name} {done} of {len(texts)}, {time.monotonic() - began:.0f} s", flush=True)
        if len(parts) >= 10:
            parts = [np.concatenate(parts)]
            np.save(partial, parts[0])
    np.save(file, np.concatenate(parts))
    partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
