"""Draws docs/images/example-page.png: the example page on a desk, and on a phone.

Start the service and the page by the commands of examples/web/README.md, with the
members of `careers-users demo`; then `python docs/example_page.py`. Needs the extra
`test`, and a Chromium. Text has the machine's usual font: Inter, in the picture that is
there.
"""

import base64
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser import executable

PAGE = "http://127.0.0.1:5173"
PICTURE = Path(__file__).with_name("images") / "example-page.png"
SCALE = 0.8
FRAME = """
<style>
  body {{ margin: 0; background: #dfe7e5 }}
  img {{ position: absolute; bottom: 24px; border: 1px solid #a9bab6 }}
  .desk {{ left: 24px; border-radius: 12px }}
  .phone {{ right: 24px; border: 5px solid #2c3a38; border-radius: 28px }}
</style>
<img class="desk" src="data:image/png;base64,{}">
<img class="phone" src="data:image/png;base64,{}">
"""


def shot(
    browser: Browser, place: str, title: str, width: int, height: int, *, is_dark: bool
) -> str:
    """Sign in, go to a view, and return its picture in base64."""
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if is_dark else "light",
        # A picture that is scaled afterwards takes more bytes.
        device_scale_factor=SCALE,
    )
    # The members' pictures are at addresses that do not exist.
    page.route(lambda url: "127.0.0.1" not in url, lambda asked: asked.abort())
    page.goto(PAGE)
    page.get_by_label("Username or e-mail address").fill("celebrity")
    page.get_by_label("Password", exact=True).fill("password123")
    page.get_by_role("button", name="Sign in").click()
    page.locator(".card").first.wait_for()
    page.goto("about:blank")  # The next view comes without the welcome.
    page.goto(f"{PAGE}/#{place}")
    page.get_by_role("heading", name=title).wait_for()
    taken = page.screenshot()
    page.close()
    return base64.b64encode(taken).decode()


def main() -> None:
    """Take both pictures, and put them into one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=["--no-sandbox"]
        )
        desk = shot(browser, "/", "Members", 1100, 760, is_dark=False)
        phone = shot(browser, "/users/ana-conti", "Ana Conti", 390, 800, is_dark=True)
        page = browser.new_page(viewport={"width": 1216, "height": 690})
        page.set_content(FRAME.format(desk, phone))
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
