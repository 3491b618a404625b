"""The page without a browser: its shell, its language, its charts, and that nothing in it comes from elsewhere."""

import re
from xml.etree import ElementTree as ET

import pytest
from sweeping import closable, purgeable

from worker.web.page.charts import draw
from worker.web.page.language import COOKIE, Language

SVG = "{http://www.w3.org/2000/svg}"
DAYS = [(f"2026-11-{day:02d}", day * 7 % 40) for day in range(1, 31)]


PREFERRED = {
    "": "en",
    "ja": "ja",
    "ja-JP,ja;q=0.9,en;q=0.8": "ja",
    "en-GB,en;q=0.9,ja;q=0.8": "en",
    "fr-FR,fr;q=0.9,ja;q=0.5": "ja",
    "fr": "en",
    "en;q=0.1,ja;q=0.2": "ja",
    "ja;q=0,en;q=0.1": "en",
    "ja;q=nonsense,en;q=0.1": "en",
    "*": "en",
}


def test_the_page_speaks_the_language_that_the_browser_prefers(server):
    for header, language in PREFERRED.items():
        page = server.ask("/", None, headers={"Accept-Language": header}).text
        assert f'<html lang="{language}"' in page, header


def test_a_chosen_language_is_remembered_and_leaves_the_url(server):
    with server.client() as browser:
        chosen = browser.get("/login?lang=ja")
        assert (chosen.status_code, chosen.headers["Location"]) == (303, "/login")
        assert {"HttpOnly", "SameSite=lax"} <= {each.strip() for each in chosen.headers["Set-Cookie"].split(";")}
        assert browser.cookies[COOKIE] == "ja"
        assert '<html lang="ja"' in browser.get("/", headers={"Accept-Language": "en"}).text
        browser.get("/?lang=en")
        assert '<html lang="en"' in browser.get("/", headers={"Accept-Language": "ja"}).text


def test_a_language_that_there_is_none_of_is_nobodys_choice(server):
    answer = server.ask("/?lang=xx%0d%0aSet-Cookie:a", None)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/login"])
def test_the_page_has_no_script_or_style_of_its_own_and_nothing_from_elsewhere(server, path):
    page = server.ask(path, None).text
    parts = re.findall(r'(?:src|href|action)="([^"]+)"', page)
    assert len(parts) > 10
    for part in parts:
        assert part[0] in "/#?", part
        if part.startswith("/static"):
            assert server.ask(part, None).status_code == 200, part
    assert not re.search(r"<script>|<script [^>]*>[^<]|<style|\sstyle=|\son\w+=", page)


def test_every_script_is_fetched_at_once(server):
    page = server.ask("/", None).text
    for module in re.findall(r'modulepreload" href="([^"]+)"', page):
        for imported in re.findall(r'from "\./([\w.]+)"', server.ask(module, None).text):
            assert f'modulepreload" href="/static/js/{imported}"' in page, module


def test_a_chart_has_a_bar_with_its_figure_for_each_day_and_no_style_or_script():
    drawing = draw(DAYS, Language.EN, 400)
    bars = [each for each in ET.fromstring(drawing).iter(f"{SVG}g") if each.get("class") == "bar"]
    said = [bar.findtext(f"{SVG}title") for bar in bars]
    assert said == [f"{int(day[-2:])} Nov: {count}" for day, count in DAYS]
    assert not re.search(r"<style|<script|\sstyle=|xlink|<!--|javascript", drawing)


def test_a_charts_days_are_written_in_the_readers_language():
    assert "11月30日: 10" in draw(DAYS, Language.JA, 400)


@pytest.mark.parametrize("days", [[], [("2026-11-01", 0)], [("2026-11-01", 3_000_000)]])
def test_a_chart_of_nothing_or_of_millions_is_drawn_too(days):
    drawing = draw(days, Language.EN, 240)
    assert [float(each.get("height")) >= 0 for each in ET.fromstring(drawing).iter(f"{SVG}rect")]


@pytest.mark.parametrize(
    ("most", "marks"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (5, ["0", "2", "4", "6"]),
        (41_800, ["0", "20,000", "40,000", "60,000"]),
    ],
)
def test_the_axis_of_a_chart_has_whole_round_numbers_of_accounts(most, marks):
    drawing = ET.fromstring(draw([("2026-11-01", most)], Language.EN, 400))
    (axis,) = [each for each in drawing.iter(f"{SVG}g") if each.get("class", "").startswith("axis y")]
    assert [each.text for each in axis.iter(f"{SVG}text")] == marks


def test_charts_show_what_the_api_tells(server, by_hand, engine):
    hand = by_hand()
    with engine.begin() as connection:
        for _ in range(3):
            purgeable(connection)
        closable(connection)
    assert hand.carry_out(hand.request("purge")).accounts == 3
    hand.do("dispatch")
    hand.do("measure")
    for kind, policy, day, count in (("done", "purge", -1, 3), ("done", "counter_only", -1, 0)):
        drawing = server.ask(f"/charts/{kind}/{policy}.svg")
        assert drawing.headers["Content-Type"].startswith("image/svg+xml")
        titles = re.findall(r"<title>([^<]+)</title>", drawing.text)
        assert len(titles) == 90
        assert titles[day].endswith(f": {count}")
    assert len(re.findall(r"<title>", server.ask("/charts/ahead/purge.svg").text)) == 90


def test_figures_are_for_those_who_are_logged_in_and_the_shell_is_for_all(server):
    for path, role, status in [
        ("/charts/done/purge.svg", None, 401),
        ("/charts/done/nothing.svg", "viewer", 422),
        ("/charts/done/purge.svg?width=1", "viewer", 422),
        ("/charts/done/purge.svg?width=100000", "viewer", 422),
        ("/", None, 200),
        ("/login", None, 200),
    ]:
        assert server.ask(path, role).status_code == status, path
