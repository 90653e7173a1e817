"""The page of a verdict: what is done, why, and the numbers, readable in a minute."""

from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, StrictUndefined

from tasks.monitoring.coverage import span
from tasks.monitoring.drift import Drift
from tasks.references import Action, Conclusion, DriftVerdict

_COLORS: Final = {
    Action.REST: "#2e7d4f",
    Action.ALERT: "#b26a00",
    Action.ASK: "#6a3fa0",
    Action.RETRAIN: "#0f62a8",
    Action.ROLLBACK: "#b3362b",
}

_SAYS: Final = {
    Action.REST: "The champion goes on.",
    Action.ALERT: "The champion goes on; somebody should look.",
    Action.ASK: "A person decides whether to train again.",
    Action.RETRAIN: "A training with cause drift is started.",
    Action.ROLLBACK: "The version before the champion is put in charge again.",
}

_MOST_SLICES: Final = 15

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ verdict.model }} {{ verdict.window }}: {{ conclusion.state.lower() }}</title>
<style>
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea;
  --paper: #f6f7f9; --card: #fff; --moved: #b3362b }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #2c3542;
  --paper: #12161c; --card: #1a2029; --moved: #ff8a78 } }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px }
h1 { font-size: 26px; line-height: 1.25; margin: 0; display: flex; gap: 16px; align-items: center }
h2 { font-size: 17px; margin: 40px 0 12px }
.badge { padding: 4px 16px; border-radius: 999px; color: #fff; font-size: 14px;
  background: {{ color }} }
