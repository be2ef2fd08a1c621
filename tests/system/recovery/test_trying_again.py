"""What is tried again, what never is, for how long, and who is asked next; by each API's own bytes."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from headwater import Agent
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel
from headwater.backends.rate_limits import SPREAD
from headwater.backends.retry import FIRST_WAIT_SECONDS, MAX_RETRIES_A_RUN
from headwater.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ContextTooLong,
    HeadwaterError,
    IncompleteStream,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from headwater.events import AttemptFailed, AttemptStarted, Event, Retracted
from headwater.events.messages import Usage
from headwater.testing import check_log
from headwater.testing.wires import WIRES, Trouble
from tests.support.logs import check_history
from tests.support.streams import always, log_of, scripted
from tests.support.virtual import run_virtual
from tests.system.recovery.wired import APIS, Refusal, opening, saying, wired

LATER = [(408, ServerError), (409, ServerError), (429, RateLimited), (500, ServerError), (502, ServerError)]
LATER += [(503, Overloaded), (504, ServerError), (520, ServerError), (529, Overloaded)]
NEVER = [(400, InvalidRequest), (401, AuthenticationFailed), (402, QuotaExhausted), (403, PermissionDenied)]
NEVER += [(404, ModelNotFound), (405, InvalidRequest), (413, InvalidRequest), (422, InvalidRequest)]


def attempts(log: list[Event]) -> list[str]:
    """Why each attempt was made."""
    return [event.cause for event in log if isinstance(event, AttemptStarted)]


def _waits(log: list[Event]) -> list[float]:
    return [event.wait for event in log if isinstance(event, AttemptFailed)]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "kind"), LATER, ids=[str(status) for status, _ in LATER])
def test_transient_errors_are_retried(api: str, status: int, kind: type[HeadwaterError]) -> None:
    async def main() -> None:
        stream = Agent(model=wired(api, Refusal(status), saying(api, "So."))).run_stream("Go.")
        log = await log_of(stream)
        assert stream.response == "So."
        assert attempts(log) == ["first", "retry"]
        (failed,) = (event for event in log if isinstance(event, AttemptFailed))
        assert (failed.error.type, failed.error.status, failed.error.retryable) == (kind.__name__, status, True)
        assert stream.response.usage_origin == "measured"

    run_virtual(main())


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "kind"), NEVER, ids=[str(status) for status, _ in NEVER])
def test_permanent_errors_are_not_retried(api: str, status: int, kind: type[HeadwaterError]) -> None:
    async def main() -> None:
        source = wired(api, Refusal(status, retry_after="1"), saying(api, "So."))
        with pytest.raises(kind) as caught:
            await Agent(model=source, on_interrupted="restart").run("Go.")
        assert type(caught.value) is kind
        assert not caught.value.retryable
        assert len(source.connects) == 1
        assert caught.value.response.partial

    _, seconds = run_virtual(main())
    assert seconds == 0


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("shown", [False, True], ids=["at once", "amid the answer"])
@pytest.mark.parametrize("restart", [False, True], ids=["raise", "restart"])
def test_an_overload_error_inside_the_stream(api: str, shown: bool, restart: bool) -> None:
    wire: Any = WIRES[api](APIS[api], {})
    body: list[Any] = saying(api, "So ", "far", end=False) if shown else [wire.head(Usage(input_tokens=3))]
    trouble = Trouble(status=503, code=None, message="Overloaded")

    async def main() -> None:
        agent = Agent(
            model=wired(api, [*body, wire.trouble(trouble)], saying(api, "A", "new.")),
            on_interrupted="restart" if restart else "raise",
        )
        stream = agent.run_stream("Go.")
        if shown and not restart:
            with pytest.raises(HeadwaterError) as caught:
                await stream.result()
            assert caught.value.retryable
            assert caught.value.response.text == "So far"
            return
        log = await log_of(stream)
        assert stream.response.transcript == "Anew."
        assert attempts(log) == ["first", "restart" if shown else "retry"]
        assert [event.chars for event in log if isinstance(event, Retracted)] == ([6] if shown else [])

    run_virtual(main())


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("shown", [False, True], ids=["at once", "amid the answer"])
@pytest.mark.parametrize("how", ["cut", "broken"])
def test_a_connection_that_breaks(api: str, shown: bool, how: str) -> None:
    async def main() -> None:
        body = saying(api, "So ", "far", end=False) if shown else [opening(api)]
        end: list[Any] = [ConnectionFailed("It was reset.")] if how == "broken" else []
        for restart in (False, True):
            agent = Agent(
                model=wired(api, [*body, *end], saying(api, "A", "new.")),
                on_interrupted="restart" if restart else "raise",
            )
            stream = agent.run_stream("Go.")
            if shown and not restart:
                with pytest.raises(IncompleteStream) as caught:
                    await stream.result()
                assert caught.value.response.text == "So far"
                assert caught.value.response.usage_origin in ("estimated", "measured")
                check_history(caught.value.response.messages)
                continue
            log = await log_of(stream)
            assert stream.response.transcript == "Anew."
            assert attempts(log) == ["first", "restart" if shown else "retry"]

    run_virtual(main())


# --- how long


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "1500", "retry_after": "40"}, 1.5),
        ({"retry_after": "DATE"}, 7.5),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "0"}, 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 500])
def test_the_wait_is_the_providers_retry_after(headers: dict[str, str], asked: float, status: int) -> None:
    headers = {name: formatdate(time.time() + asked) if text == "DATE" else text for name, text in headers.items()}

    async def main() -> list[float]:
        source = wired("openai-chat", Refusal(status, b"{}", **headers), saying("openai-chat", "So."))
        return _waits(await log_of(Agent(model=source).run_stream("Go.")))

    (waited,), seconds = run_virtual(main())
    # A date is whole seconds, and some time has passed since it was written.
    assert asked - 1.5 <= waited <= asked * (1 + SPREAD) + 0.01
    assert seconds == pytest.approx(waited, abs=0.01)


@pytest.mark.parametrize("header", ["soon", "", "1e400", "nan", "99999999999", "Mon, 01 Jan 99999999999 00:00:00 GMT"])
def test_an_invalid_retry_after_is_ignored(header: str) -> None:
    async def main() -> list[float]:
        source = wired("openai-chat", Refusal(429, b"{}", retry_after=header), saying("openai-chat", "So."))
        return _waits(await log_of(Agent(model=source).run_stream("Go.")))

    (waited,), _ = run_virtual(main())
    assert 0 <= waited <= FIRST_WAIT_SECONDS


def test_retries_of_one_run_are_counted_over_all_its_steps() -> None:
    """However many steps there are, a provider that unwell is leaned on so often and no more."""

    async def look() -> str:
        """Look."""
        return "seen"

    async def main() -> None:
        turns = [turn for _ in range(40) for turn in (Fail(500), Call("look"))]
        log: list[Event] = []
        agent = scripted(*turns, tools=[look], max_steps=40)
        with pytest.raises(ServerError) as caught:
            await agent.run("Go.", on_event=log.append)
        check_log(log)
        assert attempts(log).count("retry") == MAX_RETRIES_A_RUN
        check_history(caught.value.response.messages)

    run_virtual(main())


# --- who is asked next


@pytest.mark.parametrize("then", ["restart", "raise"])
def test_a_fallback_after_an_answer_that_broke_off(then: Any) -> None:
    async def main() -> None:
        first = always(Say(["So ", "far"]), Cut())
        second = ScriptedModel([[Say(["No, "]), Fail("overloaded_error")], [Say(["Any", "how."])]], model="second")
        agent = Agent(model=first, fallback=[second], retries=1, on_interrupted=then)
        stream = agent.run_stream("Go.")
        if then == "raise":
            with pytest.raises(IncompleteStream):
                await stream.result()
            assert second.requests == ()
            return
        log = await log_of(stream)
        assert attempts(log) == ["first", "restart", "fallback", "restart"]
        assert [event.chars for event in log if isinstance(event, Retracted)] == [6, 6, 4]
        assert (stream.response.transcript, stream.response.model) == ("Anyhow.", "second")

    run_virtual(main())


def test_every_model_broke_off() -> None:
    async def main() -> None:
        models = [always(Say([f"{name} "]), Cut()) for name in ("one", "two", "three")]
        agent = Agent(model=models[0], fallback=models[1:], retries=1, on_interrupted="restart")
        log: list[Event] = []
        with pytest.raises(IncompleteStream) as caught:
            await agent.run("Go.", on_event=log.append)
        check_log(log)
        assert attempts(log) == ["first", "restart", "fallback", "restart", "fallback", "restart"]
        assert caught.value.response.text == "three "
        assert caught.value.response.transcript == "three "
        assert caught.value.response.usage_origin == "estimated"

    run_virtual(main())


@pytest.mark.parametrize("amid", [False, True])
def test_a_model_among_its_own_fallbacks_is_tried_again_but_not_forever(amid: bool) -> None:
    async def main() -> None:
        model = always(*([Say(["So ", "far"]), Cut()] if amid else [Fail(401)]))
        agent = Agent(model=model, fallback=[model, model], retries=0, on_interrupted="restart")
        with pytest.raises(IncompleteStream if amid else AuthenticationFailed):
            await agent.run("Go.")
        assert len(model.requests) == 3

    run_virtual(main())


def test_a_conversation_that_is_too_long_is_too_long_everywhere() -> None:
    async def main() -> None:
        body = b'{"error": {"code": "context_length_exceeded", "message": "maximum context length"}}'
        second = always("So.")
        agent = Agent(model=wired("openai-chat", Refusal(400, body)), fallback=[second])
        with pytest.raises(ContextTooLong):
            await agent.run("Go.")
        assert second.requests == ()

    run_virtual(main())
