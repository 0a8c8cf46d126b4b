"""What the end-to-end tests are built from: real processes, the example on a small month, and kills."""
