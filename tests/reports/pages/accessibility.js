// What a screen reader, a keyboard or weak eyes cannot use: {nameless: [...], faint: [...]}, for Playwright's evaluate.
() => {
  const nameless = [];
  const byId = (e, key) => (e.getAttribute(key) || "").split(" ").filter(Boolean);
  const labels = (e) => (e.labels ? [...e.labels].map((label) => label.textContent).join(" ") : "");
  const referred = (e) => byId(e, "aria-labelledby").map((id) => document.getElementById(id)?.textContent || "").join(" ");
  const name = (e) => (e.getAttribute("aria-label") || referred(e) || e.alt || e.title || labels(e) || e.textContent || "").trim();
  const named = "a[href], button, summary, select, input, img, nav, [role=img], [role=region], section[aria-labelledby]";
  for (const e of document.querySelectorAll(named)) if (!name(e)) nameless.push(`no name: ${e.outerHTML.slice(0, 90)}`);

  const ids = [...document.querySelectorAll("main [id], nav [id]")].filter((e) => !e.closest("svg")).map((e) => e.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) nameless.push(`two of ${id}`);
  for (const key of ["aria-describedby", "aria-controls", "aria-labelledby"])
    for (const e of document.querySelectorAll(`[${key}]`))
      for (const id of byId(e, key)) if (!document.getElementById(id)) nameless.push(`${key} of nothing: ${id}`);

  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) nameless.push(`h${own} after h${level}: ${heading.textContent}`);
    level = own;
  }
  for (const box of document.querySelectorAll("*")) {
    const scrolls = /auto|scroll/.test(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth + 1;
    if (scrolls && box.tabIndex < 0 && !box.querySelector("a, button")) nameless.push(`no key scrolls ${box.className}`);
  }

  // Contrast by WCAG 2.2, level AA: 4.5, or 3 for large text and for signs whose meaning is also said in words.
  const faint = new Set();
  const numbers = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (place) => {
    for (let e = place; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const [text, e] = [walker.currentNode.textContent.trim(), walker.currentNode.parentElement];
    if (!text || e.closest("svg, script, style, noscript, option, .skip, [hidden]") || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const [above, below] = [luminance(numbers(style.color)), luminance(ground(e))].sort((x, y) => y - x);
    const ratio = (above + 0.05) / (below + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const sign = e.closest("[aria-hidden=true]");
    if (ratio < (large || sign ? 3 : 4.5)) faint.add(`${ratio.toFixed(2)} ${e.tagName}.${e.className}: ${text.slice(0, 40)}`);
  }
  return { nameless, faint: [...faint] };
}
