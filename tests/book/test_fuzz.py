"""The page takes any text in its inputs, its clipboard and its links: no exception, no script."""

import random
from urllib.parse import quote

import pytest

PAGES = ["notebooks/3_1_decomposition", "book/model_in_the_page", "book/playground", "book/index"]
EACH = 250  # strings a page
HOSTILE = [  # harmless: each would set a flag if it were ever run
    '<img src=x onerror="window.hit=1">',
    '"><script>window.hit=1</script>',
    "javascript:window.hit=1",
    "';window.hit=1;//",
    "${window.hit=1}",
    "{{constructor.constructor('window.hit=1')()}}",
    "</script><svg onload=window.hit=1>",
]
PLAIN = [
    "",
    " ",
    "0",
    "-0",
    "1e999",
    "-1e-999",
    "NaN",
    "null",
    "__proto__",
    "constructor",
    "9" * 400,
]
PLAIN += [
    "." * 81,
    "1" * 81,
    "\u202eabc",
    "\U0001f9e9" * 9,
    "a\u0000b",
    "%",
    "%E0%A4%A",
    "#",
    "?&=;",
]
LETTERS = "0123456789.,-+eE <>&\"'`=#?%{}[]()\\/\t\näß中\u05d0\u200b\u0301"
ENTERED = """async texts => {
  const fields = [...document.querySelectorAll('article input:not([type=checkbox])')];
  const cell = node => (node.ariaLabel || '').startsWith('row '); // of a board: all alike
  const cells = fields.filter(cell), others = fields.filter((node) => !cell(node));
  for (const [k, text] of texts.entries()) { // into three cells of a board, in turn into all
    const turn = cells.length ? [0, 27, 54].map((i) => cells[(k + i) % cells.length]) : [];
    for (const node of [...others, ...turn]) {
      if (!node.isConnected || node.disabled) continue;
      const number = node.type === 'number' || node.type === 'range';
      node.value = number && Number.isNaN(Number(text)) ? '' : text;
      for (const kind of ['input', 'change']) node.dispatchEvent(new Event(kind, {bubbles: true}));
      if (node.type === 'text') {
        const clipboardData = new DataTransfer();
        clipboardData.setData('text/plain', text);
        const pasted = {clipboardData, bubbles: true, cancelable: true};
        node.dispatchEvent(new ClipboardEvent('paste', pasted));
        node.dispatchEvent(new KeyboardEvent('keydown', {key: text.slice(0, 1), bubbles: true}));
      }
    }
    if (Math.random() < 0.1) await new Promise(requestAnimationFrame);
  }
  await new Promise(done => setTimeout(done, 500));
  return document.querySelectorAll('article [onerror], article [onload]').length;
}"""


def strings(n, seed):
    """`n` strings: the hostile and the odd first, then random ones."""
    draw = random.Random(seed)
    made = ["".join(draw.choices(LETTERS, k=draw.randrange(1, 90))) for _ in range(n)]
    return [*HOSTILE, *PLAIN, *made][:n]


@pytest.mark.parametrize("name", PAGES)
def test_any_text_may_be_typed_or_pasted(name, book, page):
    page.goto((book / f"{name}.html").as_uri())
    page.wait_for_load_state()
    page.wait_for_function("document.querySelectorAll('article input').length > 0")
    assert page.evaluate(ENTERED, strings(EACH, name)) == 0
    assert page.evaluate("window.hit") is None
    parsed = "cannot be parsed"  # the browser's own word on what a number field will not hold
    assert [said for said in page.complaints if parsed not in said] == []


@pytest.mark.parametrize("name", PAGES)
def test_any_text_may_stand_in_a_link(name, book, page):
    for text in strings(24, name):
        said = quote(text)
        query = f"?explorer={said}&drift={said}&below={said}&board={said}&q={said}#{said}"
        page.goto((book / f"{name}.html").as_uri() + query)
        page.wait_for_load_state()
        assert page.evaluate("window.hit") is None
    assert page.complaints == []
