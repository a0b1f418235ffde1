"""Every page under axe-core, in both themes: nothing that a reader with a keyboard or a screen reader would be stopped by."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_book import PAGES, visit

GRAVE = ("serious", "critical")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation(book, page, theme):
    found = {}
    for name in PAGES:
        page.emulate_media(color_scheme=theme)
        visit(page, book, name)
        page.evaluate("theme => { document.documentElement.dataset.mode = theme; document.documentElement.dataset.theme = theme; }", theme)
        page.wait_for_timeout(300)  # charts are drawn again
        for v in Axe().run(page).response["violations"]:
            if v["impact"] in GRAVE:
                found.setdefault(f"{v['id']}: {v['help']}", []).append((name, v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"][:300]))
    assert not found, "\n".join(f"{rule}\n  " + "\n  ".join(map(str, where[:3])) for rule, where in found.items())


def test_axe_is_awake(page):
    page.set_content("<html><body><img src='data:,'><input></body></html>")
    assert {"image-alt", "label"} <= {v["id"] for v in Axe().run(page).response["violations"]}
