"""Each act on the page, in both languages: a reason is asked, what came of it is said, and it was done."""

import re

from sqlalchemy import text


def asked(stage, query):
    with stage.engine.begin() as connection:
        return connection.execute(text(query)).all()


def test_a_sweep_is_run_by_hand(stage, visit):
    visitor = visit()
    visitor.act("run", '[data-policy="purge"]', reason="after the import")
    said = visitor.said()
    ((sweep, actor, reason),) = asked(stage, "SELECT id, actor, reason FROM sweeps WHERE actor = 'the operator'")
    assert said == visitor.say("act.run.done", sweep=sweep, policy=visitor.say("policy.purge"))
    assert (actor, reason) == ("the operator", "after the import")
    visitor.wait_for("#sweeps-list", "after the import")


def test_a_policy_is_paused_and_resumed(stage, visit):
    visitor = visit()
    card = '.card[data-policy="purge"]'
    visitor.act("pause", card, reason="are these dates right?")
    assert visitor.said() == visitor.say("act.pause.done", policy=visitor.say("policy.purge"))
    visitor.wait_for(f"{card} .note", "are these dates right?")
    assert asked(stage, "SELECT policy, actor FROM pauses") == [("purge", "the operator")]
    visitor.act("resume", card)
    visitor.wait_for("#said-text", visitor.say("act.resume.done", policy=visitor.say("policy.purge")))
    assert asked(stage, "SELECT * FROM pauses") == []
    visitor.page.wait_for_selector(f'{card} [data-act="pause"]')


def test_a_held_sweep_is_approved(stage, visit):
    visitor = visit("approver")
    visitor.act("approve", "#decide", reason="offices closed these in 2021")
    assert visitor.said() == visitor.say("act.approve.done", sweep=stage.held)
    visitor.page.wait_for_selector("#decide", state="hidden")
    assert asked(stage, f"SELECT status, approved_at IS NULL FROM sweeps WHERE id = {stage.held}") == [
        ("queued", False)
    ]
    decided = asked(stage, "SELECT kind, actor, reason FROM decisions ORDER BY id DESC LIMIT 1")
    assert decided == [("approved", "the approver", "offices closed these in 2021")]


def test_a_held_sweep_is_rejected(stage, visit):
    visitor = visit()
    visitor.act("reject", "#decide")
    assert visitor.said() == visitor.say("act.reject.done", sweep=stage.held)
    assert asked(stage, f"SELECT status FROM sweeps WHERE id = {stage.held}") == [("rejected",)]


def test_a_hold_is_placed(stage, visit):
    visitor = visit()
    visitor.act("place", "#holds", reason="complaint 2026-118", account=stage.account)
    assert visitor.said() == visitor.say("act.place.done", account=stage.account)
    placed = asked(stage, f"SELECT placed_by, reason FROM holds WHERE account_id = {stage.account}")
    assert placed == [("the operator", "complaint 2026-118")]
    visitor.wait_for("#holds-list", "complaint 2026-118")


def test_a_hold_is_released(stage, visit):
    visitor = visit("approver")
    visitor.act("release", "#holds")
    assert visitor.said() == visitor.say("act.release.done", account=stage.kept)
    assert asked(stage, f"SELECT released_by FROM holds WHERE id = {stage.hold}") == [("the approver",)]
    visitor.wait_for("#holds-list", visitor.say("holds.none"))


def test_an_account_in_quarantine_is_tried_again(stage, visit):
    visitor = visit()
    visitor.page.click(f'#quarantine [data-act="retry"][data-account="{stage.aside[1]}"]')
    visitor.page.fill("#act-reason", "mended")
    visitor.page.click("#act-confirm")
    assert visitor.said() == visitor.say("act.retry.done", account=stage.aside[1])
    assert asked(stage, "SELECT account_id FROM quarantine") == [(stage.aside[0],)]


def test_all_in_quarantine_are_tried_again(stage, visit):
    visitor = visit()
    visitor.act("retry_all", "#quarantine")
    assert visitor.said() == visitor.say("act.retry_all.done", n=2)
    visitor.wait_for("#quarantine-list", visitor.say("quarantine.none"))
    assert asked(stage, "SELECT * FROM quarantine") == []


def test_an_account_is_explained_and_held_from_there(stage, visit):
    visitor = visit("approver")
    visitor.page.fill("#explain-account", str(stage.kept))
    visitor.page.keyboard.press("Enter")
    visitor.wait_for("#explained h3", visitor.say("account.number", account=stage.kept))
    assert visitor.say("explain.not_now") in visitor.text("#explained")
    told = visitor.say("because.purge", event="|", first="|", last="|", length=5).split("|")
    assert re.fullmatch(".+".join(map(re.escape, told)), visitor.text('#explained [data-key="purge"] .because'))
    visitor.act("release", "#explained")
    visitor.wait_for("#explained", visitor.say("explain.next_sweep"))
    visitor.act("place", "#explained", reason="again")
    visitor.wait_for("#explained .note", "again")


def test_a_deleted_account_is_explained_from_the_log_by_its_link(stage, visit):
    visitor = visit("viewer")
    visitor.page.click(f'#actions-list a[href="#account-{stage.purged}"]')
    visitor.wait_for("#explained .badge", visitor.say("state.gone"))
    ((action, _),) = asked(stage, f"SELECT id, account_id FROM actions WHERE account_id = {int(stage.purged)}")
    assert visitor.say("because.done", action=action) in visitor.text('#explained [data-key="purge"]')
    assert visitor.page.locator("#explained tbody tr").count() == 1


def test_an_act_needs_a_reason_and_a_grave_one_a_confirmation(stage, visit):
    visitor = visit("approver")
    page = visitor.page
    page.click('#decide [data-act="approve"]')
    for reason, sure in (("", True), ("   ", True), ("a reason", False)):
        page.fill("#act-reason", reason)
        page.set_checked("#act-sure", sure)
        page.click("#act-confirm")
        assert page.is_visible("#act"), reason
    page.click("#act-cancel")
    assert not page.is_visible("#act")
    assert asked(stage, f"SELECT status FROM sweeps WHERE id = {stage.held}") == [("held",)]


def test_what_the_server_refuses_is_said_in_words_and_nothing_is_lost(stage, visit):
    visitor = visit("approver")
    visitor.refused = {404}
    visitor.act("place", "#holds", reason="typed with care", account=987_654_321)
    visitor.page.wait_for_selector("#act-refused:not([hidden])")
    said = visitor.text("#act-refused")
    assert said.startswith(visitor.say("refusal.404"))
    assert "987654321" in said
    assert visitor.page.input_value("#act-reason") == "typed with care"


def test_what_a_role_may_not_do_is_not_offered(stage, visit):
    offered = {}
    for role in ("viewer", "operator", "approver"):
        buttons = visit(role).page.locator("[data-act]").all()
        offered[role] = {each.get_attribute("data-act") for each in buttons}
    assert offered["viewer"] == set()
    assert offered["operator"] == {"run", "pause", "reject", "place", "retry", "retry_all"}
    assert offered["approver"] == offered["operator"] | {"approve", "release"}


def test_whoever_asked_for_a_sweep_is_told_that_somebody_else_has_to_approve_it(stage, visit):
    with stage.engine.begin() as connection:
        connection.execute(text("UPDATE sweeps SET tick = NULL, actor = 'the approver' WHERE status = 'held'"))
    visitor = visit("approver")
    visitor.wait_for("#decide", visitor.say("act.approve.not_own"))
    assert visitor.page.locator('#decide [data-act="approve"]').count() == 0
