"""Pages for people: signing in, one's requests, and the story of one. Rendered here; none needs a script."""
