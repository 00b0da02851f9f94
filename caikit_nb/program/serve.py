"""``caikit-nb serve``: a model server without a notebook."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from caikit_nb.errors import ServingError
from caikit_nb.jobs.sizes import parse_size
from caikit_nb.serving.foreground import choose_models, serve_forever
from caikit_nb.serving.limits import ServerLimits
from caikit_nb.serving.settings import ServerSettings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Background jobs.")


@app.callback()
def _main() -> None:
    """Background jobs, experiments and models."""


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of models, or one model.")]
Load = Annotated[
    list[str] | None,
    typer.Option(metavar="[NAME=]PATH", help="Load it at the start (repeatable)."),
]
Trust = Annotated[
    list[Path] | None,
    typer.Option(help="Read pickles below it: that runs code that is in them (repeatable)."),
]
Token = Annotated[
    str | None, typer.Option(envvar="CAIKIT_NB_TOKEN", help="What callers have to show.")
]
Concurrency = Annotated[
    int, typer.Option(help="Requests that a model works on at once; 0: one a core.")
]
DrainS = Annotated[
    float, typer.Option("--drain", help="Seconds to answer what is there at the end.")
]


@app.command("serve")
def serve(
    folder: Folder,
    load: Load = None,
    trust: Trust = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8085,
    socket: Annotated[Path | None, typer.Option(help="A unix socket instead.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="TLS: its file, in PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="TLS: the file of its key.")] = None,
    token: Token = None,
    capacity: Annotated[str, typer.Option(help="What all models may hold.")] = "10GiB",
    concurrency: Concurrency = 0,
    drain_s: DrainS = 30.0,
) -> None:
    """Serve the models of a folder over gRPC, until SIGTERM.

    Models are loaded by --load, or through ModelMesh's ModelRuntime API. A DIR that is a model
    itself is loaded at once.
    """
    try:
        root, models = choose_models(folder, load or [])
        settings = ServerSettings(
            root=root,
            host=host,
            port=port,
            socket=None if socket is None else socket.absolute(),
            tls=_tls(certificate, key),
            token=token,
            trusted=tuple(path.absolute() for path in trust or []),
            models=tuple(models),
            limits=_limits(capacity, concurrency),
            drain_s=drain_s,
        )
        serve_forever(settings, sys.modules["caikit_nb"].__version__, typer.echo)
    except (ServingError, ValueError) as error:
        typer.echo(f"caikit-nb: {error}", err=True)
        raise typer.Exit(1) from None


def _tls(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ValueError("--certificate and --key go together")
    return certificate, key


def _limits(capacity: str, concurrency: int) -> ServerLimits:
    own = {"max_concurrency": concurrency} if concurrency else {}
    return ServerLimits(capacity_bytes=parse_size(capacity), **own)
