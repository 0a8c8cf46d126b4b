"""`VectorEngine` over a Qdrant server. Imported on first use only: the client brings much along."""
