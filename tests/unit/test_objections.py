"""Whose answer counts for which evidence, with signatures of a real OpenSSH."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.errors import ConfigError
from infra.signatures import sign, unknown_signers
from tasks.governance.answers import Answer, DriftAnswer, suggested
from tasks.governance.objections import objections, statement
from tasks.governance.spec import ApprovalSpec
from tasks.references import Action, Diagnosis, Evidence, Subject, VerdictCause, WatchKind
from tests.support.homes import environment
from tests.support.subjects import drift

_SIGNED = ApprovalSpec(signed=True, signers="allowed_signers")
_HERE, _THERE = "a" * 64, "b" * 64


@pytest.fixture
def key(tmp_path: Path) -> Iterator[Path]:
    """Ann's key, which the model ``shop`` allows to sign."""
    key, model = tmp_path / "ann", tmp_path / "models" / "shop"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)],  # noqa: S607 - found on PATH
        check=True,
    )
    model.mkdir(parents=True)
    model.joinpath("allowed_signers").write_text(f"ann {key.with_suffix('.pub').read_text()}")
    with environment({"PERENNIAL_MODELS": str(tmp_path / "models")}):
        yield key


def signed(key: Path, digest: str = _HERE) -> Answer:
    """Ann's approval of the evidence of a digest."""
    answer = Answer(approve=True, reason="It is well.", reviewer="ann")
    return answer.model_copy(update={"signature": sign(statement(answer, digest), key)})


def shown(digest: str = _HERE, subject: Subject = Subject.CANDIDATE, *authors: str) -> Evidence:
    """Evidence about the model ``shop``, whose change some people wrote."""
    return Evidence(
        subject=subject,
        model="shop",
        as_of=drift().as_of,
        title="",
        markdown="",
        payload={"authors": list(authors)},
        digest=digest,
    )


def against(answer: Answer, approval: ApprovalSpec = _SIGNED, digest: str = _HERE) -> str:
    """What keeps an answer about a candidate of the model ``shop`` from counting."""
    return " ".join(objections(answer, approval, shown(digest)))


ANN = "Ann Lee <ann@example.org>"


@pytest.mark.parametrize("name", ["ann", "Ann Lee", "ANN@example.org", "  ann  lee "])
def test_the_author_of_a_change_may_refuse_it_but_not_approve_it(name: str) -> None:
    """By name, by address, or by the name in the address; a declaration may allow it."""
    said, evidence = (
        Answer(approve=True, reason="It is well.", reviewer=name),
        shown(_HERE, Subject.CANDIDATE, "Bob Ray <bob@example.org>", ANN),
    )
    refusal = said.model_copy(update={"approve": False})

    [objection] = objections(said, ApprovalSpec(), evidence)

    assert objection.endswith("the author of a change may not approve it.")
    assert objections(refusal, ApprovalSpec(), evidence) == ()
    assert objections(said, ApprovalSpec(author_may_approve=True), evidence) == ()


def test_somebody_else_may_approve() -> None:
    """A name within another is another's; evidence of before authors were kept names nobody."""
    said = Answer(approve=True, reason="It is well.", reviewer="an")

    assert objections(said, ApprovalSpec(), shown(_HERE, Subject.CANDIDATE, ANN)) == ()
    assert objections(said, ApprovalSpec(), shown().model_copy(update={"payload": {}})) == ()


def test_two_people_are_two() -> None:
    """However the same one writes his name."""
    two = ApprovalSpec(approvals=2)
    said = Answer(approve=True, reason="It is well.", reviewer=" Ann ")

    assert objections(said, two, shown(), ["bob"]) == ()
    assert objections(said, two, shown(), ["ann"]) == (
        "Ann has approved already; it takes 2 people.",
    )


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"approvals": 2, "reviewers": ["ann"]}, "asks for 2 people, but reviewers names 1"),
        ({"approvals": 2, "default": "approve"}, "stand for the approvals that are missing"),
        ({"reviewers": ["ann", "Ann"]}, "names somebody twice"),
        ({"approvals": 0}, "greater than or equal to 1"),
        ({"signed": True, "signers": "a", "default": "approve"}, "the signature that is missing"),
    ],
)
def test_an_approval_that_contradicts_itself_is_refused(
    given: dict[str, object], fault: str
) -> None:
    """When the file is read, not when somebody waits for a decision."""
    with pytest.raises(ValidationError, match=fault):
        ApprovalSpec.model_validate(given)


def test_a_signature_counts_for_the_evidence_that_it_names(key: Path) -> None:
    """What ann signed is what she said, about what she was shown."""
    assert against(signed(key)) == ""


def test_a_signed_approval_cannot_be_replayed_for_other_evidence(key: Path) -> None:
    """The signed text holds the digest: the same signature under other evidence is refused."""
    assert "not a signature of ann under this decision and evidence" in against(
        signed(key), digest=_THERE
    )


