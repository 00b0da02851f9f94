"""What is looked at before anything of the user's is sent to a Dask cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from distributed import Client

from caikit_nb.errors import BackendError

# Builtins alone, so that a worker of any Python and without this package can answer.
_PROBE = (
    "{'python': '.'.join(str(n) for n in __import__('sys').version_info[:2]),"
    " 'system': __import__('sys').platform,"
    " 'package': __import__('importlib.util').util.find_spec('caikit_nb') is not None}"
)
_PYTHON = ".".join(str(part) for part in sys.version_info[:2])
_SHOWN = 3


def check_workers(client: Client) -> None:
    """See that every worker there is can run our jobs.

    Raises:
        BackendError: one can't; says which, and what to do.
    """
    answers: Mapping[str, Any] = client.run(eval, _PROBE, on_error="return")
    found = {at: answer for at, answer in answers.items() if isinstance(answer, dict)}
    _refuse(
        {at: f"has Python {a['python']}" for at, a in found.items() if a["python"] != _PYTHON},
        f"this kernel has Python {_PYTHON}: start workers of that version",
    )
    _refuse(
        {at: f"runs on {a['system']}" for at, a in found.items() if a["system"] != "linux"},
        "jobs need workers on Linux",
    )
    _refuse(
        {at: "lacks the package caikit_nb" for at, a in found.items() if not a["package"]},
        'install it where the workers run: pip install "caikit_nb[dask]"',
    )


def _refuse(wrong: Mapping[str, str], advice: str) -> None:
    if not wrong:
        return
    shown = ", ".join(f"{address} {what}" for address, what in list(wrong.items())[:_SHOWN])
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise BackendError(f"backend 'dask': worker {shown}{more}; {advice}")


def suitable_workers(
    workers: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]
) -> list[str]:
    """The addresses of the workers that have what a job asks for.

    Args:
        workers: What the scheduler says of each, by address.
        options: ``on``, a worker's name, address or host; ``resources``, amounts by name.

    Raises:
        BackendError: none has, though there are workers; says what they have.
    """
    on, resources = options.get("on"), options.get("resources") or {}
    placed = [at for at, worker in workers.items() if on is None or on in _names_of(at, worker)]
    if workers and not placed:
        names = ", ".join(sorted(str(worker["name"]) for worker in workers.values()))
        raise BackendError(f"backend 'dask': --on {on}: there is no such worker; use {names}")
    fitting = [at for at in placed if _has(workers[at], resources)]
    if placed and not fitting:
        wanted = " ".join(f"{name}={amount:g}" for name, amount in resources.items())
        raise BackendError(
            f"backend 'dask': --resources {wanted}: no worker has that much; they have "
            f'{_resources_of(workers)}. Start one with: dask worker --resources "{wanted}" …'
        )
    return fitting


def _names_of(address: str, worker: Mapping[str, Any]) -> set[str]:
    return {address, address.partition("://")[2], str(worker["host"]), str(worker["name"])}


def _has(worker: Mapping[str, Any], resources: Mapping[str, float]) -> bool:
    has = worker.get("resources") or {}
    return all(has.get(name, 0) >= amount for name, amount in resources.items())


def _resources_of(workers: Mapping[str, Mapping[str, Any]]) -> str:
    texts = {
        " ".join(f"{name}={amount:g}" for name, amount in (worker.get("resources") or {}).items())
        for worker in workers.values()
    }
    return ", ".join(sorted(texts - {""})) or "none"
