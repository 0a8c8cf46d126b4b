"""Generated gRPC contracts of Quarterdeck."""
