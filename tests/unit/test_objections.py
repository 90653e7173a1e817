"""Whose answer counts for which evidence, with signatures of a real OpenSSH."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from infra.errors import ConfigError
from infra.signatures import fingerprint, sign
from infra.signers import sharing_a_key, signers_in, without_key
from tasks.governance.answers import Answer, DriftAnswer, suggested
from tasks.governance.objections import objections, statement
from tasks.governance.rules import Rules
from tasks.governance.spec import ApprovalSpec
from tasks.references import Action, Diagnosis, Evidence, Subject, VerdictCause, WatchKind
from tests.support.homes import environment
from tests.support.repositories import committed, git
from tests.support.subjects import drift

_KEYS = ApprovalSpec(signers="allowed_signers")
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


def against(answer: Answer, approval: ApprovalSpec = _KEYS, digest: str = _HERE) -> str:
    """What keeps an answer about a candidate of the model ``shop`` from counting."""
    return " ".join(objections(answer, Rules(approval), shown(digest)))


ANN = "Ann Lee <ann@example.org>"


@pytest.mark.parametrize("name", ["ann", "Ann Lee", "ANN@example.org", "  ann  lee "])
def test_the_author_of_a_change_may_refuse_it_but_not_approve_it(name: str) -> None:
    """By name, by address, or by the name in the address; a declaration may allow it."""
    said, evidence = (
        Answer(approve=True, reason="It is well.", reviewer=name),
        shown(_HERE, Subject.CANDIDATE, "Bob Ray <bob@example.org>", ANN),
    )
    refusal = said.model_copy(update={"approve": False})

    [objection] = objections(said, Rules(ApprovalSpec()), evidence)

    assert objection.endswith("the author of a change may not approve it.")
    assert objections(refusal, Rules(ApprovalSpec()), evidence) == ()
    assert objections(said, Rules(ApprovalSpec(author_may_approve=True)), evidence) == ()


def test_somebody_else_may_approve() -> None:
    """A name within another is another's; evidence of before authors were kept names nobody."""
    said = Answer(approve=True, reason="It is well.", reviewer="an")

    assert objections(said, Rules(ApprovalSpec()), shown(_HERE, Subject.CANDIDATE, ANN)) == ()
    assert objections(said, Rules(ApprovalSpec()), shown().model_copy(update={"payload": {}})) == ()


def test_two_people_are_two() -> None:
    """However the same one writes his name."""
    two = ApprovalSpec(approvals=2)
    said = Answer(approve=True, reason="It is well.", reviewer=" Ann ")

    assert objections(said, Rules(two), shown(), {"bob": ""}) == ()
    assert objections(said, Rules(two), shown(), {"ann": ""}) == (
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


def test_a_reviewer_without_a_key_is_found_before_somebody_waits_for_him(key: Path) -> None:
    """Patterns of names count as OpenSSH reads them."""
    pub = key.with_suffix(".pub").read_text()
    signers = signers_in(f"# the team\n\nann,*@example.org,!eve@example.org {pub}")

    assert without_key(["ann", "bob@example.org", "bob", "eve@example.org"], signers) == (
        "bob",
        "eve@example.org",
    )


def test_a_name_in_quotes_is_read_whole(key: Path) -> None:
    """With options before the key, and spaces within them."""
    pub = key.with_suffix(".pub").read_text().strip()
    lines = f'"Ann Lee,ann" namespaces="perennial-review,git" {pub} a remark\n"Bob'

    [line] = signers_in(lines)

    assert line.names == ("Ann Lee", "ann")
    assert line.key == pub.split()[1]
    assert without_key(["Ann Lee", "Ann"], [line]) == ("Ann",)


def test_a_key_is_one_persons(key: Path) -> None:
    """Two names on one key are found, on one line or on two; an authority's key is nobody's own."""
    pub = key.with_suffix(".pub").read_text()
    people = ["ann", "bob", "eve"]

    two, one = signers_in(f"ann {pub}bob {pub}eve ssh-ed25519 AAAA"), signers_in(f"ann,bob {pub}")

    assert sharing_a_key(people, two) == sharing_a_key(people, one) == ("ann", "bob")
    assert sharing_a_key(people, signers_in(f"* cert-authority {pub}")) == ()
    assert [each.has_patterns for each in (*two, *signers_in(f"an? {pub}"))] == [
        False,
        False,
        False,
        True,
    ]


def test_one_key_approves_once_whatever_names_it_goes_by(key: Path, tmp_path: Path) -> None:
    """Ann holds bob's key too: she is still one person."""
    allowed = tmp_path / "models" / "shop" / "allowed_signers"
    allowed.write_text(allowed.read_text() + allowed.read_text().replace("ann", "bob", 1))
    two = Rules(ApprovalSpec(approvals=2, signers="allowed_signers"))
    bob = Answer(approve=True, reason="It is well.", reviewer="bob")
    bob = bob.model_copy(update={"signature": sign(statement(bob, _HERE), key)})
    mine = fingerprint(signed(key).signature)
    told = subprocess.run(
        ["ssh-keygen", "-lf", str(key)],  # noqa: S607 - found on PATH
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert mine in told.split()
    assert objections(bob, two, shown(), {"eve": ""}) == ()
    assert objections(bob, two, shown(), {"ann": mine}) == (
        "The key of bob has signed an approval already; it takes 2 people.",
    )


def test_signers_count_as_they_were_asked_under(key: Path, tmp_path: Path) -> None:
    """A key that came into the file since does not count, nor does one that has left it."""
    allowed = tmp_path / "models" / "shop" / "allowed_signers"
    then = allowed.read_text()
    said = signed(key)

    came = objections(said, Rules(_KEYS, signers="# nobody"), shown())
    allowed.write_text("# nobody")
    left = objections(said, Rules(_KEYS, signers=then), shown())

    changed = "allowed_signers was changed after this was asked, and the key of ann is not in it"
    assert came == left == (f"{changed} both then and now.",)


def test_demanded_signatures_count_by_a_file_that_is_committed(key: Path, tmp_path: Path) -> None:
    """What merely lies on the disk is nobody's word; a later change of it is not either."""
    allowed = tmp_path / "models" / "shop" / "allowed_signers"
    outside = against(signed(key), _SIGNED)
    git(tmp_path / "models", "init", "-q", ".")
    untracked = against(signed(key), _SIGNED)
    committed(tmp_path / "models", allowed, allowed.read_text())
    counts = against(signed(key), _SIGNED)
    allowed.write_text(allowed.read_text() + "eve ssh-ed25519 AAAA\n")

    assert "not as it was committed" in outside
    assert "not as it was committed" in untracked
    assert counts == ""
    assert "not as it was committed" in against(signed(key), _SIGNED)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"authors": None}, "Git could not tell who wrote what is new here"),
        ({"authors": [], "uncommitted": ["trainer.py"]}, "files that nobody has committed"),
    ],
)
def test_an_approval_does_not_count_where_the_author_is_not_known(
    changes: dict[str, JsonValue], fault: str
) -> None:
    """It may be anybody's change, the reviewer's too; refusing is open to all."""
    said = Answer(approve=True, reason="It is well.", reviewer="bob")
    evidence = shown().model_copy(update={"payload": changes})

    [objection] = objections(said, Rules(ApprovalSpec()), evidence)

    assert fault in objection
    assert "author_may_approve: true" in objection
    assert objections(said, Rules(ApprovalSpec(author_may_approve=True)), evidence) == ()
    refusal = said.model_copy(update={"approve": False})
    assert objections(refusal, Rules(ApprovalSpec()), evidence) == ()


