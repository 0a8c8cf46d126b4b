"""How often something may be done: allowances, shared through Redis or kept in this process."""
