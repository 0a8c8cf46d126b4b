"""The runtime's part of the public test kit: the real engine over a database of its own.

Tools and models are what the test says; time can be skipped. Nothing of the engine is replaced.
"""
