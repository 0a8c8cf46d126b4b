"""A run's journal as AG-UI events. Pure: journal events in, protocol events out."""
