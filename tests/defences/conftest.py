"""What all tests of defences share."""

from tests.attacks.conftest import quick_programs

__all__ = ["quick_programs"]
