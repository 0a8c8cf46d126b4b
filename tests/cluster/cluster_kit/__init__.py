"""What tests of a deployed platform use."""
