"""A replay in this process, as the command plays it."""

from collections.abc import Sequence

from deployments.replay.playing import play, reviewer_of, windows_of
from deployments.replay.policies import rules_of
from deployments.replay.results import Replay
from deployments.replay.world import World
from deployments.shadow.feed import read_feed
from deployments.shadow.home import shadow_home
from tasks.spec import load_spec


def replayed(model: str, policies: Sequence[str], until: str, reviewer: str) -> Replay:
    """The history of a model up to a window, in a home that is gone afterwards."""
    spec = load_spec(model)
    with shadow_home():
        feed = read_feed(spec)
        windows = windows_of(feed, None, until)
        rules, answers = rules_of(spec, list(policies)), reviewer_of(reviewer, spec)
        return play(World(feed), windows, rules, answers, lambda *_: None)
