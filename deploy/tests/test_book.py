"""The book: it is built, its links lead somewhere, its pages begin alike."""

import re
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

from paths import BOOK, ROOT, run, tool

REPOSITORY = re.compile(r"https://github\.com/delorenj/bloodbank/(?:blob|tree)/main/([^#]+)")


def pages() -> list[Path]:
    """The pages of the book in their order, as SUMMARY.md lists them."""
    return [BOOK / path for path in re.findall(r"\]\(([^)]+)\)", (BOOK / "SUMMARY.md").read_text())]


class Html(HTMLParser):
    """The links and the anchors of a built page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.in_main = False
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.in_main |= tag == "main"
        if "id" in attributes:
            self.anchors.add(attributes["id"])
        if self.in_main and tag in ("a", "img"):
            self.links.append(attributes.get("href") or attributes.get("src") or "")

    def handle_endtag(self, tag):
        self.in_main &= tag != "main"


class Book(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.built = Path(folder.name)
        run(tool("mdbook"), "build", "docs", "--dest-dir", str(cls.built))

    def test_every_link_leads_somewhere(self):
        built = {path: Html(path) for path in self.built.rglob("*.html") if path.name not in ("404.html", "print.html", "toc.html")}
        seen = 0
        for path, page in built.items():
            for link in page.links:
                seen += 1
                with self.subTest(page=path.relative_to(self.built).as_posix(), link=link):
                    self.assert_leads_somewhere(path, link, built)
        self.assertGreater(seen, 200)

    def assert_leads_somewhere(self, path, link, built):
        own = REPOSITORY.match(link)
        if own:
            self.assertTrue((ROOT / own[1]).exists(), "there is no such file in the repository")
        elif not re.match(r"https?://", link):
            target, _, anchor = link.partition("#")
            target = (path.parent / target).resolve() if target else path
            self.assertTrue(target.exists(), "there is no such page in the book")
            if anchor:
                self.assertIn(anchor, built[target].anchors)

    def test_every_page_is_in_the_book(self):
        written = {page for page in BOOK.rglob("*.md") if page.name != "SUMMARY.md"}
        self.assertEqual(set(pages()), written)

    def test_every_page_begins_with_what_the_reader_can_do_after_it(self):
        for page in pages():
            with self.subTest(page.relative_to(BOOK).as_posix()):
                title, _, begin, *_ = page.read_text().split("\n")
                self.assertRegex(title, r"^# \S")
                self.assertRegex(begin, r"^After reading ")

    def test_every_rust_block_is_compiled(self):
        """By the doctests of a crate, which include the page; see `book` in src/lib.rs."""
        crates = "".join(path.read_text() for path in [ROOT / "src/lib.rs", *ROOT.glob("bloodbank-*/src/lib.rs")])
        for page in pages():
            blocks = re.findall(r"^```rust(.*)$", page.read_text(), re.MULTILINE)
            name = page.relative_to(BOOK).as_posix()
            with self.subTest(name):
                self.assertFalse([block for block in blocks if "ignore" in block])
                self.assertTrue(not blocks or f"docs/src/{name}" in crates, "no crate runs the examples of this page")

    def test_the_quick_start_shows_what_bb_new_makes(self):
        template = (ROOT / "bloodbank-cli/src/verbs/new/template/lib.rs.txt").read_text()
        made = template.replace("{name}", "shop").replace("{domain}", "shop")
        self.assertIn(f"```rust\n{made}```\n", (BOOK / "quick_start.md").read_text())


if __name__ == "__main__":
    unittest.main()
