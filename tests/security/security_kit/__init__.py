"""What the tests of security share: a real platform, somebody of each role, and what no answer may say."""
