"""What a run looks like on the page where nothing may be too small, too long or in the wrong color."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, Price
from headwater.backends.offline import Call, Item, OfflineModel, Wait
from headwater.web.page.saved import saved_page
from tests.support.chromium import Browser, Page
from tests.system.page.scene import TASK, agent, harbour_fleet, high_water, log_of
from tests.system.page.serving import serving

PRICES = {"gpt-5.4": Price(input=2.5, output=15)}


def opened(chromium: Browser, folder: Path, workflow: object, *, width: int = 1280, height: int = 800) -> Page:
    path = folder / "run.html"
    path.write_text(saved_page(log_of(workflow, TASK)), encoding="utf-8")
    page = chromium.page(width, height)
    page.go(path.as_uri())
    return page


def nested() -> GraphWorkflow:
    call = Call("high_water", {"port": "Brest", "day": "Thursday"})
    tides = agent("tides", "ollama/llama3.2", 50, [call], ["06:12."], tools=[high_water])
    weather = agent("weather", "google/gemini-3-flash", 50, ["South-west 4 to 5."])
    looked_up = ConcurrentWorkflow([tides, weather], name="conditions")
    planner = agent("planner", "openai/gpt-5.4", 50, ["Ask for tides and weather."])
    return GraphWorkflow([planner, looked_up], edges=[("planner", "conditions")], name="harbour")


def priced(name: str) -> Agent[None, str]:
    return Agent(name=name, model=OfflineModel([["So it is. " * 9]] * 3, rate=400, model="gpt-5.4"), prices=PRICES)


def test_a_workflow_in_a_workflow_has_no_agents_color(chromium: Browser, tmp_path: Path) -> None:
    page = opened(chromium, tmp_path, nested())
    swatches = "[...document.querySelectorAll('.agent > header .sw')].map((one) => one.className)"
    assert page.run(swatches) == ["sw s0", "sw ring", "sw s1", "sw s2"]
    assert page.problems == []


def test_the_waterfall_is_as_tall_as_its_rows(chromium: Browser, tmp_path: Path) -> None:
    page = opened(chromium, tmp_path, nested(), width=800, height=1000)
    page.click(".tabs button:nth-child(2)")
    page.until("document.querySelector('.fall canvas').clientHeight > 0")
    assert page.run("document.querySelector('.fall').scrollHeight - document.querySelector('.names').offsetHeight") == 0


@pytest.mark.parametrize("width", [320, 800])
def test_the_numbers_of_the_first_tokens_can_be_read_at_any_width(
    width: int, chromium: Browser, tmp_path: Path
) -> None:
    page = opened(chromium, tmp_path, nested(), width=width)
    page.click(".tabs button:nth-child(2)")
    page.until("document.querySelector('.first .tick').getBoundingClientRect().height >= 11")
    inside = "(one) => { const box = one.getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth; }"
    assert page.run(f"[...document.querySelectorAll('.first .tick')].every({inside})")
    assert page.run("document.querySelectorAll('.first .tick').length") > 1


def test_a_run_within_a_moment_has_its_playhead_at_the_end(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    log = log_of(Agent(name="writer", model=OfflineModel([["Hello."]])), TASK)
    assert log[0].time == log[-1].time
    path.write_text(saved_page(log), encoding="utf-8")
    page = chromium.page()
    page.go(path.as_uri())
    page.until("document.querySelector('.track canvas').width > 0")
    head = (
        "(() => { const { width, height } = document.querySelector('.track canvas');"
        " const pixels = document.querySelector('.track canvas').getContext('2d').getImageData(0, 0, width, height);"
        " const row = 26 * width * 4; return [14, width - 8].map((x) => pixels.data[row + x * 4 + 3]); })()"
    )
    page.until(f"({head})[1] === 255")
    assert page.run("[...document.querySelectorAll('.first .tick')].map((one) => one.textContent)") == [
        "0 s",
        "0.005 s",
    ]


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_what_each_agent_has_cost_is_shown_at_any_width(width: int, chromium: Browser, tmp_path: Path) -> None:
    team = ConcurrentWorkflow([priced("one"), agent("two", "ollama/llama3.2", 400, ["Free."])], name="team")
    page = opened(chromium, tmp_path, team, width=width)
    page.until("document.querySelectorAll('.agent .facts').length === 2")
    shown = "[...document.querySelectorAll('.agent .facts')].map((one) => one.innerText.includes('$'))"
    assert page.run(shown) == [True, False]
    page.until("document.querySelector('.look').textContent.includes('cost$0.')")
    if width > 320:
        status = "document.querySelector('.status').getBoundingClientRect().bottom"
        cost = "[...document.querySelectorAll('.status > *')].find((one) => one.textContent.includes('$'))"
        assert page.run(f"{cost}.getBoundingClientRect().bottom <= {status}")
    assert page.problems == []


def test_a_long_name_leaves_the_state_of_the_run_in_sight(chromium: Browser, tmp_path: Path) -> None:
    page = opened(chromium, tmp_path, priced("a-pilot-with-a-very-long-name-that-goes-on-and-on"), width=390)
    assert page.run("document.querySelector('.how').getBoundingClientRect().right <= innerWidth - 60")
    assert page.run("document.documentElement.scrollWidth") == 390


def test_the_time_of_a_run_at_work_is_in_sight_on_a_phone(chromium: Browser) -> None:
    with serving(agent("harbour-pilot", "offline/pilot", 400, ["So.", Wait(3000)])) as url:
        page = chromium.page(390, 800)
        page.go(url)
        page.until("document.querySelector('.card') !== null")
        page.click("#say")
        page.type(TASK)
        page.press("Enter")
        page.until("document.querySelector('.how.live') !== null && document.querySelector('.stop') !== null")
        status = "document.querySelector('.status').getBoundingClientRect()"
        shown = "document.querySelector('.status > .num').getBoundingClientRect()"
        assert page.run(f"{shown}.bottom <= {status}.bottom && {shown}.right <= {status}.right")
        assert page.run(
            "(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)(document.querySelector('.who b'))"
        )
        assert page.problems == []


def test_all_plots_have_one_time_axis_though_the_waterfall_scrolls(chromium: Browser, tmp_path: Path) -> None:
    page = opened(chromium, tmp_path, harbour_fleet(60))
    page.until("document.querySelector('.plot canvas').clientWidth > 0")
    right = "Math.round(document.querySelector('{} canvas').getBoundingClientRect().right)"
    assert page.run("document.querySelector('.fall').scrollHeight > document.querySelector('.fall').clientHeight")
    assert page.run(right.format(".bars")) == page.run(right.format(".plot"))
    assert page.run("document.querySelector('.plot').clientHeight") == 110


def test_two_priced_runs_are_compared_with_their_tools(chromium: Browser) -> None:
    turns: list[list[Item]] = [["I look.", Call("high_water", {"port": "Brest", "day": "Thursday"})], ["At 06:12."]] * 2
    name = "a-pilot-with-a-very-long-name-that-goes-on-and-on"
    pilot = Agent(name=name, model=OfflineModel(turns, rate=400, model="gpt-5.4"), tools=[high_water], prices=PRICES)
    with serving(pilot) as url:
        page = chromium.page()
        page.go(url)
        runs = [
            page.run(
                "fetch('runs', {method: 'POST', headers: {'content-type': 'application/json'},"
                " body: JSON.stringify({input: 'When?'})}).then((told) => told.json()).then((told) => told.run_id)"
            )
            for _ in range(2)
        ]
        page.go(f"{url}#run={runs[0]}&with={runs[1]}")
        page.until("document.querySelector('.figures tbody tr:last-child')?.innerText.startsWith('cost\\t$0.')")
        page.until("[...document.querySelectorAll('.texts .state')].every((one) => one.innerText === 'stop')")
        assert page.run("document.querySelectorAll('.figures tbody th').length") == 7
        assert page.run("[...document.querySelectorAll('.figures tr')].every((one) => one.offsetHeight < 40)")
        page.press("Escape")
        page.until("document.querySelectorAll('.runs .meta').length === 2")
        assert page.run("[...document.querySelectorAll('.runs .meta')].every((one) => one.offsetHeight < 24)")
        assert page.problems == []
