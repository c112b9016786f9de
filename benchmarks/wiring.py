"""Is the evaluation wired right? SciFact with the default embedder alone, one vector for a whole abstract: nDCG@10 .645 ± .005.

    python benchmarks/wiring.py FOLDER [--limit 300]     # 1 where it is further off

The published figure is of whole texts, cut off at 256 tokens; a memory makes passages of them, and finds more.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from ragbot.evaluate.retrieval import measures
from ragbot.evaluate.retrieval.sets import read_set
from ragbot.models import bundled
from ragbot.models.embedder import open_embedder

PUBLISHED, NEAR = 0.645, 0.005


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="only so many of the questions")
    options = parser.parse_args(argv)
    chosen, embedder = read_set(options.folder), open_embedder(bundled.MINILM)
    questions = chosen.questions[: options.limit]
    documents = embedder.encode([f"{one.title} {one.text}" for one in chosen.entries])
    queries = np.array([embedder.encode_query(one.text) for one in questions])
    found = [[chosen.entries[at].id for at in np.argsort(-row)[:10]] for row in queries @ documents.T]
    ndcg = np.mean(measures.measured(questions, found, [10])["nDCG@10"])
    print(f"{chosen.name}, {embedder.model} alone, whole texts: nDCG@10 {ndcg:.4f}, published {PUBLISHED}")
    return 0 if abs(ndcg - PUBLISHED) <= NEAR else 1


if __name__ == "__main__":
    sys.exit(main())
