import socket

import pytest

from mtl_runtime.errors import MtlError
from mtl_runtime.server.http.sockets import BACKLOG, SharedListener, bind, hold_port
from mtl_runtime.server.settings import Address


def test_an_accepted_connection_sends_the_end_of_an_answer_at_once():
    with bind(Address(port=0)) as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_shared_listener_keeps_the_backlog_whatever_asyncio_asks_for():
    with bind(Address(port=0)) as first, SharedListener(fileno=first.detach()) as listener:
        listener.listen(1)
        clients = [socket.create_connection(listener.getsockname(), timeout=5) for _ in range(20)]
        assert len(clients) < BACKLOG
        for client in clients:
            client.close()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="the system cannot share a port")
def test_a_held_port_is_refused_to_others_and_shared_with_those_that_reuse_it():
    with hold_port(Address(port=0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(MtlError, match="--grpc-port"):
            hold_port(Address(port=port))
        for _ in range(2):
            with socket.socket() as own:
                own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                own.bind(("127.0.0.1", port))
                own.listen()
