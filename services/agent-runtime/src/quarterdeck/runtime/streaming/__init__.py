"""How events of runs reach those who stream them: from the journal, live, and from other processes."""
