"""What the tests of bad weather share."""
