#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How quick the live page is with many streams, in a real Chromium, on the machine that analyses them as well.

    "$POLYGRAPH_HOME/browser-venv/bin/python" tests/bench/page.py [--streams 50] [--seconds 30]

Makes a service with so many streams, each a file of 320x180 with two pictures a second that is shown again and again, and no
networks: the page is what is under test. Opens the wall on a desk's and on a phone's window, and tells: until every stream has
its card, until every card in sight has its picture, the share of time in which the page's main thread was held for more than
50 ms at a stretch (long tasks), the longest of them, and from a click on a stream to its time axis.
"""

import argparse
import pathlib
import shutil
import subprocess
import tempfile
import time

from playwright.sync_api import sync_playwright
from service import free_port, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
WINDOWS = {"desk": (1280, 900), "phone": (390, 844)}
OBSERVE = """
window.held = [];
new PerformanceObserver((list) => { for (const task of list.getEntries()) window.held.push(task.duration); })
  .observe({ type: 'longtask', buffered: true });
"""


def configuration(folder, port, streams):
    film = folder / "film.mp4"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=2:duration=120", "-f", "lavfi",
         "-i", "sine=duration=120", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", str(film)],
        check=True,
    )
    off = "".join(f"{name} = false\n" for name in ("faces", "shots", "voice", "transcript", "forensics", "lip_sync", "scenes"))
    stream = '[[streams]]\nid = "camera-{:02}"\nuri = "file://' + str(film) + '"\nloop = true\n' + off
    head = f'[http]\nlisten = "127.0.0.1:{port}"\n[store]\nfolder = "{folder}/state"\n[allow]\nfolders = ["{folder}"]\n'
    (folder / "polygraph.toml").write_text(head + "".join(stream.format(number) for number in range(streams)))


def look(browser, address, name, streams, seconds):
    width, height = WINDOWS[name]
    # The content policy forbids to wait for an expression.
    page = browser.new_page(viewport={"width": width, "height": height}, bypass_csp=True)
    page.add_init_script(OBSERVE)
    began = time.monotonic()
    page.goto(address)
    page.wait_for_function(f"document.querySelectorAll('[data-stream]').length == {streams}")
    cards = time.monotonic() - began
    # Pictures out of sight may be left for later.
    in_sight = "[...document.querySelectorAll('[data-stream]')].filter(card => card.getBoundingClientRect().top < innerHeight)"
    page.wait_for_function(f"({in_sight}).every(card => card.querySelector('img').naturalWidth > 0)")
    pictures = time.monotonic() - began
    held_before = len(page.evaluate("window.held"))
    time.sleep(seconds)
    held = page.evaluate("window.held")[held_before:]
    clicked = time.monotonic()
    page.locator("[data-stream] a").first.click()
    page.wait_for_selector(".axis svg, svg.axis")
    opened = time.monotonic() - clicked
    print(
        f"{name} ({width}x{height}): {streams} cards after {cards:.2f} s, those in sight have pictures after {pictures:.2f} s; "
        f"{seconds} s of watching: long tasks {100 * sum(held) / seconds / 1000:.1f} % of the time, the longest {max(held, default=0):.0f} ms; "
        f"a stream's page {opened:.2f} s after the click"
    )
    page.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        port = free_port()
        configuration(pathlib.Path(folder), port, args.streams)
        address = f"http://127.0.0.1:{port}"
        service = subprocess.Popen([ROOT / "target/release/polygraph", "run", f"{folder}/polygraph.toml"], stdout=subprocess.DEVNULL)
        try:
            wait_for(address)
            path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for name in WINDOWS:
                look(browser, address, name, args.streams, args.seconds)
            browser.close()
            # Of its whole life, its start included.
            cpu = subprocess.run(["ps", "-o", "%cpu=", "-p", str(service.pid)], capture_output=True, text=True).stdout.strip()
            print(f"the service's load meanwhile: {float(cpu) / 100:.2f} cores")
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    main()
