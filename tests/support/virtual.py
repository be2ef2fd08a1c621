"""The virtual clock, under the name that the tests know it by."""

from headwater.testing.virtual_time import VirtualLoop, run_virtual

__all__ = ("VirtualLoop", "run_virtual")
