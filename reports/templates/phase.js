"use strict";
// Phase diagrams: one setting across, one down, a third side by side, the rest fixed. Each diagram is one SVG, drawn from
// the cells in this page, so that what is downloaded is what is seen.
(function () {
  const data = JSON.parse(document.getElementById("phase-data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
  const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
  const root = document.getElementById("phase");
  const choosers = {};
  const NOBODY = -1;

  function made(tag, attributes, parent, text) {
    const node = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  }

  function shade(part) {
    const at = Math.min(Math.max(part, 0), 1) * (CIVIDIS.length - 1);
    const i = Math.min(Math.floor(at), CIVIDIS.length - 2);
    const [a, b] = [CIVIDIS[i], CIVIDIS[i + 1]].map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
    return `#${a.map((x, k) => Math.round(x + (at - i) * (b[k] - x)).toString(16).padStart(2, "0")).join("")}`;
  }

  function light(hex) {
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
    return 0.299 * r + 0.587 * g + 0.114 * b > 128;
  }

  function cut(text, room) {
    return text.length <= room ? text : `${text.slice(0, Math.max(room - 1, 1))}…`;
  }

  // -- what is chosen -------------------------------------------------------------------------------------------------

  function choice(name) {
    return choosers[name] ? Number(choosers[name].value) : NOBODY;
  }

  function chosen() {
    const [x, y, z] = ["x", "y", "z"].map(choice);
    const fixed = data.keys.map((key, k) => [k, choice(`fixed-${k}`)]).filter(([k]) => ![x, y, z].includes(k));
    return { x, y, z, fixed };
  }

  // Cells of a view by place "panel|row|column".
  function placed(view) {
    const cells = new Map();
    for (let i = 0; i < data.states.length; i++) {
      if (view.fixed.some(([k, value]) => data.codes[k][i] !== value)) continue;
      const place = [view.z, view.y, view.x].map((k) => (k === NOBODY ? 0 : data.codes[k][i]));
      cells.set(place.join("|"), i);
    }
    return cells;
  }

  const valuesOf = (k) => (k === NOBODY ? [""] : data.keys[k].values);
  const nameOf = (k) => (k === NOBODY ? "" : data.keys[k].name);

  function settingsOf(i) {
    return data.keys.map((key, k) => `${key.name}=${key.values[data.codes[k][i]]}`).join(", ");
  }

  // -- one diagram ----------------------------------------------------------------------------------------------------

  function optionOf(diagram) {
    const select = root.querySelector(`[data-option="${diagram.id}"]`);
    return diagram.options[select ? Number(select.value) : 0];
  }

  function stateOf(diagram, i) {
    if (data.states[i] === "failed" || data.states[i] === "diverged") return data.states[i];
    const values = diagram.kind === "words" ? diagram.values : optionOf(diagram).values;
    return values[i] === null ? "none" : data.states[i];
  }

  function wordsOf(diagram, i) {
    const lines = [settingsOf(i)];
    const state = stateOf(diagram, i);
    if (state === "failed") lines.push(`failed: ${data.errors[i]}`);
    else if (state === "diverged") lines.push("diverged: no training seed could be judged");
    else if (diagram.kind === "words") lines.push(state === "none" ? "not judged" : diagram.words[diagram.values[i]].word);
    else {
      const option = optionOf(diagram);
      const ends = option.lows && option.lows.length && option.lows[i] !== null ? ` [${option.lows[i]}, ${option.highs[i]}]` : "";
      lines.push(state === "none" ? "not measured" : `${diagram.title} ${option.name}: ${option.values[i]}${ends}`);
      if (state === "undetermined") lines.push("the verdict is undetermined");
    }
    if (data.leads[i]) lines.push(`leads: ${data.leads[i]}`);
    if (data.seeds[i]) lines.push(`${data.seeds[i]} training seeds${data.diverged[i] ? `, ${data.diverged[i]} of them diverged` : ""}`);
    return lines.join("\n");
  }

  function patterns(svg, id, ink) {
    const defs = made("defs", {}, svg);
    for (const [name, path, colour] of [
      ["hatch", "M-2 2L2 -2M0 8L8 0M6 10L10 6", "#ffffff"],
      ["dark-hatch", "M-2 2L2 -2M0 8L8 0M6 10L10 6", "#000000"],
      ["cross", "M0 8L8 0M0 0L8 8", ink],
      ["plain-hatch", "M-2 2L2 -2M0 8L8 0M6 10L10 6", ink],
    ]) {
      const pattern = made("pattern", { id: `${id}-${name}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, defs);
      made("path", { d: path, stroke: colour, "stroke-width": 1.1, "stroke-opacity": name === "cross" || name === "plain-hatch" ? 0.55 : 0.5 }, pattern);
    }
  }

  function tile(svg, id, look, box) {
    const area = { x: box.x + 0.75, y: box.y + 0.75, width: box.w - 1.5, height: box.h - 1.5 };
    const group = made("g", { "data-state": look.state }, svg);
    made("rect", { ...area, fill: look.fill, stroke: look.fill === "none" ? look.edge : "none", "stroke-dasharray": "2 2" }, group);
    if (look.pattern) made("rect", { ...area, fill: `url(#${id}-${look.pattern})` }, group);
    if (look.text && box.w >= look.text.length * 6.1 + 3) {
      const at = { x: box.x + box.w / 2, y: box.y + box.h / 2 + 4, "text-anchor": "middle", "font-size": 11, fill: look.ink };
      if (look.pattern) Object.assign(at, { stroke: look.halo, "stroke-width": 4, "stroke-linejoin": "round", "paint-order": "stroke", "font-weight": 700 });
      made("text", at, group, look.text);
    }
    if (look.mark) made("path", { d: `M${box.x + box.w - 8} ${box.y + 1}h7v7z`, fill: look.ink }, group);
    if (look.words) made("title", {}, group, look.words);
  }

  function lookOf(diagram, i, paint) {
    const state = stateOf(diagram, i);
    const words = wordsOf(diagram, i);
    const grey = { fill: paint.missing, ink: paint.ink, halo: paint.missing, edge: paint.axis, words, state };
    if (state === "failed") return { ...grey, text: "×", pattern: "cross" };
    if (state === "diverged") return { ...grey, text: "≈", pattern: "cross" };
    if (state === "none") return { ...grey, text: "–" };
    const mark = data.diverged[i] > 0;
    if (diagram.kind === "words") {
      const word = diagram.words[diagram.values[i]];
      if (!word.colour) return { ...grey, text: word.letter, pattern: "plain-hatch", mark };
      return { ...grey, fill: word.colour, text: word.letter, ink: light(word.colour) ? "#000000" : "#ffffff", mark };
    }
    const option = optionOf(diagram);
    const fill = shade((option.values[i] - diagram.low) / (diagram.high - diagram.low));
    const dark = !light(fill);
    const open = state === "undetermined" ? { pattern: dark ? "hatch" : "dark-hatch" } : {};
    return { ...grey, fill, ink: dark ? "#ffffff" : "#000000", halo: fill, text: option.texts[i], mark, ...open };
  }

  function legend(svg, id, diagram, seen, paint, width) {
    let [x, y] = [0, 0];
    const text = (words, at) => made("text", { x: at, y: y + 12, "font-size": 12, fill: paint.soft }, svg, words);
    const room = (words, sign) => {
      if (x > 0 && x + sign + 6 + words.length * 6.8 > width) [x, y] = [0, y + 22];
    };
    const entry = (look, words) => {
      room(words, 20);
      tile(svg, id, { ...look, words: "" }, { x, y: y - 1, w: 20, h: 18 });
      text(words, x + 26);
      x += 26 + words.length * 6.8 + 16;
    };
    const grey = { fill: paint.missing, ink: paint.ink, halo: paint.missing, edge: paint.axis };
    if (diagram.kind === "words") {
      for (const word of diagram.words) {
        if (word.colour) entry({ ...grey, fill: word.colour, text: word.letter, ink: light(word.colour) ? "#000000" : "#ffffff" }, word.word);
      }
      if (seen.has("undetermined")) entry({ ...grey, text: "?", pattern: "plain-hatch" }, "undetermined");
    } else {
      const [low, high] = diagram.ends;
      text(low, 0);
      const from = low.length * 6.5 + 6;
      for (let k = 0; k < 50; k++) made("rect", { x: from + 2.6 * k, y, width: 2.8, height: 16, fill: shade((k + 0.5) / 50) }, svg);
      text(high, from + 136);
      x = from + 136 + high.length * 6.5 + 18;
      if (seen.has("undetermined")) entry({ ...grey, fill: shade(0.25), text: "", pattern: "hatch" }, "hatched: undetermined");
    }
    if (seen.has("failed")) entry({ ...grey, text: "×", pattern: "cross" }, "failed");
    if (seen.has("diverged")) entry({ ...grey, text: "≈", pattern: "cross" }, "diverged");
    if (seen.has("none")) entry({ ...grey, text: "–" }, diagram.id === "latch-age" ? "no word said" : "not measured");
    if (seen.has("part")) entry({ ...grey, fill: paint.surface, text: "", mark: true }, "some seeds diverged");
    if (seen.has("absent")) entry({ ...grey, fill: "none", text: "" }, "no such cell");
    return y + 30;
  }

  function draw(diagram) {
    const box = root.querySelector(`[data-diagram="${diagram.id}"]`);
    const style = getComputedStyle(document.documentElement);
    const paint = {};
    for (const [name, variable] of Object.entries({ ink: "--ink", soft: "--ink-soft", axis: "--axis", missing: "--missing", surface: "--paper" }))
      paint[name] = style.getPropertyValue(variable).trim();
    const view = chosen();
    const cells = placed(view);
    const [columns, rows, panels] = [view.x, view.y, view.z].map(valuesOf);
    const width = Math.max(Math.floor(box.clientWidth), 260);
    const longest = Math.min(Math.max(...rows.map((word) => word.length)), 12);
    const side = view.y === NOBODY ? 4 : 26 + longest * 6.6;
    const widest = Math.min(Math.max(...columns.map((word) => word.length)), 9);
    const wish = Math.min(Math.max(34, widest * 6.6 + 6), 64);
    let across = Math.max(1, Math.min(panels.length, Math.floor((width + 18) / (side + columns.length * wish + 18))));
    const gap = 18;
    const w = Math.min((width - gap * (across - 1)) / across - side, columns.length * 64) / columns.length;
    const turned = w < widest * 6.6 + 2;
    const h = 30;
    const head = view.z === NOBODY ? 4 : 24;
    const foot = (turned ? widest * 6.6 + 10 : 18) + 20;
    const panelHeight = head + rows.length * h + foot;
    const id = `phase-${diagram.id}`;

    const svg = made("svg", { xmlns: NS, "font-family": FONT, role: "img" });
    const ground = made("rect", { x: 0, y: 0, width: "100%", height: "100%", fill: paint.surface }, svg);
    patterns(svg, id, paint.ink);
    const looks = new Map([...cells].map(([place, i]) => [place, lookOf(diagram, i, paint)]));
    const seen = new Set([...looks.values()].map((look) => look.state));
    if ([...looks.values()].some((look) => look.mark)) seen.add("part");
    if (cells.size < panels.length * rows.length * columns.length) seen.add("absent");
    const key = made("g", {}, svg);
    const top = legend(key, id, diagram, seen, paint, width);

    panels.forEach((panel, p) => {
      const x0 = (p % across) * (side + columns.length * w + gap) + side;
      const y0 = top + Math.floor(p / across) * (panelHeight + 10) + head;
      const group = made("g", {}, svg);
      if (view.z !== NOBODY) {
        const words = cut(`${data.keys[view.z].short}=${panel}`, Math.floor((columns.length * w + side) / 6.8));
        made("text", { x: x0, y: y0 - 9, "font-size": 12, "font-weight": 600, fill: paint.ink }, group, words);
      }
      rows.forEach((row, r) => {
        const yAt = y0 + (rows.length - 1 - r) * h;
        if (view.y !== NOBODY) {
          made("text", { x: x0 - 6, y: yAt + h / 2 + 4, "text-anchor": "end", "font-size": 11, fill: paint.ink }, group, cut(row, 12));
        }
        columns.forEach((column, c) => {
          const look = looks.get(`${p}|${r}|${c}`) || { fill: "none", edge: paint.axis, words: "no such cell in the table", state: "absent" };
          tile(group, id, look, { x: x0 + c * w, y: yAt, w, h });
        });
      });
      const under = y0 + rows.length * h;
      columns.forEach((column, c) => {
        const x = x0 + (c + 0.5) * w;
        const at = turned ? { x: x + 4, y: under + 6, transform: `rotate(-90 ${x + 4} ${under + 6})`, "text-anchor": "end" } : { x, y: under + 15, "text-anchor": "middle" };
        made("text", { ...at, "font-size": 11, fill: paint.ink }, group, cut(column, 9));
      });
      const room = Math.floor((columns.length * w + (p % across === across - 1 ? 0 : gap)) / 6.1);
      made("text", { x: x0 + (columns.length * w) / 2, y: under + foot - 6, "text-anchor": "middle", "font-size": 11.5, fill: paint.soft }, group, cut(room >= nameOf(view.x).length ? nameOf(view.x) : data.keys[view.x].short, room));
      if (view.y !== NOBODY) {
        const middle = y0 + (rows.length * h) / 2;
        const tall = Math.floor((rows.length * h + head) / 6.1);
        const words = tall >= nameOf(view.y).length ? nameOf(view.y) : data.keys[view.y].short;
        made("text", { x: x0 - side + 11, y: middle, "text-anchor": "middle", "font-size": 11.5, fill: paint.soft, transform: `rotate(-90 ${x0 - side + 11} ${middle})` }, group, cut(words, tall));
      }
    });
    const height = top + Math.ceil(panels.length / across) * (panelHeight + 10);
    const reading = readingOf(diagram, [...cells.values()]);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.setAttribute("aria-label", `${diagram.title}. ${reading}`);
    ground.setAttribute("width", width);
    ground.setAttribute("height", height);
    box.replaceChildren(svg);
    box.dataset.drawn = cells.size;
    root.querySelector(`[data-reading="${diagram.id}"]`).textContent = reading;
  }

  function counted(count, noun) {
    return `${count} ${noun}${count === 1 ? "" : "s"}`;
  }

  function readingOf(diagram, cells) {
    const states = cells.map((i) => stateOf(diagram, i));
    const lost = ["undetermined", "failed", "diverged"]
      .map((state) => [state, states.filter((one) => one === state).length])
      .filter(([, count]) => count)
      .map(([state, count]) => `${count} ${state}`);
    const tail = lost.length ? ` Of ${counted(cells.length, "cell")} shown, ${lost.join(", ")}.` : ` ${counted(cells.length, "cell")} shown.`;
    if (diagram.kind === "words") {
      const said = diagram.words
        .map((word, at) => [word, cells.filter((i) => diagram.values[i] === at && !["failed", "diverged"].includes(data.states[i])).length])
        .filter(([word, count]) => count && word.colour)
        .map(([word, count]) => `“${word.word}” in ${count}`);
      return `${said.length ? `Said: ${said.join(", ")}.` : "No word is said in any cell."}${tail}`;
    }
    const option = optionOf(diagram);
    const known = cells.filter((i, at) => !["failed", "diverged", "none"].includes(states[at]));
    if (!known.length) return `Nothing was measured here.${tail}`;
    const view = chosen();
    const place = (i) => [view.x, view.y, view.z].filter((k) => k !== NOBODY).map((k) => `${data.keys[k].short}=${data.keys[k].values[data.codes[k][i]]}`).join(", ");
    const [low, high] = [known.reduce((a, b) => (option.values[b] < option.values[a] ? b : a)), known.reduce((a, b) => (option.values[b] > option.values[a] ? b : a))];
    if (option.values[low] === option.values[high]) return `The same in every measured cell: ${option.texts[low]}.${tail}`;
    return `From ${option.texts[low]} at ${place(low)} to ${option.texts[high]} at ${place(high)}.${tail}`;
  }

  // -- downloads ------------------------------------------------------------------------------------------------------

  function save(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name.replace(/[^A-Za-z0-9._-]+/g, "-");
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function field(value) {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  }

  function csvOf(diagram) {
    const numbers = diagram.kind === "numbers";
    const option = numbers ? optionOf(diagram) : null;
    const ends = numbers && option.lows && option.lows.length > 0;
    const name = numbers ? `${diagram.id.replace(/-/g, "_")}${option.name ? `|${option.name.replace(/[“”]/g, "")}` : ""}` : "verdict";
    const lines = [[...data.keys.map((key) => key.name), name, ...(ends ? ["low", "high"] : []), "state", "seeds"]];
    for (const i of placed(chosen()).values()) {
      const own = numbers ? option.values[i] : diagram.values[i] === null ? "" : diagram.words[diagram.values[i]].word;
      const about = data.keys.map((key, k) => key.values[data.codes[k][i]]);
      lines.push([...about, own, ...(ends ? [option.lows[i], option.highs[i]] : []), data.states[i], data.seeds[i]]);
    }
    return `${lines.map((line) => line.map(field).join(",")).join("\n")}\n`;
  }

  // -- controls -------------------------------------------------------------------------------------------------------

  function redraw() {
    for (const diagram of data.diagrams) draw(diagram);
  }

  // An axis that takes over a key gives its own to the axis that had it.
  function exchanged(name, before) {
    for (const other of ["x", "y", "z"]) {
      if (other !== name && choosers[other] && choice(other) === choice(name)) choosers[other].value = before;
    }
    const view = chosen();
    for (const [k, select] of data.keys.map((key, k) => [k, choosers[`fixed-${k}`]]).filter(([, select]) => select)) {
      select.closest("label").hidden = [view.x, view.y, view.z].includes(k);
    }
    redraw();
  }

  for (const select of root.querySelectorAll("select[data-axis]")) {
    choosers[select.dataset.axis] = select;
    let before = select.value;
    select.addEventListener("focus", () => (before = select.value));
    select.addEventListener("change", () => {
      exchanged(select.dataset.axis, before);
      before = select.value;
    });
  }
  for (const select of root.querySelectorAll("select[data-option]")) select.addEventListener("change", redraw);
  for (const diagram of data.diagrams) {
    const buttons = (kind) => root.querySelector(`[data-${kind}="${diagram.id}"]`);
    buttons("svg").addEventListener("click", () => {
      const svg = root.querySelector(`[data-diagram="${diagram.id}"] svg`);
      save(`${data.file}-${diagram.id}.svg`, new XMLSerializer().serializeToString(svg), "image/svg+xml");
    });
    buttons("csv").addEventListener("click", () => save(`${data.file}-${diagram.id}.csv`, csvOf(diagram), "text/csv"));
  }
  exchanged("", "");
  let wide = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== wide) redraw();
    wide = innerWidth;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; redraw(); });
  addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; redraw(); });
})();
