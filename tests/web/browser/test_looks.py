"""The page on a phone, a tablet and a desk, light and dark: nothing runs over the edge, all is easy to use and read."""

from axe_playwright_python.sync_playwright import Axe

OVERFLOW = """
() => [...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter(e => !e.closest('.unseen, .scrolled, thead'))
  .map(e => `${e.nodeName} ${e.id} ${e.className}`)
"""
WIDTHS = (360, 820, 1280)
SCHEMES = ("light", "dark")


def faults(visitor):
    """Show a page in every way, one after the other, and return what is wrong with it."""
    found = []
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            visitor.page.emulate_media(color_scheme=scheme)
            found += [(width, scheme, *each) for each in _faults(visitor.page)]
    return found


def _faults(page):
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        yield "the page", "wider than the window"
    if runs_over := page.evaluate(OVERFLOW):
        yield "over the edge", runs_over
    for each in Axe().run(page).response["violations"]:
        if each["impact"] in ("serious", "critical"):
            yield each["id"], [node["html"] for node in each["nodes"]]


def test_the_dashboard_fits_and_has_no_serious_fault(stage, visit):
    visitor = visit("approver")
    page = visitor.page
    page.click("#done summary")
    page.fill("#explain-account", str(stage.kept))
    page.keyboard.press("Enter")
    page.wait_for_selector("#explained h3")
    assert faults(visitor) == []
    page.click('#decide [data-act="approve"]')
    assert faults(visitor) == []


def test_the_login_fits_and_has_no_serious_fault(visit):
    assert faults(visit(None)) == []
