"""``mtl serve``: bundles -> a server, until it is told to stop."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtl_runtime.cli.log import set_log_format, show_records
from mtl_runtime.cli.options import threads_option
from mtl_runtime.errors import MtlError
from mtl_runtime.server.limits import Limits

if TYPE_CHECKING:
    from mtl_runtime.server.settings import ServerSettings

__all__ = ["serve"]

# What starts `mtl` again: not by its script, which is not on every path.
_PROGRAM = ("-P", "-c", "from mtl_runtime.cli.start import main; main()")
_ARGUMENTS = __name__ + ".arguments"  # in a context's meta
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
# A key of Limits, its smallest value, and what it is.
_LIMITS = {
    "max_texts": (1, "Texts in a request."),
    "max_text_bytes": (1, "Longest text, in UTF-8."),
    "max_body_bytes": (1, "Longest body, also decompressed."),
    "max_buffered_bytes": (1, "Of all bodies that are coming."),
    "max_connections": (1, "Open connections, over HTTP."),
    "max_explanations": (1, "Explanations at the same time."),
    "max_requests": (1, "Requests at the same time."),
    "max_queued_texts": (1, "Texts that wait for a worker."),
    "max_queue_seconds": (0.01, "Longest queue that a request may join."),
    "request_seconds": (0.01, "From a request to its answer."),
    "receive_seconds": (0.1, "For a request's headers, and for its body."),
    "idle_seconds": (1.0, "Between two requests of a connection."),
    "drain_seconds": (1.0, "For what is under way when the server stops."),
}


def _limit_options(command: Any) -> Any:
    defaults = Limits()
    for name, (least, text) in reversed(_LIMITS.items()):
        default = getattr(defaults, name)
        kind = click.IntRange(min=int(least)) if isinstance(default, int) else click.FloatRange(min=least)
        option = click.option("--" + name.replace("_", "-"), type=kind, default=default, show_default=True, help=text)
        command = option(command)
    return command


class _RepeatableCommand(click.Command):
    """Keeps its arguments, with which child processes are started."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)


@click.command(cls=_RepeatableCommand)
@click.argument("bundles", metavar="[NAME=]BUNDLE[@VARIANT]...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Answer over gRPC too, on this port of the host.")
@click.option("--unix-socket", type=click.Path(path_type=Path), help="Listen here instead of on host and port.")
@click.option("--tls-certificate", type=_FILE, help="PEM file with the certificate chain; needs --tls-key.")
@click.option("--tls-key", type=_FILE, help="PEM file with the private key.")
@click.option(
    "--api-keys",
    type=_FILE,
    envvar="MTL_API_KEYS_FILE",
    show_envvar=True,
    help="File with one API key in each line; MTL_API_KEYS in the environment holds keys themselves.",
)
@click.option("--split", "splits", multiple=True, help="NAME=MODEL:WEIGHT,MODEL:WEIGHT: share requests for NAME.")
@click.option("--shadow", "shadows", multiple=True, help="MODEL=SHADOW[:SHARE]: compare SHADOW's answers, unseen.")
@click.option("--admin", metavar="HOST:PORT", help="Listen here for reloads, apart from clients.")
@click.option("--watch", is_flag=True, help="Reload a bundle when its folder, or what its link names, changes.")
@click.option(
    "--page-data/--no-page-data",
    default=None,
    help="Let the page at /ui show sentences and evidence of the bundles. Default: only on loopback, on a unix socket "
    "or with API keys.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that share the port and the cores; one that dies is replaced.",
)
@click.option("--place", hidden=True, help="Of a child process: what its parent gives it.")
@threads_option()
@click.option("--log-requests", is_flag=True, help="Log each request: id, path, status, time, never a text.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), help="Of the log on stderr. Default: text on a terminal."
)
@_limit_options
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    *,
    processes: int,
    place: str | None,
    log_requests: bool,
    log_format: str | None,
    **arguments: Any,
) -> None:
    """Answer over HTTP with each BUNDLE, until SIGTERM or Ctrl-C.

    Clients ask for a bundle by its folder's name, or by NAME; the first split, or else the first bundle, answers where
    they name none.
    """
    settings = _read_settings(**arguments)
    # After the arguments are checked, since these import a lot.
    if place is not None:
        from mtl_runtime.server.processes.child import run_child
        from mtl_runtime.server.processes.place import Place

        own = Place.parse(place)
        _show_log(log_requests=log_requests, log_format=log_format, process=own.number)
        run_child(settings, own)
        return
    _show_log(log_requests=log_requests, log_format=log_format)
    if processes > 1:
        from mtl_runtime.server.processes.parent import run_processes

        run_processes(settings, processes, _own_command(ctx))
    else:
        from mtl_runtime.server.run import run_server

        run_server(settings)


def _show_log(*, log_requests: bool, log_format: str | None, **facts: int) -> None:
    from mtl_runtime.server.observability.request_log import REQUEST_LOG, JsonLines
    from mtl_runtime.server.page.invitation import PAGE_LOG

    if log_format == "json" or (log_format is None and not sys.stderr.isatty()):
        set_log_format(JsonLines(**facts))
    show_records("mtl_runtime.server")
    if not log_requests:
        logging.getLogger(REQUEST_LOG).setLevel(logging.WARNING)
    if log_format == "json" or not sys.stderr.isatty():
        logging.getLogger(PAGE_LOG).setLevel(logging.WARNING)  # only people open a page


def _own_command(ctx: click.Context) -> list[str]:
    """The command line of this process, for another one."""
    if not sys.executable:
        raise MtlError("this program is no Python interpreter, so it starts no further process; leave --processes out")
    verbosity = 0 if ctx.parent is None else ctx.parent.params.get("verbose", 0)
    return [sys.executable, *_PROGRAM, *["-v"] * verbosity, "serve", *ctx.meta[_ARGUMENTS]]


def _read_settings(
    *,
    bundles: tuple[str, ...],
    host: str,
    port: int,
    grpc_port: int | None,
    unix_socket: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    api_keys: Path | None,
    splits: tuple[str, ...],
    shadows: tuple[str, ...],
    admin: str | None,
    watch: bool,
    page_data: bool | None,
    threads: int | None,
    **limits: Any,
) -> "ServerSettings":
    from mtl_runtime.server.settings import Address, ServerSettings, Shadow, Split, name_bundles, split_keys

    return ServerSettings(
        bundles=name_bundles(bundles),
        splits=[Split.parse(text) for text in splits],
        shadows=[Shadow.parse(text) for text in shadows],
        load_options={"threads": threads},
        address=Address(
            host=host, port=port, unix_socket=unix_socket, certificate=tls_certificate, private_key=tls_key
        ),
        admin=Address.parse(admin) if admin else None,
        watch=watch,
        grpc_port=grpc_port,
        limits=Limits(**limits),
        api_keys=api_keys,
        environment_keys=split_keys(os.environ["MTL_API_KEYS"]) if "MTL_API_KEYS" in os.environ else (),
        page_data=page_data,
    )
