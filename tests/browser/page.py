# SPDX-License-Identifier: Apache-2.0
"""The live page in a real Chromium: add a stream, see it run, break its source, see it recover, acknowledge an incident.

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
        shot(page, "stream")

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
        for fragment, name in [("#/", "phone-wall"), ("#/streams/camera", "phone-stream"), ("#/incidents", "phone-incidents")]:
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