@pytest.mark.parametrize("said", list(Diagnosis))
def test_a_diagnosis_decides_nothing_but_drift(said: Diagnosis) -> None:
    """Of a candidate or a batch it is no decision, and beside one it is a misunderstanding."""
    alone = Answer(diagnosis=said, reason="It is well.", reviewer="bob")
    beside = alone.model_copy(update={"approve": True})

    assert objections(alone, Rules(ApprovalSpec()), shown()) == (
        "Say what you decide: approve or refuse.",
        f"{said} is said of drift; of a candidate say approve or refuse.",
    )
    assert len(objections(beside, Rules(ApprovalSpec()), shown())) == 1


@pytest.mark.parametrize(
    ("given", "approve"),
    [({"decision": "approve"}, True), ({"decision": "refuse"}, False), ({"approve": True}, True)],
)
def test_a_decision_is_a_word_and_was_a_switch(given: dict[str, object], *, approve: bool) -> None:
    """Reviews that waited when the form was changed can be answered as before."""
    answer = Answer.model_validate(given)

    assert answer.approve is approve
    assert answer.model_dump(mode="json", by_alias=True)["decision"] == (
        "approve" if approve else "refuse"
    )


def test_nothing_is_decided_by_a_form_that_nobody_filled_in() -> None:
    """There is no default: refusing is a decision too, and a final one."""
    assert Answer().approve is None
    assert DriftAnswer().approve is None


def test_a_form_does_not_count_where_signatures_are_demanded(key: Path) -> None:
    """It says how to sign, and the run asks again."""
    unsigned = Answer(approve=True, reason="It is well.", reviewer="ann")

    assert "perennial review shop ... --sign KEY" in against(unsigned, _SIGNED)
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
    assert DriftAnswer(diagnosis=said).approve is approve
    with pytest.raises(ValidationError, match=f"contradicts the diagnosis {said}"):
        DriftAnswer(approve=not approve, diagnosis=said)


def test_drift_is_not_refused_without_saying_what_it_is() -> None:
    """The ledger keeps it, so that the policy can be judged by it."""
    answer = DriftAnswer(approve=False, reason="It is well.", reviewer="ann")

    found = objections(answer, Rules(ApprovalSpec()), shown(subject=Subject.DRIFT))

    assert found == ("Say what it is: the world, broken, or expected.",)


def test_the_form_shows_what_its_subject_asks_and_no_more() -> None:
    """Of drift: reason, reviewer, diagnosis. A signature is handed over by the command alone."""
    shown = DriftAnswer.model_json_schema()

    assert set(shown["properties"]) == {"reason", "reviewer", "diagnosis"}
    assert set(Answer.model_json_schema()["properties"]) == {"decision", "reason", "reviewer"}
    assert shown["required"] == ["reason", "reviewer", "diagnosis"]
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
