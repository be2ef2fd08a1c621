from tests.newcomer.conftest import environment, server

__all__ = ("environment", "server")
