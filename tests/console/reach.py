"""What axe doesn't measure: longer words, small targets, hidden focus, and walking a page with the keyboard alone."""

from __future__ import annotations

from playwright.async_api import Route

from tests.console.browser import Window

# Every text grows by 40 % and gets a mark, as languages with longer words would have it.
PSEUDO = """
const more = (length) => Array.from({ length: Math.ceil(length * 0.4) }, (_, n) => (n % 7 ? "~" : " ")).join("");
const longer = (text) => `⟦${text}${more(text.replace(/\\{\\w+\\}/g, "").length)}⟧`;
export const words = new Proxy({}, { get: (_, text) => (typeof text === "string" ? longer(text) : undefined) });
"""
UNTRANSLATED = """() => {
  const parts = "h1, h2, h3, th, dt, legend, label > b, .field > label, .label, .button, .hint, .nav a > span, .tabs a, [role=menuitem], figcaption > span";
  const data = /^[\\d\\W]*$|@|\\.example|^(Free|Pro|Business|Enterprise)$/;
  const seen = [...document.querySelectorAll(parts)].filter((one) => one.checkVisibility() && !one.closest("[data-name], .name-link, .org, .side .foot, .person"));
  return [...new Set(seen.flatMap((one) => [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent.trim()))
    .filter((text) => text && !text.includes("⟦") && !text.includes("⟧") && !data.test(text)))];
}"""
CLIPPED = """() => [...document.querySelectorAll("main *, dialog *")].filter((one) => {
  if (!one.checkVisibility() || one.closest(".visually-hidden, svg")) return false;
  const style = getComputedStyle(one);
  const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  return text && ["hidden", "clip"].includes(style.overflowX) && one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.outerHTML.slice(0, 120))"""
SMALL = """() => {
  const inText = (one) => one.matches("a") && one.parentElement?.matches("p, li, dd, span, small, .crumbs") && getComputedStyle(one).display === "inline";
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((one) => {
    if (!one.checkVisibility() || one.matches(".visually-hidden, .skip") || inText(one)) return false;
    const box = (one.matches("input[type=checkbox], input[type=radio]") ? one.closest("label") ?? one : one).getBoundingClientRect();
    return box.width > 0 && (box.width < 24 || box.height < 24);
  }).map((one) => `${one.outerHTML.slice(0, 120)} ${JSON.stringify(one.getBoundingClientRect())}`);
}"""
HIDDEN_FOCUS = """() => {
  const one = document.activeElement;
  if (!one || one === document.body || one.matches(".skip")) return null;
  const box = one.getBoundingClientRect();
  const at = document.elementFromPoint(Math.min(innerWidth - 1, box.x + Math.min(box.width / 2, 40)), Math.min(innerHeight - 1, Math.max(0, box.y + box.height / 2)));
  const open = document.querySelector("dialog[open]");
  const reached = at && (one.contains(at) || at.contains(one) || one.closest("label")?.contains(at) || at.matches("dialog"));
  return reached && (!open || open.contains(one)) ? null : one.outerHTML.slice(0, 160);
}"""
OUT_OF_SIGHT = """() => [...document.querySelectorAll(".scroll td.act :is(a, button)")].filter((one) =>
  one.getBoundingClientRect().right > one.closest(".scroll").getBoundingClientRect().right + 1).map((one) => one.getAttribute("aria-label"))"""
NAMED = """() => {
  const one = document.activeElement;
  const label = one.getAttribute("aria-label") ?? [...(one.labels ?? [])].map((label) => (label.querySelector("b") ?? label).textContent).join(" ");
  return (label || one.textContent || "").trim();
}"""


async def speak_pseudo(it: Window) -> None:
    """Every word from now on is longer and marked."""

    async def answer(route: Route) -> None:
        await route.fulfill(content_type="text/javascript; charset=utf-8", body=PSEUDO)

    await it.context.route("**/i18n/de.js", answer)
    await it.context.add_init_script("localStorage.setItem('tenantry.language', 'de')")


async def reach(it: Window, name: str, *, back: bool = False) -> None:
    """Tabs on to what has this name; nothing on the way may be covered when it has the focus. Begins when the page has come to rest."""
    await it.settled()
    for _ in range(90):
        if await it.page.evaluate(NAMED) == name:
            return
        await it.page.keyboard.press("Shift+Tab" if back else "Tab")
        hidden = await it.page.evaluate(HIDDEN_FOCUS)
        assert hidden is None, f"the focus is covered: {hidden}"
    raise AssertionError(f"{name} isn't reached with the Tab key")


async def press(it: Window, name: str, *, back: bool = False) -> None:
    """Tabs to a control and uses it."""
    await reach(it, name, back=back)
    await it.page.keyboard.press("Enter")


async def write(it: Window, name: str, text: str) -> None:
    """Tabs to a field and types into it."""
    await reach(it, name)
    await it.page.keyboard.press("Control+a")
    await it.page.keyboard.insert_text(text)
