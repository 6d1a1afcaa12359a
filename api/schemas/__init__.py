"""Shapes of requests and answers, camelCase as the governance document shows them."""
