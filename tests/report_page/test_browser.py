"""The page in a real browser, where there is one."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from helpers.made_runs import EVIL, write_run
from mmdet_ddpm_moco.report_page.page import write_report

pytestmark = pytest.mark.slow

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
# What a reader does, and what comes of it; the result is left in the page.
PROBE = """
const found = {};
const table = [...document.querySelectorAll('table')].find(
  (t) => t.textContent.includes('AP75'));
const column = (i) => [...table.tBodies[0].rows].map(
  (r) => r.cells[i].textContent);
const head = table.querySelectorAll('.sort');
head[0].click();
found.up = column(0);
head[0].click();
found.down = column(0);
found.said = head[0].closest('th').getAttribute('aria-sort');
const dialog = document.querySelector('dialog');
document.querySelector('.enlarge').click();
found.open = dialog.open;
found.same = dialog.querySelector('img').src
  === document.querySelector('.enlarge img').src;
dialog.querySelector('.close').click();
found.closed = !dialog.open;
const reached = [...document.querySelectorAll('.sort, .enlarge, .scroll')];
found.tab = reached.length && reached.every((e) => e.tabIndex >= 0);
found.title = document.title;
found.loaded = performance.getEntriesByType('resource')
  .map((e) => e.name).filter((n) => !n.startsWith('data:'));
found.broken = [...document.images].filter((i) => !i.naturalWidth).length;
found.wide = document.documentElement.scrollWidth - innerWidth;
document.body.dataset.found = JSON.stringify(found);
"""


@pytest.fixture
def browse(tmp_path):
    if BROWSER is None:
        pytest.skip(f'none of {", ".join(NAMES)} is installed')

    def run(file, *options):
        """The DOM in the end, and lines of the console."""
        done = subprocess.run(
            [
                BROWSER,
                '--headless=new',
                '--no-sandbox',
                '--disable-gpu',
                f'--user-data-dir={tmp_path / "profile"}',
                '--enable-logging=stderr',
                *options,
                '--dump-dom',
                file.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        lines = done.stderr.splitlines()
        return done.stdout, [line for line in lines if 'CONSOLE' in line]

    return run


@pytest.fixture
def page(tmp_path):
    return write_report(write_run(tmp_path))


def with_script(page, text):
    """A copy of the page that runs a script of the test, too."""
    html = re.sub('<meta http-equiv[^>]*>', '', page.read_text())
    assert html != page.read_text()
    copy = page.with_name('probe.html')
    copy.write_text(html.replace('</html>', f'<script>{text}</script></html>'))
    return copy


def test_the_browser_complains_about_nothing(browse, page):
    dom, console = browse(page)
    assert 'Detector' in dom
    assert console == []
    # It would have been heard.
    _, console = browse(with_script(page, 'console.error("heard")'))
    assert len(console) == 1


@pytest.mark.parametrize('width', [1280, 400])
def test_tables_sort_and_pictures_enlarge(browse, page, width):
    probe = with_script(page, f'addEventListener("load", () => {{{PROBE}}});')
    dom, console = browse(probe, f'--window-size={width},900')
    assert console == []
    found = json.loads(unescape(re.search('data-found="(.*?)"', dom)[1]))
    assert found.pop('wide') <= 0
    assert found == dict(
        up=['(mean)', EVIL, 'dent'],
        down=['dent', EVIL, '(mean)'],
        said='descending',
        open=True,
        same=True,
        closed=True,
        tab=True,
        title='detector',
        loaded=[],
        broken=0,
    )


def test_a_script_in_a_name_could_not_run_even_unescaped(browse, page):
    """What the policy is for: the same page with the escapes undone."""
    undone = EVIL.replace('<', '&lt;').replace('>', '&gt;')
    undone = undone.replace('"', '&#34;')
    html = page.read_text()
    assert undone in html
    page.write_text(html.replace(undone, EVIL))
    dom, console = browse(page)
    assert '<title>detector</title>' in dom
    assert any('Content Security Policy' in line for line in console)
