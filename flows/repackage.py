"""Build the champion's Bento anew, and let it answer in the place of the one before."""

from prefect import State, flow

from infra.runs import ended, named
from tasks.packaging import package, smoke_test
from tasks.registry import replace_bento, require_champion
from tasks.spec import load_spec


@flow(name="repackage", flow_run_name=named("model"))
def repackage(model: str, reason: str) -> State[None]:
    """Serve the champion with the code of today: the same model, no training, no gates.

    Args:
        model: name of the model.
        reason: why, for the ledger.
    """
    spec, champion = load_spec(model), require_champion(model)
    label, candidate = spec.data.label, champion.candidate

    built = package(candidate, spec.serving, spec.features, label)
    bento = smoke_test(built, candidate, spec.serving, label)

    if not replace_bento(champion, bento, reason):
        return ended("Overtaken", f"Version {champion.version} is not in charge any more.")
    same = bento.tag == champion.bento.tag
    said = "is made of the same as before" if same else f"takes the place of {champion.bento.tag}"
    return ended("Unchanged" if same else "Repackaged", f"{bento.tag} {said}. {reason}")
