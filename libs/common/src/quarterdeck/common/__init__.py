"""What every Quarterdeck service needs: configuration and owns: identity, database, bus, cache, gRPC."""
