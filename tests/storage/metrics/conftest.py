from tests.fixtures.registries import shared_registry

__all__ = ["shared_registry"]
