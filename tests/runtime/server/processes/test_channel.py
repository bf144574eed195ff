import asyncio
import socket

import pytest

from mtl_runtime.errors import MtlError
from mtl_runtime.server.processes.channel import Channel, ChannelError


def run(talk, **handlers):
    """Let ``talk`` use both ends of a channel, of which the second has the handlers."""

    async def main():
        ends = socket.socketpair()
        mine, theirs = await Channel.open(ends[0], {}), await Channel.open(ends[1], handlers)
        try:
            async with asyncio.timeout(20):
                return await talk(mine, theirs)
        finally:
            await mine.close()
            await theirs.close()

    return asyncio.run(main())


async def repeat(text, after):
    await asyncio.sleep(after)
    return text


async def fail():
    raise MtlError("no such bundle")


async def hang():
    await asyncio.Event().wait()


def test_each_question_gets_its_own_answer_whichever_comes_first():
    long = "é\n" * 100_000

    async def talk(mine, _):
        return await asyncio.gather(mine.ask("repeat", text=long, after=0.05), mine.ask("repeat", text="b", after=0))

    assert run(talk, repeat=repeat) == [long, "b"]


def test_an_error_of_the_other_end_is_raised_with_its_message():
    async def talk(mine, _):
        with pytest.raises(ChannelError, match="no such bundle"):
            await mine.ask("fail")

    run(talk, fail=fail)


def test_an_end_that_does_not_answer_is_not_waited_for():
    async def talk(mine, _):
        with pytest.raises(ChannelError, match=r"did not answer within 0\.05 s"):
            await mine.ask("hang", seconds=0.05)

    run(talk, hang=hang)


def test_who_asks_a_process_that_ends_gets_an_error():
    async def talk(mine, theirs):
        asked = asyncio.ensure_future(mine.ask("hang"))
        await asyncio.sleep(0.05)
        await theirs.close()
        with pytest.raises(ChannelError, match="ended"):
            await asked
        with pytest.raises(ChannelError, match="ended"):
            await mine.ask("hang")
        mine.tell("hang")
        await mine.wait_closed()

    run(talk, hang=hang)
