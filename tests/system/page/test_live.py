"""The page of a running server: begun, watched, answered, spoken to, stopped, left and come back to, in Chromium."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from headwater import Agent, ConcurrentWorkflow
from headwater.backends.offline import Call, Fail, Item, OfflineModel, Wait
from headwater.web.limits import Limits
from tests.support.chromium import Browser, Page
from tests.system.page.scene import agent, ask_harbour, book_pilot_boat, harbour_fleet
from tests.system.page.serving import serving

TASK = "When can we leave?"
LONG = " ".join(f"word{at}" for at in range(400))


def ask(page: Page, task: str = TASK) -> None:
    """Write a task and send it."""
    page.until("document.querySelector('.card') !== null")
    page.click("#say")
    page.type(task)
    page.press("Enter")
    page.until("document.querySelector('.agent') !== null")


def booker() -> Agent[Any, str]:
    call = Call("book_pilot_boat", {"port": "Brest", "at": "07:15", "draught": "3.4 m"})
    turns: list[list[Item]] = [["I book it.", call], ["All is done."]] * 2
    return agent("booker", "offline/booker", 400, *turns, tools=[book_pilot_boat])


def test_a_task_is_sent_and_its_answer_is_shown_as_it_is_generated(chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 60, ["One **two** three. " * 20])) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until(
            "document.querySelector('.how.live') !== null && document.querySelectorAll('.prose strong').length > 1"
        )
        page.until("document.querySelector('.how.done') !== null")
        assert page.run("document.querySelectorAll('.prose strong').length") == 20
        assert page.run("document.querySelector('.runs a').innerText").startswith(TASK)
        assert page.problems == []


def test_a_call_is_approved_with_a_key(chromium: Browser) -> None:
    with serving(booker()) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.ask') !== null")
        page.until("document.activeElement.ariaLabel === 'booker asks: May I call book_pilot_boat?'")
        page.press("a")
        page.until("document.querySelector('.how.done') !== null")
        assert "All is done." in page.text()
        assert page.problems == []


def test_an_approvers_note_is_not_part_of_the_result(chromium: Browser) -> None:
    with serving(booker(), owner=lambda connection: "Ann") as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.click(".ask .field input")
        page.type("but a cheap one")
        page.click(".ask .yes")
        page.until("document.querySelector('.how.done') !== null")
        lines = page.run("[...document.querySelectorAll('.tool .by, .tool .out')].map((one) => one.innerText)")
        assert lines == ["Approved by Ann with the note but a cheap one", "Booked."]
        assert page.run("document.querySelector('.tool .by q').innerText") == "but a cheap one"
        assert page.problems == []


def test_a_question_leaves_the_focus_where_someone_writes(chromium: Browser) -> None:
    call = Call("book_pilot_boat", {"port": "Brest", "at": "07:15", "draught": "3.4 m"})
    slow = agent("booker", "offline/booker", 120, [LONG, call], ["All is done."], tools=[book_pilot_boat])
    with serving(slow) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.prose') !== null")
        page.type("and")
        page.until("document.querySelector('.ask') !== null")
        page.press("a")
        assert page.run("say.value") == "anda"
        page.press("Escape")  # out of the text, where letters are letters
        page.press("a")
        page.until("document.querySelector('.how.done') !== null")
        assert page.problems == []


def test_a_call_is_denied_with_a_note_and_one_is_approved_with_other_arguments(chromium: Browser) -> None:
    with serving(booker()) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.ask') !== null")
        page.click(".ask .field input")
        page.type("Too early.")
        page.click(".ask .row button:nth-child(3)")
        page.until("document.querySelector('.how.done') !== null")
        assert page.run("document.querySelector('.tool .num').innerText") == "denied"
        assert page.run("document.querySelector('.tool .by').innerText") == "Denied with the note Too early."
        page.press("Escape")
        page.press("n")
        ask(page)
        page.until("document.querySelector('.ask') !== null")
        page.click(".ask .row button:nth-child(2)")
        page.run("document.querySelector('.ask textarea').select()")
        page.type('{"port": "Brest", "at": ')
        page.click(".ask .yes")
        page.until("document.querySelector('.ask .wrong') !== null")
        page.run("document.querySelector('.ask textarea').select()")
        page.type('{"port": "Brest", "at": "08:00", "draught": "3.4 m"}')
        page.click(".ask .yes")
        page.until("document.querySelector('.how.done') !== null")
        assert "08:00" in page.run("document.querySelector('.tool .args').innerText")
        assert page.problems == []


def test_a_form_of_a_tool_is_filled_in(chromium: Browser) -> None:
    helper = agent("helper", "offline/helper", 400, [Call("ask_harbour", {})], ["Thank you."], tools=[ask_harbour])
    with serving(helper) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.ask form') !== null")
        page.click(".ask input[type=text]")
        page.type("Brest")
        page.click(".ask input[type=number]")
        page.type("3")
        page.click(".ask .yes")
        page.until("document.querySelector('.how.done') !== null")
        assert "Brest for 3" in page.text()
        assert page.problems == []


def test_a_message_during_the_run_is_received(chromium: Browser) -> None:
    chatty = Agent(name="chatty", model=OfflineModel([[LONG], ["I heard you."]], rate=120))
    with serving(chatty) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.prose') !== null")
        page.click("#say")
        page.type("In one word, please.")
        page.press("Enter")
        page.until("document.body.innerText.includes('waits to be heard')")
        page.until("document.querySelector('.how.done') !== null")
        assert "I heard you." in page.text()
        assert "waits to be heard" not in page.text()
        assert page.problems == []


def remembering() -> Agent[Any, str]:
    """An agent that answers with what it was sent."""

    def heard(request: Any) -> list[Item]:
        return [" / ".join(f"{message.role}: {message.text}" for message in request.messages)]

    return Agent(name="listener", model=OfflineModel(heard, rate=400))


def answered(page: Page, said: str) -> None:
    """Send a message, and wait for the end of the run that answers it."""
    before = page.run("location.hash")
    page.click("#say")
    page.type(said)
    page.press("Enter")
    page.until(f"location.hash !== {json.dumps(before)} && document.querySelector('.how.done') !== null")
    page.until("document.querySelector('.task')?.innerText.includes(location.hash.slice(5))")
    page.until("document.querySelector('.how.done') !== null && document.querySelector('.agent .prose') !== null")


def test_the_next_message_continues_the_conversation(chromium: Browser) -> None:
    with serving(remembering(), limits=Limits(ended_runs=1)) as url:
        page = chromium.page()
        page.go(url)
        ask(page, "I am Max.")
        page.until("document.querySelector('.how.done') !== null")
        page.until("document.querySelector('.hint button')?.innerText === 'New conversation'")
        run = page.run("`runs/${location.hash.slice(5)}`")
        page.until(f"performance.getEntriesByType('resource').some((one) => one.name.endsWith('{run}'))")
        begin = "{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{\"input\": \"Another.\"}' }"
        page.run(f"fetch('runs', {begin})")
        page.until(f"fetch('{run}').then((answer) => answer.status === 404)")  # the server has forgotten it
        answered(page, "Who am I?")
        said = "user: I am Max. / assistant: user: I am Max. / user: Who am I?"
        assert page.run("document.querySelector('.agent .prose').innerText") == said
        page.ask("Page.reload")
        page.until("document.readyState === 'complete' && document.querySelectorAll('.earlier').length === 2")
        assert page.run("document.querySelector('.task').innerText").startswith("I am Max.\n")
        page.until("document.querySelector('.how.done') !== null")
        answered(page, "And then?")
        assert page.run("[...document.querySelectorAll('.earlier.you')].map((one) => one.innerText)") == [
            "I am Max.",
            "Who am I?",
        ]
        page.click(".hint button")
        page.until("document.querySelector('.card') !== null")
        answered(page, "Who am I?")
        assert page.run("document.querySelector('.agent .prose').innerText") == "user: Who am I?"
        assert page.run("document.querySelector('.earlier')") is None


def test_a_workflow_is_run_anew(chromium: Browser) -> None:
    with serving(ConcurrentWorkflow([remembering()], name="team")) as url:
        page = chromium.page()
        page.go(url)
        ask(page, "I am Max.")
        page.until("document.querySelector('.how.done') !== null")
        page.until("document.querySelector('.hint button')?.innerText === 'New run'")
        assert page.run("document.getElementById('say').placeholder") == "A task …"
        answered(page, "Who am I?")
        assert page.run("document.querySelector('.agent .prose').innerText") == "user: Who am I?"
        assert page.problems == []


def test_a_run_is_stopped(chromium: Browser) -> None:
    with serving(agent("slow", "offline/slow", 20, [LONG])) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.prose') !== null")
        page.press("Escape")
        page.press("Escape")
        page.until("document.querySelector('.how.stopped') !== null")
        assert page.run("document.querySelector('.agent .state').innerText") == "stopped"
        assert page.problems == []


def test_a_client_that_reconnects_has_missed_nothing(chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 60, [" ".join(f"word{at}" for at in range(150))])) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.body.innerText.includes('word20')")
        page.ask("Page.reload")
        page.until("document.readyState === 'complete' && document.body.innerText.includes('word21')")
        page.until("document.querySelector('.how.done') !== null")
        assert page.run("document.querySelector('.prose').innerText") == " ".join(f"word{at}" for at in range(150))
        assert page.problems == []


def test_an_error_is_shown(chromium: Browser) -> None:
    with serving(agent("broken", "offline/broken", 400, ["I begin", Fail(500, "the disk is full")])) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.how.failed') !== null")
        assert "the disk is full" in page.text()
        assert page.problems == []


SEVEN = "Leave **at seven**, not later:\n\n- north of the ~~red~~ buoys\n\n```text\nseven o'clock\n```\n"


def test_two_runs_are_compared(chromium: Browser) -> None:
    writer = Agent(name="writer", model=OfflineModel([[SEVEN], [SEVEN.replace("seven", "eight")]], rate=400))
    with serving(writer) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.how.done') !== null")
        page.press("Escape")
        page.press("n")
        ask(page)
        page.until("document.querySelector('.how.done') !== null && document.querySelectorAll('.runs a').length === 2")
        page.run("[...document.querySelectorAll('.acts button')].find((one) => one.innerText === 'Compare').click()")
        page.until("document.querySelector('.runs .note') !== null")
        page.click(".runs li:nth-child(2) a")
        page.until("document.querySelector('.diff ins') !== null")
        own = "[...document.querySelectorAll('.diff {}.own')].map((one) => one.innerText)"
        assert page.run(own.format("del")) == ["eight", ",", "eight"]
        assert page.run(own.format("ins")) == ["seven", ",", "seven"]
        assert (
            page.run("document.querySelectorAll('.diff strong, .diff li, .diff pre, .diff li > span > del').length")
            == 8
        )
        assert not page.run("/[+\\u2212][0.]+( s)?$/m.test(document.querySelector('.figures').innerText)")
        page.look(390, 844)
        assert page.run("document.querySelector('.tabs')") is None, "they have nothing to switch here"
        page.look(1280, 800)
        assert not page.run("/[*`~]/.test(document.querySelector('.texts').innerText)")
        page.press("Escape")
        page.until("document.querySelector('.talk') !== null")
        assert page.problems == []


def test_a_person_whom_the_application_no_longer_knows_is_told_to_reload(chromium: Browser) -> None:
    known = ["ann"]

    def owner(connection: HTTPConnection) -> str:
        if not known:
            raise HTTPException(401, "Who are you?")
        return known[0]

    with serving(agent("writer", "offline/writer", 400, ["Hello."]), prefix="/agents", owner=owner) as url:
        page = chromium.page()
        page.go(url)
        page.until("document.querySelector('.card') !== null")
        known.clear()
        page.click("#say")
        page.type(TASK)
        page.press("Enter")
        said = "You are no longer signed in. Reload the page."
        page.until(f"document.querySelector('[role=alert]')?.innerText === '{said}'")


TOKEN = "a-token-that-nobody-would-ever-guess-1"


def test_a_token_in_the_address_is_exchanged_for_a_cookie(chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 400, ["Hello."]), token=TOKEN) as url:
        page = chromium.page()
        page.go(f"{url}#token={TOKEN}")
        page.until("document.querySelector('.card') !== null")
        assert TOKEN not in page.run("location.href")
        assert page.run("document.cookie") == ""
        ask(page)
        page.until("document.querySelector('.how.done') !== null")


def test_a_token_is_asked_for_and_held_by_the_cookie_alone(chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 400, ["Hello."]), token=TOKEN) as url:
        page = chromium.page()
        page.ask("Network.clearBrowserCookies")
        page.go(f"{url}#token=one-that-is-not-the-token-of-it")
        page.until("document.querySelector('[role=alert]')?.innerText === 'This is not the token of this server.'")
        assert page.run("location.hash") == ""
        page.until("document.activeElement.type === 'password'")
        page.type("another-that-is-not-the-token")
        page.press("Enter")
        page.until("document.activeElement.selectionStart === 0 && document.activeElement.selectionEnd === 29")
        assert page.run("document.querySelector('[role=alert]') !== null")
        page.type(TOKEN)
        page.press("Enter")
        page.until("document.querySelector('.card') !== null")
        ask(page)
        page.until("document.querySelector('.how.done') !== null")
        kept = "location.href + document.cookie + JSON.stringify([localStorage, sessionStorage])"
        assert TOKEN not in page.run(kept + " + document.documentElement.outerHTML")
        run = page.run("location.hash")
        page.ask("Network.clearBrowserCookies")
        page.ask("Page.reload")
        page.until("document.readyState === 'complete' && document.activeElement.type === 'password'")
        assert page.run("document.querySelector('[role=alert]')") is None
        page.type(TOKEN)
        page.press("Enter")
        page.until("document.querySelector('.agent .prose')?.innerText === 'Hello.'")
        assert page.run("location.hash") == run


@pytest.mark.parametrize("prefix", ["", "/deep/down"])
def test_it_works_under_any_prefix(prefix: str, chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 400, ["Hello."]), prefix=prefix) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.how.done') !== null")
        assert page.run("document.querySelector('.acts a').href").startswith(url + "runs/")
        saved = page.run("fetch(document.querySelector('.acts a').href).then((answer) => answer.text())")
        log = json.loads(saved.split('id="log">', 1)[1].split("</script>", 1)[0])
        assert "".join(one["text"] for one in log if one["type"] == "text.delta") == "Hello."
        assert page.problems == []


def test_two_hundred_agents_at_once(chromium: Browser) -> None:
    with serving(harbour_fleet(200)) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelectorAll('.cell').length === 200")
        page.until("document.querySelector('.how.done') !== null")
        assert page.run("document.querySelectorAll('.cell.done').length") == 200
        page.until("document.querySelectorAll('section.agent').length === 200")
        assert page.problems == []


def test_what_is_out_of_sight_is_not_drawn_until_it_is_looked_at(chromium: Browser) -> None:
    slow = "document.querySelector('section.agent[aria-label=slow]')"
    others = [agent(f"quick-{at}", "offline/quick", 40, [Wait(1.0), LONG[:300]]) for at in range(20)]
    with serving(
        ConcurrentWorkflow([*others, agent("slow", "offline/slow", 40, [LONG, Wait(3000)])], name="all")
    ) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until(f"{slow}?.querySelector('.prose') != null")
        page.run("document.querySelector('.cell').click()")  # goes to the first, and no longer follows the newest words
        page.until(f"{slow}.getBoundingClientRect().top > innerHeight + 400")
        page.run("new Promise((later) => setTimeout(later, 100))")  # the browser tells the page what is in sight
        page.run(
            "window.drawn = []; new MutationObserver((records) => drawn.push(...records))"
            f".observe({slow}, {{ childList: true, characterData: true, attributes: true, subtree: true }})"
        )
        page.until("document.querySelectorAll('.cell.done').length === 20")
        page.until("document.querySelector('.overview').innerText.includes('20 done')")
        assert page.run("drawn.length") == 0
        page.run(f"{slow}.scrollIntoView()")
        page.until(f"{slow}.innerText.includes('word100')")
        assert page.problems == []


def test_every_row_of_the_waterfall_has_its_name_where_it_is_scrolled_to(chromium: Browser) -> None:
    with serving(harbour_fleet(100)) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.how.done') !== null")
        page.until("document.querySelectorAll('.name').length > 10")
        assert page.run("document.querySelectorAll('.name').length") < 60
        for row in (99, 50, 0):
            page.run(f"document.querySelector('.fall').scrollTop = {row * 24}")
            name = f"[...document.querySelectorAll('.name')].find((one) => one.innerText === 'boat-{row:03}')"
            page.until(f"{name} !== undefined")
            top = page.run(f"{name}.offsetTop - document.querySelector('.name').closest('.names').offsetTop")
            assert top == 20 + row * 24
        assert page.problems == []


def test_a_reader_that_waits_is_shown_what_it_waits_for(chromium: Browser) -> None:
    with serving(agent("patient", "offline/patient", 400, [Wait(3.0), "Now."])) as url:
        page = chromium.page()
        page.go(url)
        ask(page)
        page.until("document.querySelector('.agent .waits')?.innerText.includes('waiting for')")
        page.until("document.querySelector('.how.done') !== null")
        assert page.problems == []


def test_a_run_that_does_not_exist_is_told_and_a_new_one_can_begin(chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 400, ["Hello."])) as url:
        page = chromium.page()
        page.go(f"{url}#run=run_of_yesterday")
        page.until("document.querySelector('.welcome [role=alert]') !== null")
        assert "There is no such run." in page.run("document.querySelector('.welcome [role=alert]').innerText")
        assert page.run("document.querySelector('.waits')") is None
        ask(page)
        page.until("document.querySelector('.how.done') !== null")
        assert page.run("document.querySelector('[role=alert]')") is None
        here = page.run("location.hash")
        page.run(f"location.hash = '{here}&with=run_of_yesterday'")
        page.until("document.querySelector('.composer .wrong') !== null")
        assert page.run("document.querySelector('.prose').innerText") == "Hello."
        page.run("location.hash = '#run=run_of_yesterday'")
        page.until("document.querySelector('.welcome [role=alert]') !== null")


def test_something_is_painted_before_the_script_has_come(chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 400, ["Hello."])) as url:
        page = chromium.page()
        page.ask("Fetch.enable", patterns=[{"urlPattern": "*/page.js"}])  # it is not answered yet
        page.ask("Page.navigate", url=url)
        page.until("document.querySelector('.bar')?.innerText === 'headwater'")
        page.until("performance.getEntriesByName('first-contentful-paint').length === 1")
        page.ask("Fetch.disable")
        page.until("document.querySelector('.card') !== null")
        assert page.run("document.querySelectorAll('.bar, .brand').length") == 2
        assert page.problems == []


def test_no_runs_is_said_only_once_that_is_known(chromium: Browser) -> None:
    with serving(agent("writer", "offline/writer", 400, ["Hello."])) as url:
        page = chromium.page()
        page.ask("Fetch.enable", patterns=[{"urlPattern": "*/runs?*"}])  # the list of runs is not answered yet
        page.go(url)
        page.until("document.querySelector('.card') !== null")
        assert page.run("document.querySelector('.runs').innerText.trim()").startswith("New conversation")
        assert "No runs" not in page.text()
        page.ask("Fetch.disable")
        page.until("document.querySelector('.runs').innerText.includes('No runs yet.')")
        assert page.problems == []


def test_the_newest_words_stay_in_sight_after_another_view_and_another_size(chromium: Browser) -> None:
    def at_the_end() -> str:
        return (
            "(() => { const { scrollTop, clientHeight, scrollHeight } = document.querySelector('.talk');"
            " const rest = scrollHeight - scrollTop - clientHeight;"
            " return clientHeight > 0 && scrollHeight > 2 * clientHeight && rest < 48; })()"
        )

    with serving(agent("writer", "offline/writer", 400, [LONG, Wait(3000)])) as url:
        page = chromium.page(390, 500)
        page.go(url)
        ask(page)
        page.until("document.body.innerText.includes('word399')")
        page.until(at_the_end())
        for tab in (2, 1):
            page.click(f".tabs button:nth-child({tab})")
            page.run("new Promise((later) => setTimeout(later, 300))")
        page.until(at_the_end())
        page.look(390, 360)
        page.until(at_the_end())
        page.run("document.querySelector('.talk').scrollTop = 100")
        page.until("document.querySelector('.talk').scrollTop === 100")
        page.run("new Promise((later) => setTimeout(later, 300))")
        for tab in (2, 1):
            page.click(f".tabs button:nth-child({tab})")
        page.until("document.querySelector('.talk').scrollTop === 100")
        assert page.problems == []
