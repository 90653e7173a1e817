"""The small model of the stories, deployed to the stack that the session shares."""

from tests.e2e.conftest import declared, model

__all__ = ["declared", "model"]
