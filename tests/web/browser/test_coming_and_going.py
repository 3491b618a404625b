"""Logging in and out at the page, and the language it speaks."""

from worker.web.sessions import COOKIE


def test_a_token_opens_the_dashboard_and_logging_out_closes_it(visit, server):
    visitor = visit(None)
    visitor.refused = {401}
    page = visitor.page
    page.fill("#token", server.tokens["viewer"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/")
    visitor.wait_for("#who", "the viewer")
    assert server.tokens["viewer"] not in page.content()
    page.click("#log-out")
    page.wait_for_url(f"{server.url}/login")
    page.goto(server.url)
    page.wait_for_url(f"{server.url}/login")


def test_a_wrong_token_is_refused_in_words(visit, server):
    visitor = visit(None)
    visitor.refused = {401}
    visitor.page.fill("#token", server.tokens["viewer"] + "x")
    visitor.page.keyboard.press("Enter")
    visitor.wait_for("#login-refused", visitor.say("login.refused"))
    assert visitor.page.url == f"{server.url}/login"


def test_a_session_that_is_over_leads_to_the_login(visit, server):
    visitor = visit("viewer")
    visitor.refused = {401}
    visitor.page.context.clear_cookies(name=COOKIE)
    visitor.page.wait_for_url(f"{server.url}/login")


def test_the_language_is_switched_and_remembered(visit, server):
    visitor = visit("viewer")
    other = {"en": "ja", "ja": "en"}[visitor.page.get_attribute("html", "lang")]
    visitor.page.click(f'.languages a[lang="{other}"]')
    visitor.page.wait_for_selector(f'html[lang="{other}"] body:not([aria-busy])')
    assert visitor.page.url == f"{server.url}/"
    visitor.open("/")
    assert visitor.page.get_attribute("html", "lang") == other


def test_without_tokens_on_this_machine_nobody_logs_in_and_acts_are_local(visit, serve):
    visitor = visit(None, of=serve(with_tokens=False, log="open"))
    visitor.open("/")
    assert visitor.text("#who").startswith("local")
    assert not visitor.page.is_visible("#log-out")
    visitor.act("pause", '[data-policy="purge"]')
    assert visitor.said() == visitor.say("act.pause.done", policy=visitor.say("policy.purge"))
