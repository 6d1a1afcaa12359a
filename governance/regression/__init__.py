"""Whether a version became worse."""
