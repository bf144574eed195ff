from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.server.processes.place import Place, share_threads


@given(st.integers(1, 300), st.integers(1, 64))
def test_threads_are_shared_evenly_and_each_process_has_one(threads, processes):
    shares = share_threads(threads, processes)
    assert len(shares) == processes
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == max(threads, processes)


def test_a_place_is_read_as_it_was_written():
    place = Place(number=1, threads=2, main=7, admin=None, grpc_port=50051, channel=9)
    assert Place.parse(str(place)) == place
    assert place.sockets == (9, 7)
