"""The page on a phone, a tablet and a desk, light and dark: nothing runs over the edge, all is easy to use and read."""

import pytest
from axe_playwright_python.sync_playwright import Axe

OVERFLOW = """
() => [...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter(e => !e.closest('.unseen, .scrolled, thead'))
  .map(e => `${e.nodeName} ${e.id} ${e.className}`)
"""


@pytest.fixture(params=[360, 820, 1280])
def width(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["light", "dark"])
def dark(request):
    return request.param


def faults(visitor):
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert visitor.page.evaluate(OVERFLOW) == []
    found = Axe().run(visitor.page).response["violations"]
    return [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def test_the_dashboard_fits_and_has_no_serious_fault(stage, visit, width, dark):
    visitor = visit("approver", width=width, dark=dark)
    page = visitor.page
    page.click("#done summary")
    page.fill("#explain-account", str(stage.kept))
    page.keyboard.press("Enter")
    page.wait_for_selector("#explained h3")
    assert faults(visitor) == []
    page.click('#decide [data-act="approve"]')
    assert faults(visitor) == []


def test_the_login_fits_and_has_no_serious_fault(visit, width, dark):
    visitor = visit(None, width=width, dark=dark)
    assert faults(visitor) == []
