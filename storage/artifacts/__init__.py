"""Where artifacts' bytes live: a directory of this machine, or a bucket of any S3-speaking server.

Both implement `governance.artifact_store.ArtifactStore`. The flow of an upload is the same in both: bytes are
counted and hashed as they pass (`intake`), wait in a place that no reader looks at, and become visible in one
atomic step under the name that their own SHA-256 gives them.
"""
