"""The version, where everything inside reads it without importing the package's public names."""

__all__ = ("__version__",)

__version__ = "0.2.0"
