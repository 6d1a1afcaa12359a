"""Sign-in by OpenID Connect over HTTP and on the command line, against a real provider."""
