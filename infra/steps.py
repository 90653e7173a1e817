"""Our task decorator: results by reference, keyed by content, retried by the kind of error."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Generic, ParamSpec, TypeVar, get_type_hints, overload

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.results import ResultStore, get_result_store
from pydantic import BaseModel, TypeAdapter

from infra import store
from infra.errors import PerennialError
from infra.identity import lock_digest, source_digest
from infra.plugins import code_digest
from infra.settings import PROJECT, settings

P = ParamSpec("P")
R = TypeVar("R")

_MOST_RETRIES = 3


@dataclass(frozen=True)
class Done(Generic[R]):
    """What a step came to outside of any run.

    Attributes:
        value: its result.
        cpu_s: CPU seconds that it took when it was done, its own children's with it.
    """

    value: R
    cpu_s: float


def outside(call: Callable[P, R] | Task[P, R], model: str) -> Callable[P, Done[R]]:
    """A step as a function of no run: done once for what goes in, as runs do it.

    What it came to is kept in the store under the same kind of key that a run keeps it under, and
    counts as long as everything that it points at is there.

    Args:
        call: a step, or a function whose arguments and result are references.
        model: whose code the key is made of too.
    """
    function: Callable[P, R] = call.fn if isinstance(call, Task) else call
    answer: TypeAdapter[R] = TypeAdapter(get_type_hints(function)["return"])

    def once(*args: P.args, **kwargs: P.kwargs) -> Done[R]:
        name = f"{function.__module__}.{function.__qualname__}"
        key = store.digest_of(name, args, kwargs, _code_of(model), lock_digest())
        place = store.uri("done", model, f"{key}.json")
        if store.exists(place):
            kept = json.loads(store.get_bytes(place))
            value = answer.validate_python(kept["value"])
            if all(store.exists(each) for each in _uris(value)):
                return Done(value, kept["cpu_s"])
        before = _cpu_s()
        value = function(*args, **kwargs)
        found = Done(value, round(_cpu_s() - before, 3))
        record = {"cpu_s": found.cpu_s, "value": answer.dump_python(value, mode="json")}
        store.put_bytes(place, json.dumps(record).encode())
        return found

    return once


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


@dataclass
class ByReference(CachePolicy):
    """A key made of what goes in, the code and the lock; a hit must still have its artifacts."""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,  # noqa: ANN401, ARG002 - Prefect's signature
    ) -> str | None:
        """The key under which the step's result is kept."""
        model = str(flow_parameters.get("model", ""))
        made_of = (task_ctx.task.name, inputs, _code_of(model), lock_digest())
        key, results = store.digest_of(*made_of), get_result_store()
        tries = (f"{task_ctx.task.name}/{key}-{attempt}" for attempt in count())
        return next(each for each in tries if not results.exists(each) or _stands(results, each))


@overload
def step(call: Callable[P, R], /) -> Task[P, R]: ...
@overload
def step(*, moving: bool = ...) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def step(
    call: Callable[P, R] | None = None, /, *, moving: bool = False
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """A Prefect task whose result is a reference.

    Args:
        call: the function.
        moving: it reads or writes state that moves (the champion, the newest window), so it is
            never answered from an earlier run.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        return task(
            cache_policy=NO_CACHE if moving else ByReference(),
            persist_result=not moving,
            result_serializer="json",
            retries=_MOST_RETRIES,
            retry_delay_seconds=[1, 4, 16],
            retry_condition_fn=_worth_another_try,
        )(function)

    return decorate if call is None else decorate(call)


def _worth_another_try(_task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether the error's class allows as many tries as were made and one more."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, PerennialError) and run.run_count <= error.retries


@lru_cache(maxsize=64)
def _code_of(model: str) -> tuple[str, ...]:
    folders = (settings().models / model, PROJECT / "expectations" / model) if model else ()
    code = [code_digest(folder) for folder in folders[:1]]
    suites = [
        store.file_digest(path) for folder in folders for path in sorted(folder.rglob("*.json"))
    ]
    lists = [
        store.file_digest(path) for folder in folders[:1] for path in sorted(folder.glob("*.csv"))
    ]
    return (source_digest(), *code, *suites, *lists)


def _stands(results: ResultStore, key: str) -> bool:
    """Whether a kept result can be read and everything that it points at is still there."""
    try:
        value = results.read(key).result
    except Exception:  # noqa: BLE001 - whatever is wrong with the record, the step is done again
        return False
    return all(store.exists(uri) for uri in _uris(value))


def _uris(value: object, name: str = "") -> Iterator[str]:
    """The URIs of artifacts of ours inside a value, found by the names of their fields."""
    if isinstance(value, BaseModel):
        yield from getattr(value, "artifacts", ())  # files without which a folder is none
        value = dict(value)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _uris(item, name if name.endswith("uris") else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _uris(item, name)
    elif isinstance(value, str) and name.endswith(("uri", "uris")):
        if value and not value.startswith("models:/"):  # those are MLflow's names, not places
            yield value
