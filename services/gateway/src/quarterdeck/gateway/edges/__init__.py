"""What guards the doors besides credentials and roles: rates, addresses, headers, browsers."""
