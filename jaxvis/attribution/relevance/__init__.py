"""Layer-wise relevance propagation: a score, handed back to the pixels that it came from."""
