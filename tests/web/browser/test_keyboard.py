"""The page with the keyboard alone."""

import pytest

FOCUSED = "document.activeElement.id || document.activeElement.dataset.act || document.activeElement.className"
OUTLINE = "getComputedStyle(document.activeElement).outlineStyle"


def tab_to(visitor, wanted):
    """Press Tab until what is wanted has the focus; every stop on the way shows that it has it."""
    for _ in range(200):
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate(OUTLINE) != "none", visitor.page.evaluate(FOCUSED)
        if visitor.page.evaluate(f"document.activeElement.matches('{wanted}')"):
            return
    pytest.fail(f"no Tab leads to {wanted}")


def test_the_first_stop_leads_past_the_header(stage, visit):
    visitor = visit()
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.className") == "skip"
    visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "main"
    tab_to(visitor, "#concerns a")


def test_an_act_is_carried_out_by_keys_alone(stage, visit):
    visitor = visit()
    pause = '[data-policy="purge"] [data-act="pause"]'
    tab_to(visitor, pause)
    visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate(FOCUSED) == "act-reason"
    visitor.page.keyboard.type("by keys")
    visitor.page.keyboard.press("Enter")
    assert visitor.said() == visitor.say("act.pause.done", policy=visitor.say("policy.purge"))
    visitor.wait_for('.card[data-policy="purge"] .note', "by keys")


def test_escape_leaves_a_dialog_and_gives_the_focus_back(stage, visit):
    visitor = visit("approver")
    tab_to(visitor, '[data-act="approve"]')
    visitor.page.keyboard.press("Space")
    tab_to(visitor, "#act-confirm")
    visitor.page.keyboard.press("Escape")
    assert not visitor.page.is_visible("#act")
    assert visitor.page.evaluate(FOCUSED) == "approve"


def test_what_is_live_does_not_take_the_focus_away(stage, visit):
    visitor = visit()
    tab_to(visitor, '[data-policy="counter_only"] [data-act="run"]')
    with visitor.page.expect_response("**/api/v1/status"):
        pass
    with visitor.page.expect_response("**/api/v1/status"):
        pass
    assert visitor.page.evaluate(FOCUSED) == "run"


def test_the_whole_page_can_be_walked_through_and_left(stage, visit):
    visitor = visit("approver")
    tab_to(visitor, "footer a")
