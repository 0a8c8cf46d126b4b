"""People in a browser: signed in by authorization code with PKCE, known by a cookie from then on."""
