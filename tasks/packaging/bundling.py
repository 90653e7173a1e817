"""Packaging a candidate as a Bento, and asking the built Bento in a process of its own."""

from infra import identity
from infra.bentos import bento_digest, bento_folder, bento_record, build_bento, serving_bento
from infra.errors import IntegrityError
from infra.scratch import scratch
from infra.steps import step
from infra.store import put_bytes
from tasks.data.spec import LabelSpec
from tasks.features.spec import FeatureSpec
from tasks.packaging.spec import ServingSpec
from tasks.references import Bento, Candidate


@step
def package(
    candidate: Candidate, serving: ServingSpec, features: FeatureSpec, label: LabelSpec
) -> Bento:
    """The candidate's Bento, one for each candidate, built from the stored model.

    Raises:
        IntegrityError: the stored model is not the registered one, or does not have the features
            that the declaration names.
        BackendError: BentoML refused to build it.
    """
    from tasks.packaging.contents import ENTRY, declaration, packages, tag_of, write_context

    trained = candidate.fitted.split.table.features
    if trained != features.columns:
        raise IntegrityError(
            f"Version {candidate.version} of {candidate.model} was trained on {len(trained)} "
            f"features, but the declaration has {len(features.columns)} others or in another order."
        )
    declared = declaration(candidate, serving, label.kind)
    tag = tag_of(candidate, declared)
    with scratch("bento") as folder:
        context = write_context(
            candidate, declared.model_copy(update={"tag": tag}), folder.resolve()
        )
        labels = {
            "version": str(candidate.version),
            "digest": candidate.digest[:60],
            "commit": identity.commit().partition("+")[0],
        }
        built = build_bento(context, ENTRY, tag, packages(), labels)
    return Bento(tag=tag, uri=str(built), digest=bento_digest(built), version=candidate.version)


@step
def smoke_test(bento: Bento, candidate: Candidate, serving: ServingSpec, label: LabelSpec) -> Bento:
    """The Bento with what it answered: its predictions of holdout rows equal the offline ones.

    Raises:
        IntegrityError: the Bento was changed, or answers otherwise than the stored model.
        BackendError: it did not start or did not answer.
    """
    from tasks.packaging.smoke import judge_answers, questions

    if bento_digest(bento_folder(bento.tag)) != bento.digest:
        raise IntegrityError(f"{bento.uri} was changed after it was built as {bento.tag}.")
    with serving_bento(bento.tag) as server:
        asked = questions(candidate, serving, label.kind)
        answers = [server.ask("predict", {"rows": rows}) for rows in asked.batches]
        refusal = server.ask("predict", {"rows": [asked.broken]})
    smoke = judge_answers(asked, answers, refusal, serving.tolerance)
    tested = bento.model_copy(update={"smoke": smoke})
    put_bytes(
        bento_record(candidate.model, candidate.digest), tested.model_dump_json(indent=2).encode()
    )
    return tested