@pytest.mark.parametrize(
    "changes", [{"approve": False}, {"reason": "It is ill."}, {"reviewer": "bob"}]
)
def test_a_signature_holds_for_nothing_but_what_was_signed(
    key: Path, changes: dict[str, object]
) -> None:
    """Decision, reason and name are part of the text."""
    assert "not a signature" in against(signed(key).model_copy(update=changes))


def test_a_reviewer_without_a_key_is_found_before_somebody_waits_for_him(
    key: Path, tmp_path: Path
) -> None:
    """Patterns of names count as OpenSSH reads them; a file that is not there is a sentence."""
    signers = tmp_path / "signers"
    signers.write_text(f"# the team\n\nann,*@example.org {key.with_suffix('.pub').read_text()}")

    assert unknown_signers(["ann", "bob@example.org", "bob"], signers) == ("bob",)
    with pytest.raises(ConfigError, match="gone, cannot be read"):
        unknown_signers(["ann"], tmp_path / "gone")


def test_a_form_does_not_count_where_signatures_are_demanded(key: Path) -> None:
    """It says how to sign, and the run asks again."""
    unsigned = Answer(approve=True, reason="It is well.", reviewer="ann")

    assert "perennial review shop ... --sign KEY" in against(unsigned)
    assert against(unsigned, ApprovalSpec()) == ""


def test_a_signature_that_cannot_be_checked_does_not_count(key: Path) -> None:
    """Without a file of keys nobody knows whose it is."""
    lost = ApprovalSpec(signers="gone")

    assert "declares no allowed signers" in against(signed(key), ApprovalSpec())
    assert "gone, is not there" in against(signed(key), lost)


def test_a_key_that_is_not_there_signs_nothing(tmp_path: Path) -> None:
    """A typo after --sign is an error with a hint."""
    with pytest.raises(ConfigError, match="did not sign"):
        sign("text", tmp_path / "nobody")


def test_signatures_are_not_demanded_without_keys_that_count() -> None:
    """Such a declaration could never be satisfied."""
    with pytest.raises(ValidationError, match="signers"):
        ApprovalSpec(signed=True)


@pytest.mark.parametrize(
    ("said", "approve"),
    [(Diagnosis.WORLD, True), (Diagnosis.BROKEN, False), (Diagnosis.EXPECTED, False)],
)
def test_only_a_changed_world_is_trained_on(said: Diagnosis, *, approve: bool) -> None:
    """Of drift a reviewer says what it is; what is done follows."""
    assert DriftAnswer(approve=not approve, diagnosis=said).approve is approve


def test_drift_is_not_refused_without_saying_what_it_is() -> None:
    """The ledger keeps it, so that the policy can be judged by it."""
    answer = DriftAnswer(approve=False, reason="It is well.", reviewer="ann")

    found = objections(answer, ApprovalSpec(), shown(subject=Subject.DRIFT))

    assert found == ("Say what it is: the world, broken, or expected.",)


def test_the_form_shows_what_its_subject_asks_and_no_more() -> None:
    """Of drift: reason, reviewer, diagnosis. A signature is handed over by the command alone."""
    shown = DriftAnswer.model_json_schema()

    assert set(shown["properties"]) == {"reason", "reviewer", "diagnosis"}
    assert set(Answer.model_json_schema()["properties"]) == {"approve", "reason", "reviewer"}
    assert shown["additionalProperties"] is True


@pytest.mark.parametrize(
    ("kind", "diagnosis"),
    [
        (WatchKind.MISSING, Diagnosis.BROKEN),
        (WatchKind.FEATURES, Diagnosis.EXPECTED),
        (WatchKind.PERFORMANCE, Diagnosis.WORLD),
    ],
)
def test_the_heaviest_cause_suggests_what_it_is(kind: WatchKind, diagnosis: Diagnosis) -> None:
    """A gap speaks for a feed, moved features for the season, a fallen metric for the world."""
    cause = VerdictCause(kind=kind, action=Action.ASK, weight=0.5, sentence="It is so.")
    verdict = drift().model_copy(update={"causes": (cause,)})

    evidence = Evidence(
        subject=Subject.DRIFT,
        model=verdict.model,
        as_of=verdict.as_of,
        title="",
        markdown="",
        payload={"verdict": json.loads(verdict.model_dump_json())},
        digest=_HERE,
    )

    assert suggested(evidence) is diagnosis


def test_a_fault_of_the_data_suggests_a_broken_feed_whatever_fell_beside_it() -> None:
    """The metric fell by more than anything else, in a window of which half is missing."""
    found = (
        VerdictCause(kind=WatchKind.PERFORMANCE, action=Action.RETRAIN, sentence="It fell."),
        VerdictCause(kind=WatchKind.MISSING, action=Action.ALERT, sentence="Half is gone."),
    )
    verdict = drift().model_copy(update={"causes": found})

    evidence = Evidence(
        subject=Subject.DRIFT,
        model=verdict.model,
        as_of=verdict.as_of,
        title="",
        markdown="",
        payload={"verdict": json.loads(verdict.model_dump_json())},
        digest=_HERE,
    )

    assert suggested(evidence) is Diagnosis.BROKEN
