"""What the page tells without being asked: the light, progress, a lost connection, stale figures."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text


def change(stage, statement, **values):
    with stage.engine.begin() as connection:
        connection.execute(text(statement), values)


def test_everything_that_matters_is_on_the_page(stage, visit):
    visitor = visit("viewer")
    shown = visitor.text("main")
    for key in ("sweeps.heading", "gate.ceiling", "anomaly.invalid_without_date", "quarantine.heading", "beat.alive"):
        assert visitor.say(key) in shown, key
    assert "SQLSTATE 23503 in applications" in shown
    assert visitor.text("#who").startswith("the viewer")
    assert "12,345" in visitor.text(f'[data-key="progress-{stage.running}"]')


def test_the_light_says_in_words_what_it_says_in_colour(stage, visit):
    visitor = visit("viewer")
    # No worker is at work in this test.
    assert visitor.page.get_attribute("#verdict", "data-level") in ("late", "stopped")
    assert visitor.text("#headline") in (visitor.say("verdict.stopped"), visitor.say("verdict.late"))
    assert visitor.say("concern.no_worker") in visitor.text("#concerns")
    assert visitor.text("#headline") in visitor.page.title()


def test_progress_goes_on_without_reloading_and_its_end_is_said(stage, visit):
    visitor = visit("viewer")
    bar = visitor.page.locator(f"progress#progress-{stage.running}")
    assert bar.get_attribute("value") == "12345"
    change(stage, "UPDATE sweeps SET accounts = 40000, heard_at = now() WHERE status = 'running'")
    visitor.wait_for(".progress", "80 %")
    ended = "UPDATE sweeps SET status = 'done', accounts = 50000, ended_at = now() WHERE status = 'running'"
    change(stage, ended)
    visitor.wait_for("#news", visitor.say("status.done"))
    assert visitor.page.locator(f"#progress-{stage.running}").count() == 0


def test_a_lost_connection_is_said_and_so_is_its_return(stage, visit):
    visitor = visit("viewer")
    visitor.offline = True
    visitor.page.context.set_offline(True)
    visitor.wait_for("#lost", visitor.say("refusal.unreachable"))
    visitor.page.context.set_offline(False)
    visitor.page.wait_for_selector("#lost", state="hidden")
    visitor.wait_for("#news", visitor.say("live.again"))


def test_figures_that_are_old_are_called_stale(stage, visit):
    change(stage, "UPDATE measurements SET at = now() - interval '20 minutes'")
    change(
        stage,
        "UPDATE measurements SET figures = jsonb_set(figures::jsonb, '{at}', to_jsonb(CAST(:at AS text)))",
        at=(datetime.now(UTC) - timedelta(minutes=20)).isoformat(),
    )
    visitor = visit("viewer")
    minutes = {"en": "20 minutes", "ja": "20 分"}[visitor.page.get_attribute("html", "lang")]
    assert visitor.say("concern.not_measured", ago=minutes) in visitor.text("#concerns")


def test_before_the_first_count_no_figure_is_made_up(server, visit):
    visitor = visit("viewer")
    assert visitor.text('.card[data-policy="purge"] .figure strong') == "\N{EN DASH}"
    assert visitor.say("uncounted") in visitor.text("#anomalies")


def test_charts_and_their_tables_tell_the_same(stage, visit, server):
    visitor = visit("viewer")
    days = server.ask("/api/v1/days?days=90").json()["policies"]
    assert visitor.page.locator("#done-purge .bar").count() == 90
    visitor.page.click("#done summary")
    rows = visitor.page.locator("#done-table tbody tr")
    assert rows.count() == 90
    assert rows.last.locator("td").all_inner_texts()[1:] == [
        str(days[policy][-1]["accounts"]) for policy in ("purge", "counter_only")
    ]
    assert days["purge"][-1]["accounts"] == 5
    assert visitor.page.locator("#ahead-counter_only .bar").count() == 90


def test_a_chart_that_is_not_to_be_had_is_said_in_its_place(stage, visit):
    def away(route):
        problem = {"type": "about:blank", "title": "Not available", "status": 503, "detail": "the database is away"}
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(problem))

    visitor = visit("viewer")
    visitor.refused = {503}
    visitor.page.route("**/charts/done/purge.svg*", away)
    visitor.page.reload()
    visitor.wait_for("#done-purge [role=alert]", "the database is away")
    visitor.page.locator("#done-counter_only .bar").nth(89).wait_for(state="attached")


def test_how_long_ago_is_told_by_the_servers_clock(stage, visit):
    change(
        stage,
        "INSERT INTO heartbeats (source, at) VALUES ('verify', now() - interval '5 hours') "
        "ON CONFLICT (source) DO UPDATE SET at = excluded.at",
    )
    visitor = visit("viewer")
    visitor.page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=400))
    visitor.page.reload()
    hours = {"en": "5 hours", "ja": "5 時間"}[visitor.page.get_attribute("html", "lang")]
    visitor.wait_for("#chain-list", visitor.say("ago", time=hours))


def test_long_lists_begin_short_and_show_more(stage, visit):
    with stage.engine.begin() as connection:
        for _ in range(20):
            stage.sweep(connection, "purge", "done", started_at=datetime.now(UTC), ended_at=datetime.now(UTC))
    visitor = visit("viewer")
    rows = visitor.page.locator("#sweeps-list tbody tr")
    assert rows.count() < 20
    visitor.page.click('[data-more="sweeps"]')
    rows.nth(19).wait_for()


def test_what_people_wrote_is_text_and_never_markup(stage, visit):
    change(stage, "UPDATE holds SET reason = '<img src=x onerror=alert(1)><b>bold</b>'")
    visitor = visit("viewer")
    assert "<img src=x onerror=alert(1)><b>bold</b>" in visitor.text("#holds-list")
    assert visitor.page.locator("#holds-list img, #holds-list b").count() == 0


@pytest.mark.parametrize("language", ["en"], indirect=True)
def test_on_paper_there_is_what_is_and_nothing_to_press(stage, visit):
    visitor = visit("approver")
    visitor.page.emulate_media(media="print")
    assert [each for each in visitor.page.locator("button, form, nav").all() if each.is_visible()] == []
    assert visitor.page.is_visible("#headline")
    assert visitor.page.is_visible("#actions-list")
    assert visitor.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