.faint { color: var(--soft) } a { color: inherit } li { margin: .3rem 0 }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow-x: auto }
.picture { background: #fff; padding: 12px } img { display: block; max-width: 100% }
.numbers { columns: 15rem; column-gap: 2.5rem; margin: 0; padding: 12px 16px }
.numbers div { display: flex; justify-content: space-between; break-inside: avoid;
  padding: 3px 0 } .numbers dd { margin: 0; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 7px 16px; text-align: right; border-top: 1px solid var(--line) }
tr:first-child th { border-top: 0; color: var(--soft); font-size: 12px }
th:first-child, td:first-child { text-align: left } .moved { color: var(--moved); font-weight: 600 }
footer { margin-top: 40px; font-size: 13px; overflow-wrap: anywhere }
</style>
<h1>{{ verdict.model }} {{ verdict.window }}
<span class="badge">{{ conclusion.state.lower() }}</span></h1>
<p>{{ says }}
{% if conclusion.action != verdict.action %}The verdict asks for {{ verdict.action.value }}.
{% endif %}<span class="faint">Version {{ verdict.champion }},
{{ "{:,}".format(verdict.rows) }} rows,
as of {{ verdict.as_of.strftime("%Y-%m-%d %H:%M %Z") }}.</span></p>
<ul>
{% for each in conclusion.why %}<li><strong>{{ each }}</strong></li>
{% endfor %}
{% for reason in verdict.reasons %}<li>{{ reason }}</li>
{% endfor %}</ul>
{% if verdict.unjudged %}
<p class="faint">Not judged:</p>
<ul class="faint">
{% for each in verdict.unjudged %}<li>{{ each }}</li>
{% endfor %}</ul>
{% endif %}
<div class="card picture"><img src="picture.png"
  alt="PSI by feature, and {{ metric }} over the windows"></div>
{% if has_comparison %}
<p><a href="evidently.html">Distributions of every feature, by Evidently</a></p>
{% endif %}
{% if verdict.metrics %}
<h2>Numbers</h2>
<dl class="card numbers">
{% for name, value in verdict.metrics.items() %}
<div><dt>{{ name.replace("_", " ") }}</dt>
<dd>{{ ("{:,.0f}" if value == value | round else "{:.4f}").format(value) }}</dd></div>
{% endfor %}
</dl>
{% endif %}
{% if verdict.coverage %}
<h2>Labels by the age of the rows</h2>
<div class="card"><table>
<tr><th>predictions of</th><th>rows</th><th>labelled</th><th>overdue</th><th></th></tr>
{% for each in verdict.coverage %}
<tr><td>{{ span(each) }}</td><td>{{ "{:,}".format(each.rows) }}</td>
<td>{{ "{:.1%}".format(each.labelled / each.rows) }}</td>
<td{% if each.overdue %} class="moved"{% endif %}>{{ "{:,}".format(each.overdue) }}</td>
<td><meter min="0" max="{{ each.rows }}" value="{{ each.labelled }}"></meter></td></tr>
{% endfor %}
</table></div>
{% endif %}
{% if verdict.slices %}
<h2>Parts of the window</h2>
<p class="faint">The {{ verdict.slices[:most_slices] | length }} of {{ verdict.slices | length }}
slices that are most surely worse. "Further" is how much further each falls short of what was
expected than at promotion; "chance", how probable that is where so many are looked at.</p>
<div class="card"><table>
<tr><th>slice</th><th>labels</th><th>{{ metric }}</th><th>expected</th><th>further</th>
<th>chance</th></tr>
{% for each in verdict.slices[:most_slices] %}
<tr><td>{{ each.column }}={{ each.value }}</td><td>{{ "{:,}".format(each.rows) }}</td>
<td{% if each.beyond %} class="moved"{% endif %}>{{ "{:.3f}".format(each.now) }}</td>
<td>{{ "{:.3f}".format(each.expected) }}</td><td>{{ "{:+.3f}".format(each.further) }}</td>
<td>{{ "{:.1%}".format(each.chance) }}</td></tr>
{% endfor %}
</table></div>
{% endif %}
{% if drift %}
<h2>Features against the training data</h2>
<p class="faint">Four distances, each 0 where nothing moved: PSI, the population stability index,
marked above {{ threshold }} and above what chance makes of it; KS, the largest gap between the two
distribution functions; W, the Wasserstein distance in standard deviations; JS, the Jensen-Shannon
distance.</p>
<div class="card"><table>
<tr><th>feature</th><th>PSI</th><th>by chance</th><th>KS</th>
<th>W</th><th>JS</th><th>beyond</th><th>missing then</th>
<th>missing now</th><th>distinct then</th><th>distinct now</th>
<th>importance</th>{% if verdict.attribution %}<th>contributes</th>{% endif %}
</tr>
{% for name, each in drift.features.items() %}
<tr><td>{{ name }}</td>
<td{% if name in moved %} class="moved"{% endif %}>{{ "{:.3f}".format(each.psi) }}</td>
<td>{{ "{:.3f}".format(each.chance) }}</td>
<td>{{ "" if each.ks is none else "{:.3f}".format(each.ks) }}</td>
<td>{{ "" if each.wasserstein is none else "{:.3f}".format(each.wasserstein) }}</td>
<td>{{ "{:.3f}".format(each.jensen_shannon) }}</td>
<td>{{ "{:.1%}".format(each.new) }}</td>
<td>{{ "{:.1%}".format(each.missing_before) }}</td>
<td>{{ "{:.1%}".format(each.missing) }}</td>
<td>{{ "" if each.distinct_before is none else "{:,.0f}".format(each.distinct_before) }}</td>
<td>{{ "{:,.0f}".format(each.distinct) }}</td>
<td>{{ "{:.1%}".format(each.importance) }}</td>
{% if verdict.attribution %}<td>{{ "{:.1%}".format(verdict.attribution[name]) }}</td>{% endif %}
</tr>
{% endfor %}
</table></div>
{% endif %}
<footer class="faint">Digest of the verdict: {{ verdict.digest }}</footer>
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


def render(contents: Contents, conclusion: Conclusion) -> bytes:
    """The page as HTML; whatever the data held is shown as text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    html = environment.from_string(_PAGE).render(
        **vars(contents),
        conclusion=conclusion,
        color=_COLORS[conclusion.action],
        span=span,
        moved=contents.drift.moved(contents.threshold) if contents.drift else {},
        most_slices=_MOST_SLICES,
        says=conclusion.held or _SAYS[conclusion.action],
    )
    return html.encode()
