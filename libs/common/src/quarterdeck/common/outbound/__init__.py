"""Connections to what users name: never to what is inside, and only to the address that was looked at."""
