"""A deterministic simulation of the run engine, part of the public test kit.

Several real workers run in one thread and in virtual time over simulated services, while a seeded adversary
lets go wrong what can. See `docs/simulation.md`.
"""
