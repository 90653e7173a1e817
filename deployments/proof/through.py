"""What a verdict leads to, tried once: somebody is told, and a training runs before the gates."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

from deployments.proof.result import Followed
from deployments.proof.streams import Stream
from deployments.proof.trying import Trial
from deployments.proof.worlds import shifted
from deployments.shadow.champion import train_shadow
from infra.alerts import send
from infra.errors import PerennialError
from infra.settings import settings
from tasks.evaluation import compare, judge
from tasks.governance.alerting import message_of
from tasks.governance.notices import AlertSpec, Occasion, channels, drift_notice
from tasks.references import Action, Conclusion, DriftVerdict
from tasks.verification.spec import ShiftKind

_CHANNEL: Final = "proof"
_RULE: Final = AlertSpec(
    on=(Occasion.ALERT, Occasion.ASK, Occasion.RETRAIN, Occasion.ROLLBACK), to=(_CHANNEL,)
)


def followed(trial: Trial, kind: ShiftKind) -> Followed | None:
    """What the gross shift of a kind leads to; None where nobody is even told of it.

    The notice goes through the declared kind of rule and Apprise to a receiver on this machine. A
    training learns from the windows so far, those of the moved world among them, the newest held
    out, and the gates compare it with the champion there; it is registered nowhere.

    Args:
        trial: a shadow.
        kind: of the world.
    """
    size = trial.wanted.kinds[kind][-1]
    stream, came, last = Stream(trial.shadow, trial.dealt), trial.dealt.learned(), None
    for window in trial.dealt.watched()[: trial.wanted.windows]:
        rows = shifted(
            kind, size, trial.dealt.rows(window), trial.faults.ground, trial.shadow, trial.number
        )
        came[window] = rows
        last = stream.comes(window, rows)
        if last[1].action is Action.RETRAIN:
            break
    if last is None or last[1].action is Action.REST:
        return None
    verdict, conclusion = last
    message = _told(verdict, conclusion)
    found = Followed(
        kind=kind,
        verdict=verdict.reasons[0],
        conclusion=conclusion.action,
        delivered=message is not None,
        message=message or "",
        trained_rows=0,
        metric=trial.shadow.spec.evaluation.metric,
        champion=None,
        challenger=None,
        gates="",
    )
    if conclusion.action is not Action.RETRAIN:
        return found
    spec, champion = trial.shadow.spec, trial.shadow.champion
    timed = {window: trial.dealt.timed(window, rows) for window, rows in came.items()}
    challenger = train_shadow(spec, timed, verdict.as_of, trial.number).champion.candidate
    gained = compare.fn(challenger, champion, spec.evaluation, spec.gates, spec.data.label)
    gates = judge.fn(challenger, gained, spec.gates, spec.approval)
    return found.model_copy(
        update={
            "trained_rows": challenger.fitted.rows,
            "champion": gained.incumbent,
            "challenger": gained.challenger,
            "gates": f"{gates.kind}: {gates.why}",
        }
    )


def _told(verdict: DriftVerdict, conclusion: Conclusion) -> str | None:
    """The title that a receiver of this machine got; None where nothing came."""
    notice = drift_notice(verdict, conclusion)
    with _receiver() as posts:
        for channel in channels(notice, (_RULE,)):
            try:
                send(channel, message_of(notice))
            except PerennialError:
                return None
    return posts[0]["title"] if posts else None


@contextmanager
def _receiver() -> Iterator[list[dict[str, str]]]:
    """A webhook on loopback that the channel leads to, and what was posted to it."""
    posts: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    before = os.environ.get("PERENNIAL_ALERTS")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"json://127.0.0.1:{server.server_port}/"
        os.environ["PERENNIAL_ALERTS"] = json.dumps({_CHANNEL: address})
        settings.cache_clear()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield posts
        finally:
            server.shutdown()
            thread.join()
            os.environ.pop("PERENNIAL_ALERTS")
            if before is not None:
                os.environ["PERENNIAL_ALERTS"] = before
            settings.cache_clear()
