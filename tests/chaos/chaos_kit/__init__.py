"""What `make chaos` is made of: a deployment with several workers, faults, and a judge outside."""
