"""Texts to vectors: providers behind one interface, and a cache in front of them."""
