"""Candidates and champions: what is registered, and which version is in charge."""

from tasks.registry.registration import register
from tasks.registry.repackaging import replace_bento
from tasks.registry.succession import (
    champion,
    crown,
    fallback,
    find_version,
    predecessors,
    repair,
    require_champion,
)
from tasks.registry.warrants import require_warrant

__all__ = [
    "champion",
    "crown",
    "fallback",
    "find_version",
    "predecessors",
    "register",
    "repair",
    "replace_bento",
    "require_champion",
    "require_warrant",
]
