"""Records journals of representative runs, which every later fold must read to the same state."""
