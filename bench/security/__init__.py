"""What security costs: the door with and without it, and wires with and without encryption."""
