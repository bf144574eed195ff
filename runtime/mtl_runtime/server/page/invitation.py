"""The address of a server -> a line for whoever started it on a terminal: where its page is."""

import ipaddress
import logging
from dataclasses import replace

from mtl_runtime.server.settings import Address

__all__ = ["PAGE_LOG", "invite_to_page", "page_address"]

PAGE_LOG = __name__  # the logger of these lines

_log = logging.getLogger(PAGE_LOG)


def invite_to_page(address: Address) -> None:
    """Log where a browser on this machine finds the page, at INFO.

    Args:
        address: with the port that is listened on.
    """
    if (page := page_address(address)) is not None:
        _log.info("open %s in a browser; Ctrl-C stops", page)


def page_address(address: Address) -> str | None:
    """What a browser on this machine can open; None: nothing, on a unix socket."""
    if address.unix_socket is not None:
        return None
    try:
        own = ipaddress.ip_address(address.host)
    except ValueError:  # a name
        return str(address)
    if own.is_unspecified:  # all addresses of this machine, and none that can be asked
        return str(replace(address, host="127.0.0.1" if own.version == 4 else "::1"))
    return str(address)
