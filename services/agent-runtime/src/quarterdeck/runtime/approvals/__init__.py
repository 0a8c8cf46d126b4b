"""Who may decide, what they may answer, and the decision itself."""
