"""Is the evaluation wired right? SciFact with the default embedder alone, one vector for a whole abstract: nDCG@10 .645 ± .005.

    python benchmarks/wiring.py FOLDER

The published figure is of whole texts, cut off at 256 tokens; a memory makes passages of them, and finds more.
"""

import sys
from pathlib import Path

import numpy as np

from ragbot.evaluate.retrieval import measures
from ragbot.evaluate.retrieval.sets import read_set
from ragbot.models.embedder import open_embedder
from ragbot.settings import Config

PUBLISHED, NEAR = 0.645, 0.005


def main(folder):
    chosen, embedder = read_set(Path(folder)), open_embedder(Config().embedder)
    documents = embedder.encode([f"{one.title} {one.text}" for one in chosen.entries])
    queries = np.array([embedder.encode_query(one.text) for one in chosen.questions])
    found = [[chosen.entries[at].id for at in np.argsort(-row)[:10]] for row in queries @ documents.T]
    ndcg = np.mean(measures.measured(chosen.questions, found, [10])["nDCG@10"])
    print(f"{chosen.name}, {embedder.model} alone, whole texts: nDCG@10 {ndcg:.4f}, published {PUBLISHED}")
    return 0 if abs(ndcg - PUBLISHED) <= NEAR else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
