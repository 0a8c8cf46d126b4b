"""Who may do what: rules, the roles that are there from the start, and one pure function that decides."""
