"""The word above a page: how the model is, by what followed from the newest verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from deployments.beginning import to_begin
from deployments.pages.gathering import Facts
from deployments.pages.story import Judged, Outcome, Reviewed, Trained
from deployments.pages.wording import Want, newest_judged
from tasks.references import Action, Subject


@dataclass(frozen=True)
class Headline:
    """How a model is.

    Attributes:
        kind: for the colour.
        word: a few words.
        sentence: what they rest on.
        told: the want that the sentence is the title of, where it is one.
    """

    kind: str
    word: str
    sentence: str
    told: Want | None = None


def headline(facts: Facts, wants: tuple[Want, ...]) -> Headline:
    """The word above the page: what wants a person comes before all that goes well."""
    asks = [each for each in wants if each.kind == "ask"]
    bad = [each for each in wants if each.kind == "bad"]
    if asks:
        many = f"{len(asks)} decisions wait" if len(asks) > 1 else "A decision waits"
        return Headline("ask", many, asks[0].title, asks[0])
    if bad:
        return Headline("bad", bad[0].word or "Something is wrong", bad[0].title, bad[0])
    found = _standing(facts)
    looks = [each for each in wants if each.kind == "look"]
    stalled = next((each for each in looks if each.word), None)
    if stalled and found.kind != "bad":  # what followed from an old verdict is no news
        return Headline("look", stalled.word, stalled.title, stalled)
    if looks and found.kind in {"well", "quiet"}:
        word = "Worth a look" if found.kind == "well" else found.word
        return Headline("look", word, looks[0].title, looks[0])
    return found


def _standing(facts: Facts) -> Headline:
    """How the model is, whatever wants a person."""
    newest = newest_judged(facts)
    if facts.champion is None:
        return _before_the_first(facts)
    if newest is None:
        return Headline("quiet", "Not watched yet", "No window was judged so far.")
    return _FOLLOWED[newest.action](newest, facts)


def _before_the_first(facts: Facts) -> Headline:
    """Nothing is in charge: what came of the last training, or what is to be done first."""
    if _trains(facts):
        return Headline("act", "A training runs", "It may bring the first version.")
    if facts.story.trained:
        return _of_challenger(facts.story.trained[-1], facts)
    there = any(each.is_let_in for each in facts.story.batches)
    said = to_begin(facts.spec.name, with_data=there)
    return Headline("quiet", "Nothing is in charge yet", said)


def _heaviest(newest: Judged) -> str:
    """The cause that asks for most; empty where nothing asks for anything."""
    return next((each.sentence for each in newest.causes if each.action is not Action.REST), "")


def _of_rest(newest: Judged, _facts: Facts) -> Headline:
    said = "The last window gave no reason to act."
    return Headline("well", "Nothing is to be done", _heaviest(newest) or said)


def _of_alert(newest: Judged, _facts: Facts) -> Headline:
    said = "The champion goes on; somebody should look."
    return Headline("look", "Worth a look", _heaviest(newest) or said)


def _of_question(newest: Judged, facts: Facts) -> Headline:
    """What became of the question that a verdict asked."""
    asked = [
        each
        for each in facts.story.reviewed
        if each.subject == Subject.DRIFT and each.as_of == newest.as_of
    ]
    review = asked[-1] if asked else None
    if review is None or review.outcome is Outcome.WAITING:
        said = "The last window asks for a decision."
        return Headline("ask", "A person decides", _heaviest(newest) or said)
    if review.outcome is Outcome.APPROVED:
        return _of_training(newest, facts)
    return _answered(review)


def _answered(review: Reviewed) -> Headline:
    word = {
        Outcome.BROKEN: "Said to be broken",
        Outcome.EXPECTED: "Said to be expected",
        Outcome.VOID: "The decision is void",
    }.get(review.outcome, "No training is wanted")
    kind = "well" if review.outcome is Outcome.EXPECTED else "look"
    return Headline(kind, word, f"{review.actor}: {review.reason}")


def _of_training(newest: Judged, facts: Facts) -> Headline:
    """What became of the training that a verdict asked for."""
    cause = _heaviest(newest) or "The last window asked for a training."
    if _trains(facts):
        return Headline("act", "A training runs", cause)
    since = [
        each
        for each in facts.story.trained
        if each.as_of >= newest.as_of and each.version != newest.champion
    ]
    if since:
        return _of_challenger(since[-1], facts)
    run = (facts.last or {}).get("train")
    if run is not None and run.at >= newest.at:
        said = f"Its run ended as {run.state}, and brought no challenger."
        return Headline("look", "The training brought nothing", said)
    if newest.held:
        return Headline("look", "Waits for the freeze", f"The training waits: {newest.held}.")
    return Headline("act", "A training was asked for", cause)


def _trains(facts: Facts) -> bool:
    run = (facts.last or {}).get("train")
    return run is not None and run.going_on


def _of_challenger(came: Trained, facts: Facts) -> Headline:
    """What became of a version that was trained."""
    version, champion = came.version, facts.champion
    match came.outcome:
        case Outcome.PROMOTED:
            return _of_promoted(came, facts)
        case Outcome.WAITING:
            kind, word, said = "ask", f"Version {version} waits for a decision", came.why
        case Outcome.ALLOWED:
            kind, word, said = "act", f"Version {version} is approved, not in charge yet", came.why
        case Outcome.VOID:
            kind, word = "look", f"The decision on version {version} is void"
            said = "What was decided on had changed meanwhile: nothing followed from it."
        case _ if champion is None:
            kind, word, said = "look", f"Version {version} was refused", came.why
        case _:
            kind, word = "look", "Challenger refused"
            said = f"Version {version}: {came.why} Version {champion.version} goes on."
    return Headline(kind, word, said)


def _of_promoted(came: Trained, facts: Facts) -> Headline:
    champion = facts.champion
    if champion is None or champion.version == came.version:
        return Headline("well", f"Trained again: version {came.version} is in charge", came.why)
    word = f"Version {champion.version} is in charge again"
    return Headline("look", word, f"Version {came.version} took over meanwhile: {came.why}")


def _of_rollback(newest: Judged, facts: Facts) -> Headline:
    """Whether the older version that a verdict brings back is in charge."""
    cause = _heaviest(newest) or "The last window brings an older version back."
    back = [each for each in facts.story.reigns if each.back and each.since >= newest.as_of]
    if not back:
        return Headline("bad", "A rollback was asked for", cause)
    return Headline("bad", f"Rolled back: version {back[-1].version} is in charge again", cause)


_FOLLOWED: Final[Mapping[Action, Callable[[Judged, Facts], Headline]]] = {
    Action.REST: _of_rest,
    Action.ALERT: _of_alert,
    Action.ASK: _of_question,
    Action.RETRAIN: _of_training,
    Action.ROLLBACK: _of_rollback,
}
