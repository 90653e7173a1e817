"""The page of a replay: the picture, a row for each policy, and every window beneath it."""

import base64
from typing import Final

from jinja2 import Environment, StrictUndefined

from deployments.replay.results import Replay

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ replay.model }}: replay</title>
<style>
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea;
  --paper: #f6f7f9; --card: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #2c3542;
  --paper: #12161c; --card: #1a2029 } }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1180px; margin: 0 auto; padding: 40px 24px 64px }
h1 { font-size: 26px; line-height: 1.25; margin: 0 } h2 { font-size: 17px; margin: 40px 0 12px }
.faint { color: var(--soft) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow-x: auto }
.picture { background: #fff; padding: 12px } img { display: block; max-width: 100% }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 7px 14px; text-align: right; border-top: 1px solid var(--line);
  vertical-align: top }
tr:first-child th { border-top: 0; color: var(--soft); font-size: 12px; white-space: nowrap }
th:first-child, td:first-child, .text { text-align: left } .text { min-width: 22rem }
summary { cursor: pointer; padding: 12px 14px; font-weight: 600 } details { margin: 12px 0 }
</style>
<h1>{{ replay.model }}: {{ replay.arrivals[0].window }} to {{ replay.arrivals[-1].window }}
once more</h1>
<p class="faint">{{ replay.trainings }} different trainings were done; policies share those of one
time. Whatever asks a person is answered by “{{ replay.reviewer }}”.</p>
<div class="card picture"><img src="data:image/png;base64,{{ picture }}"
  alt="{{ replay.metric }} by window, what each policy gained, and what it did when"></div>
<h2>Policies</h2>
<div class="card"><table>
<tr>{% for header in headers %}<th>{{ header }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
<h2>Window by window</h2>
{% for course in replay.courses %}
<details class="card"><summary>{{ course.policy }}</summary><table>
<tr><th>window</th><th>version</th><th>rows</th><th>{{ replay.metric }}</th><th>verdict</th>
<th>action</th><th class="text">why</th></tr>
{% for each in course.windows %}
<tr><td>{{ each.window }}</td><td>{{ each.version if each.version is not none else "" }}</td>
<td>{{ "{:,}".format(each.rows) if each.rows else "" }}</td>
<td>{{ "{:.4f}".format(each.metric) if each.metric is not none else "" }}</td>
<td>{{ each.verdict.value if each.version is not none else "" }}</td>
<td>{{ each.action.value if each.version is not none else "" }}</td>
<td class="text">{% for line in each.why %}<div>{{ line }}</div>{% endfor %}
{% if each.training %}<div><b>Version {{ each.training.version }}
{{ "took charge" if each.training.promoted else "was turned down" }}:</b>
{{ each.training.why }}</div>{% endif %}
{% if each.failed %}<div class="faint">{{ each.failed }}</div>{% endif %}</td></tr>
{% endfor %}
</table></details>
{% endfor %}
{% set odd = replay.arrivals | selectattr("why") | list %}
{% if odd %}
<h2>What the contract said</h2>
<div class="card"><table>
<tr><th>window</th><th>ending</th><th>came in</th><th class="text">why</th></tr>
{% for each in odd %}
<tr><td>{{ each.window }}</td><td>{{ each.ending.value }}</td>
<td>{{ "yes" if each.admitted else "no" }}</td><td class="text">{{ each.why }}</td></tr>
{% endfor %}
</table></div>
{% endif %}
<h2>What a replay leaves out</h2>
<ul>{% for line in replay.left_out %}<li>{{ line }}</li>{% endfor %}</ul>
</html>
"""


def render(replay: Replay, picture: bytes) -> bytes:
    """The page as one file that needs no other; names and reasons are escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    headers, rows = table(replay)
    return (
        environment.from_string(_PAGE)
        .render(
            replay=replay,
            picture=base64.b64encode(picture).decode("ascii"),
            headers=headers,
            rows=rows,
        )
        .encode()
    )


def table(replay: Replay) -> tuple[list[str], list[list[str]]]:
    """Headers, and a row for each policy: what it reached, what it cost, what it asked."""
    against = next((each.gain.against for each in replay.courses if each.gain), "")
    money = [f"value ({replay.currency})"] if replay.currency else []
    gained = [f"against {against}"] if against else []
    on_gpu = any(each.gpu_hours for each in replay.courses)
    hours = ["GPU h"] if on_gpu else []
    headers = [
        *("policy", replay.metric, "worst window", *gained),
        *("trainings", "took charge", "alarms", "asked", "CPU s", *hours, *money),
    ]
    rows = []
    for course in replay.courses:
        gain = course.gain
        said = f"{gain.gain:+.4f} [{gain.lower:+.4f}, {gain.upper:+.4f}]" if gain else ""
        rows.append(
            [
                course.policy,
                "" if course.metric is None else f"{course.metric:.4f}",
                course.worst or "",
                *([said] if against else []),
                str(course.trainings),
                str(course.promotions),
                str(course.alarms),
                str(course.questions),
                f"{course.cpu_s:,.0f}",
                *([f"{course.gpu_hours:.2f}"] if on_gpu else []),
                *([_money(course.money)] if replay.currency else []),
            ]
        )
    return headers, rows


def _money(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
