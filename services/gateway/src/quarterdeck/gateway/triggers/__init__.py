"""Routes and webhooks that Trigger objects declare; matched after everything of our own."""
