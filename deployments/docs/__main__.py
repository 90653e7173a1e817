"""``python -m deployments.docs``: the demo's state in the browser, picture by picture."""

import sys

from rich.console import Console

from infra.errors import BackendError, PerennialError


def main() -> int:
    """Take the pictures; 0 when all of them are there."""
    console = Console()
    try:
        _take(console)
    except PerennialError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    return 0


def _take(console: Console) -> None:
    from deployments.demo.__main__ import standing
    from deployments.docs.camera import Camera, chromium_path
    from deployments.docs.scenes import is_told, take
    from infra.stack import is_up

    chromium_path()  # before the demo, which takes minutes
    with standing(console.print, stays=is_up()):
        if not is_told():
            console.print("The year was not played here yet: the demo comes first.")
            _play_the_year()
        with Camera() as camera:
            for path in take(camera):
                console.print(f"{path} ({path.stat().st_size / 1000:.0f} kB)")


def _play_the_year() -> None:
    from deployments.demo.__main__ import main as demo

    if demo():
        raise BackendError("The demo did not come to its end.", hint="Run `make demo` and see.")


if __name__ == "__main__":
    sys.exit(main())
