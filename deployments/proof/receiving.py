"""A webhook on this machine, to which every channel of a model leads for a while."""

import json
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

from infra.settings import settings

_VARIABLE: Final = "PERENNIAL_ALERTS"


@contextmanager
def receiver(channels: Collection[str]) -> Iterator[dict[str, str]]:
    """What each channel got: the title of its last message.

    Args:
        channels: names that lead here meanwhile, and nowhere else.
    """
    got: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got[self.path.strip("/")] = posted["title"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    before = os.environ.get(_VARIABLE)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"json://127.0.0.1:{server.server_port}"
        os.environ[_VARIABLE] = json.dumps({name: f"{address}/{name}" for name in channels})
        settings.cache_clear()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield got
        finally:
            server.shutdown()
            thread.join()
            os.environ.pop(_VARIABLE)
            if before is not None:
                os.environ[_VARIABLE] = before
            settings.cache_clear()
