"""The page of a verdict: what follows, why, and the numbers, readable in a minute."""

from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, StrictUndefined

from tasks.monitoring.drift import Drift
from tasks.references import Action, DriftVerdict

_COLORS: Final = {
    Action.REST: "#2e7d4f",
    Action.ALERT: "#b26a00",
    Action.ASK: "#6a3fa0",
    Action.RETRAIN: "#b3362b",
}

_SAYS: Final = {
    Action.REST: "The champion goes on.",
    Action.ALERT: "The champion goes on; somebody should look.",
    Action.ASK: "A person decides whether to train again.",
    Action.RETRAIN: "A training with cause drift is started.",
}

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ verdict.model }} {{ verdict.window }}: {{ verdict.action.value }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #22303c;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
.badge { display: inline-block; padding: .15rem .7rem; border-radius: 1rem; color: #fff;
  font-weight: 600; background: {{ color }} }
.faint { color: #6b7885 } img { max-width: 100% } li { margin: .3rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .9rem .2rem 0; text-align: right; border-bottom: 1px solid #e6eaee }
th:first-child, td:first-child { text-align: left } .moved { color: #b3362b; font-weight: 600 }
</style>
<h1>{{ verdict.model }} {{ verdict.window }}
<span class="badge">{{ verdict.action.value }}</span></h1>
<p>{{ says }} <span class="faint">Version {{ verdict.champion }},
{{ "{:,}".format(verdict.rows) }} rows,
as of {{ verdict.as_of.strftime("%Y-%m-%d %H:%M %Z") }}.</span></p>
<ul>
{% for reason in verdict.reasons %}<li>{{ reason }}</li>
{% endfor %}</ul>
<p><img src="picture.png" alt="PSI by feature, and {{ metric }} over the windows"></p>
{% if has_comparison %}
<p><a href="evidently.html">Distributions of every feature, by Evidently</a></p>
{% endif %}
{% if verdict.metrics %}
<h2>Numbers</h2>
<table>
{% for name, value in verdict.metrics.items() %}
<tr><td>{{ name }}</td><td>{{ "{:.4f}".format(value) }}</td></tr>
{% endfor %}
</table>
{% endif %}
{% if drift %}
<h2>Features against the training data</h2>
<table>
<tr><th>feature</th><th>PSI</th><th>KS</th><th>beyond</th><th>missing then</th>
<th>missing now</th><th>importance</th></tr>
{% for name, each in drift.features.items() %}
<tr><td>{{ name }}</td>
<td{% if each.psi > threshold %} class="moved"{% endif %}>{{ "{:.3f}".format(each.psi) }}</td>
<td>{{ "" if each.ks is none else "{:.3f}".format(each.ks) }}</td>
<td>{{ "{:.1%}".format(each.new) }}</td>
<td>{{ "{:.1%}".format(each.missing_before) }}</td>
<td>{{ "{:.1%}".format(each.missing) }}</td>
<td>{{ "{:.1%}".format(each.importance) }}</td></tr>
{% endfor %}
</table>
{% endif %}
<p class="faint">Digest of the verdict: {{ verdict.digest }}</p>
</html>
"""


@dataclass(frozen=True)
class Contents:
    """What the page shows."""

    verdict: DriftVerdict
    drift: Drift | None
    threshold: float
    metric: str
    has_comparison: bool


def render(contents: Contents) -> bytes:
    """The page as HTML; whatever the data held is shown as text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    html = environment.from_string(_PAGE).render(
        **vars(contents),
        color=_COLORS[contents.verdict.action],
        says=_SAYS[contents.verdict.action],
    )
    return html.encode()
