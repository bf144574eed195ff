"""``mtl serve``: bundles -> a server, until it is told to stop."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtl_runtime.cli.options import threads_option

if TYPE_CHECKING:
    from mtl_runtime.server.settings import ServerSettings

__all__ = ["serve"]

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_LIMITS = {
    "max_texts": (click.IntRange(min=1), "Texts in a request. Default: 1024."),
    "max_text_bytes": (click.IntRange(min=1), "Longest text, in UTF-8. Default: 65536."),
    "max_body_bytes": (click.IntRange(min=1), "Longest body, also decompressed. Default: 4194304."),
    "max_explanations": (click.IntRange(min=1), "Explanations at the same time. Default: 2."),
    "max_requests": (click.IntRange(min=1), "Requests at the same time. Default: 512."),
    "max_queued_texts": (click.IntRange(min=1), "Texts that wait for a worker. Default: 2048."),
    "max_queue_seconds": (click.FloatRange(min=0.01), "Longest queue that a request may join. Default: 2."),
    "request_seconds": (click.FloatRange(min=0.01), "From a request to its answer. Default: 30."),
    "receive_seconds": (click.FloatRange(min=0.1), "For a request's headers, and for its body. Default: 10."),
    "idle_seconds": (click.FloatRange(min=1), "Between two requests of a connection. Default: 75."),
    "drain_seconds": (click.FloatRange(min=1), "For what is under way when the server stops. Default: 30."),
}


def _limit_options(command: Any) -> Any:
    for name, (kind, text) in reversed(_LIMITS.items()):
        command = click.option("--" + name.replace("_", "-"), type=kind, help=text)(command)
    return command


@click.command()
@click.argument("bundles", metavar="[NAME=]BUNDLE...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--unix-socket", type=click.Path(path_type=Path), help="Listen here instead of on host and port.")
@click.option("--tls-certificate", type=_FILE, help="PEM file with the certificate chain; needs --tls-key.")
@click.option("--tls-key", type=_FILE, help="PEM file with the private key.")
@click.option("--api-keys", type=_FILE, envvar="MTL_API_KEYS", help="File with one API key in each line.")
@click.option(
    "--page-data/--no-page-data",
    default=None,
    help="Let the page at /ui show sentences and evidence of the bundles. Default: only on loopback, on a unix socket "
    "or with API keys.",
)
@click.option("--variant", help="Variant of the bundles to run. Default: the fastest that can be trusted here.")
@threads_option()
@_limit_options
def serve(**arguments: Any) -> None:
    """Answer over HTTP with each BUNDLE, until SIGTERM or Ctrl-C.

    Clients ask for a bundle by its folder's name, or by NAME; the first answers where they name none.
    """
    settings = _read_settings(**arguments)
    from mtl_runtime.server.run import run_server  # after the arguments are checked, since it imports a lot

    run_server(settings)


def _read_settings(
    *,
    bundles: tuple[str, ...],
    host: str,
    port: int,
    unix_socket: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    api_keys: Path | None,
    page_data: bool | None,
    variant: str | None,
    threads: int | None,
    **limits: Any,
) -> "ServerSettings":
    from mtl_runtime.server.limits import Limits
    from mtl_runtime.server.settings import Address, ServerSettings, name_bundles

    return ServerSettings(
        bundles=name_bundles(bundles),
        load_options={"variant": variant, "threads": threads},
        address=Address(
            host=host, port=port, unix_socket=unix_socket, certificate=tls_certificate, private_key=tls_key
        ),
        limits=Limits(**{name: value for name, value in limits.items() if value is not None}),
        api_keys=api_keys,
        page_data=page_data,
    )
