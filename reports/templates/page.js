"use strict";
(function () {
  const figures = JSON.parse(document.getElementById("figure-data").textContent);
  const tables = JSON.parse(document.getElementById("table-data").textContent);

  // Colours are names of CSS variables, with an opacity after a slash; only colour fields are looked at, never names.
  function colour(text, style) {
    if (!text.startsWith("--")) return text;
    const [name, opacity] = text.split("/");
    const value = style.getPropertyValue(name).trim();
    if (!opacity || value.length !== 7) return value;
    const parts = [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
    return `rgba(${parts.join(",")},${opacity})`;
  }

  function resolved(value, style, coloured) {
    if (typeof value === "string") return coloured ? colour(value, style) : value;
    if (Array.isArray(value)) return value.map((item) => resolved(item, style, coloured));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, resolved(item, style, /color(scale)?$/.test(key))])
    );
  }

  // A figure is drawn once, when it can be seen (what is folded has no width), and again when the colours change.
  const boxes = [...document.querySelectorAll("[data-figure]")];
  const drawn = new Set();
  function draw() {
    const style = getComputedStyle(document.documentElement);
    for (const box of boxes) {
      if (drawn.has(box) || !box.offsetWidth || typeof Plotly === "undefined") continue;
      drawn.add(box);
      const plot = resolved(figures[box.dataset.figure], style, false);
      Plotly.react(box, plot.data, plot.layout, { displayModeBar: false, responsive: true });
    }
  }

  function redraw() {
    drawn.clear();
    draw();
  }

  function save(name, blob) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  async function download(id) {
    const table = tables[id];
    if (table.text !== undefined) return save(table.name, new Blob([table.text], { type: "text/csv" }));
    const packed = new Blob([Uint8Array.from(atob(table.gzip), (letter) => letter.charCodeAt(0))]);
    if (!("DecompressionStream" in window)) return save(table.name + ".gz", packed);
    const plain = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
    save(table.name, new Blob([plain], { type: "text/csv" }));
  }

  for (const button of document.querySelectorAll("[data-table]")) {
    button.addEventListener("click", () => download(button.dataset.table));
  }

  // -- what is folded ---------------------------------------------------------------------------------------------------

  const folds = [...document.querySelectorAll("details")];
  let mark = () => {};
  for (const fold of folds) fold.addEventListener("toggle", () => { if (fold.open) draw(); mark(); });

  function unfold(place) {
    for (let box = place; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
    const own = place && place.querySelector(":scope > details.part");
    if (own) own.open = true;
  }

  function follow() {
    const place = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!place) return;
    unfold(place);
    draw();
    place.scrollIntoView();
    mark();
  }
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) follow();
  });

  // On paper nothing can be opened, so everything is; tables that would fill pages say where their rows are instead.
  let closed = [];
  const LONG = 100;
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    closed = folds.filter((fold) => !fold.open && fold.querySelectorAll(":scope > .scroll tr").length <= LONG);
    for (const fold of closed) fold.open = true;
    redraw();
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.theme;
    for (const fold of closed) fold.open = false;
    redraw();
  });

  // -- contents ---------------------------------------------------------------------------------------------------------

  document.documentElement.classList.add("scripted");
  const nav = document.querySelector("nav.contents");
  if (nav) {
    const menu = nav.querySelector(".menu");
    const show = (open) => { nav.classList.toggle("open", open); menu.setAttribute("aria-expanded", String(open)); };
    menu.addEventListener("click", () => show(!nav.classList.contains("open")));
    nav.addEventListener("keydown", (event) => { if (event.key === "Escape") { show(false); menu.focus(); } });
    nav.addEventListener("click", (event) => { if (event.target.closest("a")) show(false); });
    const links = [...nav.querySelectorAll("a")];
    const places = links.map((link) => document.getElementById(link.hash.slice(1)));
    let waiting = false;
    mark = () => {
      waiting = false;
      let now = 0;
      places.forEach((place, i) => { if (place && place.getBoundingClientRect().top < innerHeight / 3) now = i; });
      if (innerHeight + scrollY >= document.documentElement.scrollHeight - 2) {
        const chosen = links.findIndex((link) => link.hash === location.hash);
        const at = chosen < 0 || !places[chosen] ? -1 : places[chosen].getBoundingClientRect().top;
        now = at >= 0 && at < innerHeight ? chosen : links.length - 1;
      }
      links.forEach((link, i) => i === now ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
      nav.querySelector(".here").textContent = links[now] ? links[now].textContent : "";
    };
    addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
    mark();
  }

  // -- tables that can be sorted ----------------------------------------------------------------------------------------

  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const lowered = (text) => [...text].map((letter) => letter === "⁻" ? "-" : RAISED.indexOf(letter)).join("");
  const power = (text) => text.replace(/\s×\s10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/, (_, raised) => `e${lowered(raised)}`);
  const plain = (text) => Number(power(text).replace(/\[.*/, "").replace(/[,\u00a0%\s]/g, "").replace("\u2212", "-") || NaN);
  for (const table of document.querySelectorAll(".table table")) {
    table.querySelectorAll("th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.title = "Sort by this column";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        const key = (row) => row.cells[column].textContent;
        const missing = (row) => row.cells[column].classList.contains("absent") || key(row) === "";
        const compare = (a, b) => {
          if (missing(a) || missing(b)) return missing(a) - missing(b);
          const [x, y] = [plain(key(a)), plain(key(b))];
          const order = Number.isNaN(x) || Number.isNaN(y) ? key(a).localeCompare(key(b)) : x - y;
          return down ? -order : order;
        };
        table.tBodies[0].append(...rows.sort(compare));
      });
    });
  }

  // -- words that are explained -----------------------------------------------------------------------------------------

  const terms = [...document.querySelectorAll("#words dt")].map((word) => ({
    id: word.id,
    meaning: word.nextElementSibling,
    found: new RegExp(`(?<![\\w@.])${word.textContent.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ /g, "[\\u00a0 ]")}s?(?![\\w@])`, word.textContent.toUpperCase() === word.textContent ? "" : "i"),
  }));
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const hide = () => { tip.hidden = true; };
  let explained = null;

  function explain(link, meaning) {
    explained = [link, meaning];
    tip.textContent = meaning.textContent;
    tip.hidden = false;
    const at = link.getBoundingClientRect();
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(at.left, room))}px`;
    const above = at.top - tip.offsetHeight - 6;
    tip.style.top = `${above > 4 ? above : at.bottom + 6}px`;
  }

  for (const section of terms.length ? document.querySelectorAll("main > section:not(#words)") : []) {
    const left = new Set(terms);
    const walker = document.createTreeWalker(section, NodeFilter.SHOW_TEXT, (node) => {
      const place = node.parentElement;
      const prose = place.closest("p, li, figcaption, dd") && !place.closest("a, button, code, h1, h2, h3, summary, table, svg, .replay");
      return prose ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT;
    });
    const nodes = [];
    while (walker.nextNode()) nodes.push(walker.currentNode);
    for (const node of nodes) {
      for (const term of [...left]) {
        const hit = term.found.exec(node.textContent);
        if (!hit) continue;
        left.delete(term);
        const word = node.splitText(hit.index);
        nodes.push(word.splitText(hit[0].length));
        const link = document.createElement("a");
        link.className = "term";
        link.href = `#${term.id}`;
        link.setAttribute("aria-describedby", term.meaning.id);
        word.replaceWith(link);
        link.append(word);
        for (const event of ["pointerenter", "focus"]) link.addEventListener(event, () => explain(link, term.meaning));
        for (const event of ["pointerleave", "blur"]) link.addEventListener(event, hide);
        link.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
      }
    }
  }
  addEventListener("scroll", () => {
    if (!tip.hidden && explained[0] === document.activeElement) explain(...explained);
    else hide();
  }, { passive: true });

  draw();
  follow();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
