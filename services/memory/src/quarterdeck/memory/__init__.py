"""Collections, embeddings and hybrid search."""
