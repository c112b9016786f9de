"""How a question finds its passages: query, candidates, fusion, reranking, folding of copies, explanations."""
