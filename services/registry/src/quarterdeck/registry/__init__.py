"""Resources: validation, revisions, watch, conditions."""
