"""What a waiting run waits for, on its own page: a line in its log, and a note kept true."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from infra.gpu.claiming import Left, WaitingRun
from infra.gpu.placement import Impossible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prefect.client.orchestration import PrefectClient

WAITS: Final = "What it waits for"
"""By this description the page is known among a run's artifacts."""

MOST: Final = 20
"""The first so many of a queue are told: the others hear of it when they come nearer."""


class Pages:
    """What was told on the pages of the runs that wait, by one worker."""

    def __init__(self, client: "PrefectClient", worker: str, host: str) -> None:
        self._client, self._where = client, f"worker {worker} on {host}"
        self._said: dict[UUID, str] = {}
        self._pages: dict[UUID, UUID] = {}
        self._held: frozenset[UUID] = frozenset()

    async def hold(self, held: "Mapping[UUID, str]") -> list[UUID]:
        """Write why each run is held back where that is news.

        Returns:
            Those for which it was news.
        """
        self._held = frozenset(held)
        news = [run for run, why in list(held.items())[:MOST] if self._said.get(run) != why]
        for run in news:
            await self._put(run, f"**{held[run]}**\n\n- as {self._where} sees it")
            self._said[run] = held[run]
        return news

    async def tell(self, left: "Sequence[Left]", waiting: "Sequence[WaitingRun]") -> list[Left]:
        """Write what each run waits for where that is news.

        Returns:
            Those for which it was news.
        """
        due = {each.run: each for each in waiting}
        kept = self._held | due.keys()
        self._said = {run: said for run, said in self._said.items() if run in kept}
        self._pages = {run: page for run, page in self._pages.items() if run in kept}
        news = [each for each in left[:MOST] if self._said.get(each.run) != each.answer.why]
        for each in news:
            await self._put(each.run, page(each, due[each.run], self._where))
            self._said[each.run] = each.answer.why
        return news

    async def _put(self, run: UUID, text: str) -> None:
        if (there := self._pages.get(run)) is not None:
            await self._client.update_artifact(there, ArtifactUpdate(data=text))
            return
        made = await self._client.create_artifact(
            ArtifactCreate(type="markdown", description=WAITS, data=text, flow_run_id=run)
        )
        self._pages[run] = made.id


def page(left: Left, waiter: WaitingRun, where: str) -> str:
    """What a run waits for, in Markdown."""
    asked = waiter.request.model_dump(mode="json", exclude_defaults=True)
    wishes = ", ".join(f"{name}: {wish}" for name, wish in asked.items()) or "nothing of its own"
    never = isinstance(left.answer, Impossible)
    lines = [
        f"**{left.answer.why}**",
        "",
        f"- as {where} sees it; another worker of the pool may take it first",
        f"- asked: `{wishes}`",
        f"- due since {waiter.since:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if never:
        lines.append("- this machine can never run it; another machine of the pool can")
    else:
        lines.append(f"- place {left.place} in the queue of this machine")
    if left.expected is not None:
        lines.append(f"- expected to start by {left.expected:%Y-%m-%d %H:%M:%S} UTC")
    lines += ["", f"`perennial why {left.run}` says how it stands now."]
    return "\n".join(lines)
