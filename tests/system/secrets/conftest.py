from tests.system.error_messages.conftest import environment, server

__all__ = ("environment", "server")
