# SPDX-License-Identifier: Apache-2.0
"""The live page in a real Chromium: add a stream, see it run, break its source, see it recover, acknowledge an incident,
and see a programme's shots, scenes and faults on the time axis.

Called by tests/tests/page.rs, which runs the service and the camera:
  page.py ADDRESS CAMERA-URI SCREENSHOTS
It says `break` and `mend` on stdout when the camera is to be killed and started again, and reads a line from stdin when
that is done.
"""

import os
import shutil
import sys

from playwright.sync_api import expect, sync_playwright

WAIT_MS = 60_000
PHONE = {"width": 390, "height": 844}


def ask(what):
    """Lets the test do something to the camera."""
    print(what, flush=True)
    sys.stdin.readline()


def check_accessibility(page, where):
    """axe finds nothing serious, where it is installed."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        print(f"skipped: axe is not installed, {where} was not checked", file=sys.stderr)
        return
    # axe is put in by the test, past the page's own policy.
    found = Axe().run(page).response["violations"]
    serious = [item for item in found if item["impact"] in ("serious", "critical")]
    assert not serious, f"{where}: {[(item['id'], [node['html'] for node in item['nodes']][:3]) for item in serious]}"


def check_no_sideways_scroll(page, where):
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{where} is {wide} pixels too wide"


def add_stream(page, camera):
    page.get_by_role("button", name="Add stream").click()
    page.get_by_label("Name").fill("bad")
    page.get_by_label("URI").fill("file:///etc/passwd")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("folders")
    page.get_by_label("Name").fill("camera")
    page.get_by_label("URI").fill(camera)
    page.get_by_role("button", name="Add", exact=True).click()


def titles(page, selector):
    """What the parts of the time axis say when one points at them."""
    return page.locator(f".axis {selector} > title").all_text_contents()


def check_time_axis(page, address, shot):
    """What the events of a programme say is drawn: its cut, what its shots show, that it is black and silent."""
    page.goto(f"http://{address}/#/streams/playout")
    for selector, text in [("line.cut", "cut"), ("rect.scene", "%"), ("rect.fault", "black"), ("rect.fault", "silence")]:
        expect(page.locator(f".axis {selector}", has_text=text).first).to_be_attached()
    expect(page.locator(".axis text.lane")).to_have_text(
        ["Manipulation", "Speech", "Loudness", "Words", "Shots", "Scene", "Faults", "State"])
    timeline = page.evaluate("fetch('/api/v1/streams/playout/timeline').then((answer) => answer.json())")
    assert any(scene["place"] or scene["label"] != "none" for scene in timeline["scenes"]), timeline["scenes"]
    # Each scene that the axis still has room for is there, by its name.
    drawn = titles(page, "rect.scene")
    last = timeline["scenes"][-2 if len(timeline["scenes"]) > 1 else -1]
    name = last["place"] or last["label"].replace("none", "no known scene").replace("_", " ")
    assert any(name in title for title in drawn), (name, drawn)
    assert any(title.startswith("cut,") for title in titles(page, "line.cut"))
    check_accessibility(page, "the time axis")
    shot(page, "playout")
    page.emulate_media(color_scheme="dark")
    shot(page, "playout-dark")
    page.emulate_media(color_scheme="light")


def check_websocket(page):
    """A page's own WebSocket, which offers a token as a subprotocol, gets events."""
    first = page.evaluate("""() => new Promise((done, fail) => {
        const protocols = ["cloudevents.json", "polygraph.token.YQ"];
        const socket = new WebSocket(`ws://${location.host}/api/v1/events/ws?kinds=frame`, protocols);
        socket.onmessage = (message) => { done([socket.protocol, JSON.parse(message.data).type]); socket.close(); };
        socket.onclose = (close) => fail(new Error(`closed: ${close.code} ${close.reason}`));
    })""")
    assert first == ["cloudevents.json", "io.polygraph.frame.v1"], first


def check_words_of_lips(page):
    """Words that lips changed are marked. Of no medium of the tests does anybody's lips count, so the mark is put into the
    API's answer, onto the words that were really said."""
    def marked(route):
        answer = route.fetch()
        timeline = answer.json()
        for words in timeline["words"]:
            words["from_lips"] = [0]
            words["lips_at"] = [{"at_ms": words["at_ms"], "until_ms": words["at_ms"] + 500}]
        route.fulfill(response=answer, json=timeline)
    page.route("**/timeline?*", marked)
    page.reload()
    expect(page.locator(".transcript b.lips").first).to_be_visible()
    expect(page.locator(".axis rect.lips").first).to_be_attached()
    expect(page.locator(".axis tspan.lips").first).to_be_attached()
    page.unroute("**/timeline?*")


def main(address, camera, folder):
    os.makedirs(folder, exist_ok=True)
    shot = lambda page, name: page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, bypass_csp=True)
        page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://{address}/")
        add_stream(page, camera)
        card = page.locator('[data-stream="camera"]')
        expect(card.locator(".state")).to_have_text("running")
        expect(card.locator("img")).to_be_visible()
        check_accessibility(page, "the wall")
        shot(page, "wall")

        ask("break")
        expect(card.locator(".state")).to_have_text("recovering")
        shot(page, "recovering")
        ask("mend")
        expect(card.locator(".state")).to_have_text("running")

        card.get_by_role("link").click()
        expect(page.get_by_role("heading", name="camera")).to_be_visible()
        expect(page.locator(".axis path.score, .axis rect.speech, .axis rect.s-running").first).to_be_visible()
        expect(page.locator("tbody tr", has_text="polyface")).to_be_visible()
        check_accessibility(page, "the stream's page")
        # Nobody looks for its faults, and an empty lane would say that there are none.
        expect(page.locator(".axis text.lane", has_text="Scene")).to_be_attached()
        expect(page.locator(".axis text.lane", has_text="Faults")).to_have_count(0)
        shot(page, "stream")
        check_time_axis(page, address, shot)
        check_words_of_lips(page)
        check_websocket(page)

        page.get_by_role("link", name="Incidents").click()
        incident = page.locator("[data-incident]").first
        expect(incident).to_be_visible()
        check_accessibility(page, "the inbox")
        shot(page, "incidents")
        page.keyboard.press("a")
        expect(incident).to_contain_text("acknowledged by local")
        page.keyboard.press("c")
        page.get_by_label("What is to be said").fill("seen by the test")
        page.get_by_role("button", name="Say").click()
        expect(incident).to_contain_text("seen by the test")

        page.get_by_role("link", name="System").click()
        expect(page.get_by_role("heading", name="Networks")).to_be_visible()
        check_accessibility(page, "the system page")
        shot(page, "system")

        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        for fragment, name in [("#/", "phone-wall"), ("#/streams/camera", "phone-stream"), ("#/streams/playout", "phone-playout"), ("#/incidents", "phone-incidents")]:
            page.goto(f"http://{address}/{fragment}")
            expect(page.get_by_role("heading").first).to_be_visible()
            check_no_sideways_scroll(page, name)
            check_accessibility(page, name)
            shot(page, name)
        assert not errors, errors
        browser.close()
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
