"""Calendars that a team keeps: iCalendar texts, and a server that answers with one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def icalendar(*events: str) -> bytes:
    """An iCalendar of events, each given by its lines without the end."""
    lines = [
        line
        for place, event in enumerate(events)
        for line in ("BEGIN:VEVENT", f"UID:{place}", *event.splitlines(), "END:VEVENT")
    ]
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:tests", *lines, "END:VCALENDAR", ""]
    return "\r\n".join(whole).encode()


def event(summary: str, begins: datetime, *lines: str) -> str:
    """The lines of an event that begins at a moment."""
    return "\n".join([f"SUMMARY:{summary}", f"DTSTART:{begins:%Y%m%dT%H%M%SZ}", *lines])


class CalendarServer:
    """Answers each request as it was told to."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/private-0f3a/team.ics"
        self.status, self.content, self.waits_s = 200, icalendar(), 0.0


@contextmanager
def calendar_server() -> Iterator[CalendarServer]:
    """A server of a calendar on the loopback."""
    told: list[CalendarServer] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(told[0].waits_s)
            self.send_response(told[0].status)
            self.send_header("Content-Length", str(len(told[0].content)))
            self.end_headers()
            try:
                self.wfile.write(told[0].content)
            except OSError:  # whoever asked waits no more
                return

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        told.append(CalendarServer(server.server_port))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield told[0]
        finally:
            server.shutdown()
            thread.join(10)
