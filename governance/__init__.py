"""Words and judgements of the registry: pure Python, no web, ORM, orchestrator or cloud import."""
