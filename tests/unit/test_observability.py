"""Who reads the numbers for Prometheus: the dashboard, the rules for alerts, the documentation."""

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML

from deployments.metrics.families import FAMILIES
from infra.settings import PROJECT
from tasks.references import Restraint

OBSERVED = PROJECT / "infra" / "observability"
NAME = re.compile(r"\bperennial_[a-z_]+")
GPU_METRICS = (PROJECT / "infra" / "gpu" / "metrics.py").read_text(encoding="utf-8")


def test_names_say_what_they_count_and_in_which_unit() -> None:
    """By the conventions of Prometheus: counters end in _total, times in _timestamp_seconds."""
    assert all(NAME.fullmatch(name) for name in FAMILIES)
    assert all(name.endswith("_total") == family.counts for name, family in FAMILIES.items())
    assert all(family.text.endswith(".") for family in FAMILIES.values())
    assert all("timestamp" not in name or name.endswith("_timestamp_seconds") for name in FAMILIES)
    assert all(len(family.labels) <= 3 for family in FAMILIES.values())


def test_every_query_of_the_dashboard_asks_for_a_number_that_there_is() -> None:
    """And every number is on it: none is told for nobody."""
    board = _board()

    panels = [panel for each in board["panels"] for panel in (each, *each.get("panels", []))]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    asked = {name for query in queries for name in NAME.findall(query)}
    gpus = {name for name in asked if name.startswith("perennial_gpu_")}

    assert len(queries) > 20
    assert asked - gpus == set(FAMILIES)
    assert all(name.removesuffix("_total") in GPU_METRICS for name in gpus)
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    variables = {each["name"] for each in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"])))
    assert used <= {*variables, "__rate_interval", "__range"}


def test_a_models_row_repeats_and_asks_for_that_model_alone() -> None:
    """With more than one model no panel adds them up, and no two lines have the same name."""
    panels = _board()["panels"]
    rows = [place for place, each in enumerate(panels) if each["type"] == "row"]
    first, last = next(
        (here, after)
        for here, after in pairwise([*rows, len(panels)])
        if panels[here]["title"] == "$model"
    )

    queries = [query for each in panels[first + 1 : last] for query in _queries(each)]
    outside = [query for each in (*panels[:first], *panels[last:]) for query in _queries(each)]

    assert panels[first]["repeat"] == "model"
    asked = [each.replace(" ", "") for each in queries]
    bare = [each for each in asked if 'model=~"$model"' not in each]
    assert (bare, [each for each in outside if "$model" in each]) == ([], [])


def test_a_panel_says_what_it_shows_and_holds_nothing_to_a_limit_of_its_own() -> None:
    """What is declared is `perennial_limit`: a number of its own would disagree with it."""
    board = _board()
    panels = [each for each in board["panels"] if each["type"] != "row"]

    assert [each["title"] for each in panels if not each["description"].endswith(".")] == []
    places = [
        (x, y)
        for each in panels
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    drift = [query for each in panels for query in _queries(each) if "feature_psi" in query]
    assert any('name="psi"' in query for query in drift)
    assert {each["name"] for each in board["annotations"]["list"]} == {
        *("Promotions", "Rollbacks", "Trainings", "Reviews")
    }


def _board() -> Any:  # noqa: ANN401 - JSON
    return json.loads((OBSERVED / "grafana/dashboards/perennial.json").read_text("utf-8"))


def _queries(panel: Mapping[str, Any]) -> list[str]:
    return [target["expr"] for target in panel.get("targets", [])]


def test_every_rule_of_alerting_asks_for_a_number_that_there_is() -> None:
    """Each says how bad it is, and what to do in a sentence."""
    rules = _rules()

    asked = {name for rule in rules for name in NAME.findall(rule["expr"])}

    assert len(rules) >= 10
    assert asked <= set(FAMILIES)
    assert all(rule["labels"]["severity"] in {"page", "ticket"} for rule in rules)
    assert all(rule["annotations"]["summary"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)


def _rules() -> list[Any]:
    document = YAML(typ="safe").load(OBSERVED / "prometheus" / "rules.yml")
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_every_rule_is_tried_in_its_firing_and_in_its_silence() -> None:
    """What `promtool` is given to try leaves none out."""
    document = YAML(typ="safe").load(OBSERVED / "prometheus" / "rules.test.yml")
    tried = [each for group in document["tests"] for each in group["alert_rule_test"]]
    rules = {rule["alert"] for rule in _rules()}

    fires = {each["alertname"] for each in tried if each.get("exp_alerts")}

    assert fires == rules
    assert {each["alertname"] for each in tried} == rules


def test_the_documentation_lists_every_name() -> None:
    """With its labels and what it means, to the letter."""
    document = (PROJECT / "docs" / "observability.md").read_text(encoding="utf-8")

    missing = [
        name
        for name, each in FAMILIES.items()
        if f"| `{name}` | {', '.join(each.labels) or '-'} | {each.text} |" not in document
    ]

    assert missing == []


def test_the_documentation_says_what_each_word_for_less_means() -> None:
    """Every reason of `perennial_policy_held` is explained where it is named."""
    document = (PROJECT / "docs" / "observability.md").read_text(encoding="utf-8")
    told = document.partition("`perennial_policy_held` says in a word")[2].partition("\n\n")[0]

    assert [each for each in Restraint if f"`{each}`" not in told] == []
