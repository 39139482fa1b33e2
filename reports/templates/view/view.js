"use strict";
(function () {
  const given = JSON.parse(document.getElementById("view-data").textContent);
  const entries = new Map(given.entries.map((entry) => [entry.id, entry]));
  let versions = given.versions;
  const at = (id) => document.getElementById(id);
  const chosen = [];
  let order = { column: "date", down: true };

  // -- words -----------------------------------------------------------------------------------------------------
  function make(tag, text, ...classes) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    made.classList.add(...classes.filter(Boolean));
    return made;
  }
  const missing = (text) => make("span", text || "not measured", "quiet");
  const percent = (value) => (Math.abs(value) < 0.0995 ? (100 * value).toFixed(1) : (100 * value).toFixed(0)) + "\u00a0%";
  const chance = (value) => (value > 0.99 ? ">\u00a099\u00a0%" : value < 0.01 ? "<\u00a01\u00a0%" : (100 * value).toFixed(0) + "\u00a0%");
  const count = (value) => value.toLocaleString("en");
  function span(seconds) {
    if (seconds < 90) return seconds.toFixed(0) + " s";
    return seconds < 5400 ? (seconds / 60).toFixed(0) + " min" : (seconds / 3600).toFixed(1) + " h";
  }
  const quoted = (path) => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'"'"'`)}'`);
  const notGiven = (entry) => (entry.kind === "question" || entry.kind === "sweep" ? "none" : entry.verdict ? "not measured" : "none yet");
  const kindOf = (entry) => (entry.kind === "sweep" ? "" : entry.verdict.split(":")[0]);
  const intended = (entry) => entry.held.find((one) => one.role === "intended");
  const interval = (one) =>
    percent(one.estimate) + (one.low === null || one.high === null ? "" : ` [${percent(one.low)}, ${percent(one.high)}]`);

  // -- columns ---------------------------------------------------------------------------------------------------
  function nameCell(entry) {
    const box = document.createDocumentFragment();
    const link = given.reports[entry.id];
    const name = make(link ? "a" : "span", entry.setup, "name");
    if (link) name.href = link;
    if (entry.question) name.title = entry.question;
    const isolated = make("bdi");
    isolated.append(name);
    box.append(isolated, make("span", entry.kind + (entry.of === "agents" ? " of agents" : "") + " · " + entry.id, "folder"));
    if (!link && entry.command && entry.state !== "running") box.append(make("code", entry.command));
    return box;
  }
  function verdictCell(entry) {
    if (!entry.verdict) return missing("none yet");
    const tag = make("span", entry.verdict, "tag", kindOf(entry).replace(/[^a-z]/g, ""));
    tag.title = entry.sentence ? `${entry.verdict}: ${entry.sentence}` : entry.verdict;
    return tag;
  }
  function probabilityCell(entry) {
    if (entry.probability === null) return missing(notGiven(entry));
    const box = make("span", chance(entry.probability));
    if (entry.word !== entry.verdict) box.append(make("span", entry.word, "folder"));
    return box;
  }
  function dominanceCell(entry) {
    const one = intended(entry);
    if (!one || one.estimate === null) return missing(notGiven(entry));
    const box = make("span", interval(one));
    box.append(make("span", one.concept, "folder"));
    return box;
  }
  function below(text, more) {
    const box = make("span", text + " ");
    box.append(make("span", more, "folder"));
    return box;
  }
  function stateCell(entry) {
    const box = document.createDocumentFragment();
    if (entry.state === "running") {
      const now = entry.progress || {};
      box.append(make("span", "running"));
      if (now.stage === undefined) return box;
      const bar = make("progress");
      bar.max = 1;
      bar.value = now.part;
      bar.setAttribute("aria-label", `Part of ${now.stage} that is done`);
      const stage = now.stages > 1 ? `${now.stage}, stage ${now.number} of ${now.stages}` : now.stage;
      box.append(bar, make("span", `${stage}: ${percent(now.part)}, ${now.done} of ${now.pieces} pieces`, "going"));
      box.append(make("span", leftWords(now), "going"));
      for (const piece of now.running.slice(0, 3)) {
        box.append(make("span", `${piece.name} ${percent(piece.part)} ${piece.note}`, "going"));
      }
      return box;
    }
    const good = entry.state === "whole" || entry.state === "unfinished";
    const text = entry.state === "failed cells" ? `${count(entry.failed)} failed` : entry.state;
    const word = make("span", text, good ? "" : "bad");
    if (entry.problems.length) word.title = entry.problems.slice(0, 5).join("\n");
    box.append(word);
    return box;
  }
  function leftWords(now) {
    if (now.left === null) return "no estimate yet";
    if (now.left_in_all !== null) return `about ${span(now.left_in_all)} left`;
    return `about ${span(now.left)} left in this stage; no finished run tells about the next`;
  }
  const plain = (value, words, none) => (value === null || value === "" ? missing(none) : make("span", words(value)));
  const columns = [
    { id: "setup", title: "setup", value: (e) => e.setup + " " + e.id, cell: nameCell, down: false },
    { id: "verdict", title: "verdict", value: (e) => e.verdict || null, cell: verdictCell, down: false },
    { id: "probability", title: "probability", value: (e) => e.probability, cell: probabilityCell, down: true, number: true },
    { id: "dominance", title: "dominance", value: (e) => intended(e)?.estimate ?? null, cell: dominanceCell, down: true, number: true },
    { id: "level", title: "evidence", value: (e) => ["exploratory", "registered", "replicated"].indexOf(e.level), cell: (e) => plain(e.level, String, "none yet"), down: true },
    { id: "age", title: "latch age", value: (e) => e.latch_age, cell: (e) => (e.latch_age ? below(count(e.latch_age), e.unit) : plain(e.latch_age, () => "birth", "none")), down: false, number: true },
    { id: "seeds", title: "seeds", value: (e) => e.seeds, cell: (e) => plain(e.seeds, count, "not recorded"), down: true, number: true },
    { id: "cost", title: "cost", value: (e) => e.cost, cell: (e) => plain(e.cost, span, "not recorded"), down: true, number: true },
    { id: "date", title: "begun (UTC)", value: (e) => e.date || null, cell: (e) => (e.date ? below(e.date.slice(0, 10), e.date.slice(11, 16)) : missing("not recorded")), down: true, number: true },
    { id: "state", title: "state", value: (e) => ["running", "unfinished", "damaged", "failed cells", "whole"].indexOf(e.state), cell: stateCell, down: false },
  ];

  // -- the table -------------------------------------------------------------------------------------------------
  const filters = {
    kind: (entry) => entry.kind,
    verdict: (entry) => (entry.kind === "sweep" ? "(sweep)" : entry.verdict || "none yet"),
    level: (entry) => entry.level || "none yet",
    state: (entry) => entry.state,
  };
  function fillFilters() {
    for (const [id, value] of Object.entries(filters)) {
      const select = at(id), before = select.value;
      const words = [...new Set([...entries.values()].map(value))].sort();
      select.replaceChildren(new Option("all", ""), ...words.map((word) => new Option(word, word)));
      select.value = words.includes(before) ? before : "";
    }
  }
  const searched = new WeakMap();
  function textOf(entry) {
    if (!searched.has(entry)) {
      const settings = Object.entries(entry.settings).map(([key, value]) => `${key}=${value}`);
      const all = [entry.setup, entry.id, entry.kind, entry.of, entry.verdict, entry.question, entry.intended, entry.state, entry.level, entry.sentence];
      searched.set(entry, [...all, ...settings].join("\n").toLowerCase());
    }
    return searched.get(entry);
  }
  function shown() {
    const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = Object.entries(filters).filter(([id]) => at(id).value !== "");
    const kept = [...entries.values()].filter(
      (entry) => words.every((word) => textOf(entry).includes(word)) && wanted.every(([id, value]) => value(entry) === at(id).value)
    );
    const { value } = columns.find((column) => column.id === order.column);
    const sign = order.down ? -1 : 1;
    return kept.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.id.localeCompare(b.id);
      const by = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
      return sign * by || a.id.localeCompare(b.id, "en", { numeric: true });
    });
  }
  function cellOf(entry, column) {
    const cell = make("td", undefined, column.number && "number", column.id === "setup" && "first", column.id === "state" && "state");
    cell.setAttribute("role", "cell");
    if (column.id !== "setup") cell.dataset.label = column.title;
    cell.append(column.cell(entry));
    if (cell.firstElementChild?.matches(".quiet:only-child")) cell.classList.add("nothing");
    return cell;
  }
  function rowOf(entry) {
    const row = make("tr", undefined, chosen.includes(entry.id) && "chosen");
    row.setAttribute("role", "row");
    row.dataset.id = entry.id;
    const pick = make("td", undefined, "pick"), label = make("label"), box = make("input");
    pick.setAttribute("role", "cell");
    box.type = "checkbox";
    box.checked = chosen.includes(entry.id);
    box.addEventListener("change", () => choose(entry.id, box.checked));
    label.append(box, make("span", "side by side"), make("span", `: ${entry.setup} ${entry.id}`, "unseen"));
    pick.append(label);
    row.append(pick, ...columns.map((column) => cellOf(entry, column)));
    return row;
  }
  function render() {
    const focused = document.activeElement?.closest?.("#rows tr")?.dataset.id;
    const kept = shown();
    at("rows").replaceChildren(...kept.map(rowOf));
    const every = entries.size;
    at("status").textContent = `${count(kept.length)} of ${count(every)} shown`;
    at("none").hidden = kept.length > 0;
    at("none").firstChild.textContent = every ? "Nothing matches. " : "There is no run, study, sweep or question here yet: imprint run makes one. ";
    at("clear").hidden = !every;
    for (const head of at("columns").children) {
      if (head.dataset.column === order.column) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    at("order").value = `${order.column} ${order.down ? "down" : "up"}`;
    if (focused !== undefined) find(focused)?.querySelector("input")?.focus();
  }
  const find = (id) => [...at("rows").children].find((row) => row.dataset.id === id);
  function sortBy(column, down) {
    order = { column, down };
    render();
  }
  function heads() {
    const first = make("th");
    first.setAttribute("role", "columnheader");
    first.append(make("span", "⇄"));
    first.title = "Tick two to see them side by side";
    first.setAttribute("aria-label", "side by side");
    at("columns").append(first);
    for (const column of columns) {
      const head = make("th", undefined, column.number && "number"), button = make("button", column.title, "sort");
      head.setAttribute("role", "columnheader");
      head.scope = "col";
      head.dataset.column = column.id;
      button.type = "button";
      button.addEventListener("click", () => sortBy(column.id, order.column === column.id ? !order.down : column.down));
      head.append(button);
      at("columns").append(head);
      for (const [word, way] of [["down", "descending"], ["up", "ascending"]]) at("order").append(new Option(`${column.title}, ${way}`, `${column.id} ${word}`));
    }
  }

  // -- side by side ----------------------------------------------------------------------------------------------
  function choose(id, wanted) {
    if (chosen.includes(id)) chosen.splice(chosen.indexOf(id), 1);
    if (wanted) chosen.push(id);
    if (chosen.length > 2) chosen.shift();
    for (const row of at("rows").children) {
      const held = chosen.includes(row.dataset.id);
      row.classList.toggle("chosen", held);
      row.querySelector("input").checked = held;
    }
    if (sideBySide() && wanted) at("compare").scrollIntoView({ block: "nearest" });
  }
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  function bars(entry) {
    const held = entry.held.filter((one) => one.estimate !== null);
    if (!held.length) return missing();
    const height = 20 * held.length + 16, x = (value) => 116 + 150 * Math.min(Math.max(value, 0), 1);
    const words = held.map((one) => `${one.concept} ${interval(one)}`).join(", ");
    const box = svg("svg", { viewBox: `0 0 350 ${height}`, class: "bars", role: "img", "aria-label": words });
    for (const value of [0, 0.5, 1]) {
      box.append(svg("line", { x1: x(value), x2: x(value), y1: 0, y2: height - 14, class: "frame" }));
      const tick = svg("text", { x: x(value), y: height - 3, "text-anchor": "middle" });
      tick.textContent = percent(value).replace(".0", "");
      box.append(tick);
    }
    held.forEach((one, i) => {
      const y = 20 * i + 10, name = svg("text", { x: 108, y: y + 4, "text-anchor": "end" }), number = svg("text", { x: 274, y: y + 4 });
      name.textContent = one.concept.length > 18 ? one.concept.slice(0, 17) + "…" : one.concept;
      number.textContent = percent(one.estimate);
      box.append(name, number);
      if (one.low !== null && one.high !== null) box.append(svg("line", { x1: x(one.low), x2: x(one.high), y1: y, y2: y, class: `line ${one.role}` }));
      box.append(svg("circle", { cx: x(one.estimate), cy: y, r: 4, class: `dot ${one.role}` }));
    });
    const both = document.createDocumentFragment();
    both.append(box, ...held.map((one) => make("span", `${one.concept} ${interval(one)}`, "folder", "numbers")));
    return both;
  }
  function compared(name, pair, words, draw) {
    const texts = pair.map((entry) => words(entry)), row = make("tr", undefined, texts[0] !== texts[1] && "differs");
    const head = make("th", name);
    head.scope = "row";
    row.append(head);
    pair.forEach((entry, i) => {
      const cell = make("td");
      cell.append(draw ? draw(entry) : make("bdi", texts[i] || "none"));
      row.append(cell);
    });
    return row;
  }
  function sideBySide() {
    const box = at("compare"), pair = chosen.map((id) => entries.get(id)).filter(Boolean);
    box.hidden = pair.length === 0;
    if (box.hidden) return false;
    const title = make("h2", "Side by side"), close = make("button", "Close");
    title.id = "compare-title";
    close.type = "button";
    close.addEventListener("click", () => {
      for (const id of [...chosen]) choose(id, false);
      at("table-title").focus();
    });
    if (pair.length < 2) {
      box.replaceChildren(title, make("p", `${pair[0].setup} (${pair[0].id}) is ticked. Tick a second one.`, "soft"), close);
      return false;
    }
    const table = make("table"), head = make("thead"), names = make("tr"), body = make("tbody");
    names.append(make("td"));
    for (const entry of pair) {
      const cell = make("th");
      cell.scope = "col";
      cell.append(nameCell(entry));
      names.append(cell);
    }
    head.append(names);
    const odds = (entry) => Object.entries(entry.words).map(([word, value]) => `${word} ${entry.kind === "sweep" ? count(value) : chance(value)}`).join(", ");
    body.append(
      compared("question", pair, (e) => e.question),
      compared("verdict", pair, (e) => e.verdict),
      compared("what it says", pair, (e) => e.sentence),
      compared("probability of each word (sweeps: cells)", pair, odds),
      compared("dominance, 95 % interval over seeds", pair, (e) => e.held.map(heldWords).join(), bars),
      compared("evidence", pair, (e) => e.level),
      compared("latch age", pair, (e) => (e.latch_age === null ? "" : `${count(e.latch_age)} ${e.unit}`)),
      compared("seeds", pair, (e) => (e.seeds === null ? "" : String(e.seeds))),
      compared("worlds", pair, (e) => (e.worlds === null ? "" : String(e.worlds))),
      compared("cost", pair, (e) => (e.cost === null ? "" : span(e.cost))),
      compared("begun (UTC)", pair, (e) => e.date.slice(0, 16).replace("T", " ")),
      compared("state", pair, (e) => e.state + (e.problems.length ? ": " + e.problems.slice(0, 3).join("; ") : ""))
    );
    const keys = [...new Set(pair.flatMap((entry) => Object.keys(entry.settings)))];
    const differ = keys.filter((key) => pair[0].settings[key] !== pair[1].settings[key]);
    for (const key of differ) body.append(compared(key, pair, (e) => e.settings[key] ?? ""));
    table.append(head, body);
    const same = keys.length - differ.length;
    const end = make("p", `${count(differ.length)} of ${count(keys.length)} settings differ and are listed; ${count(same)} are the same. `, "soft");
    if (pair.every((entry) => (entry.kind === "run" || entry.kind === "study") && entry.verdict)) {
      end.append("Paired by training seed: ", make("code", `imprint compare ${pair.map((entry) => quoted(`${given.folder}/${entry.id}`)).join(" ")}`));
    }
    box.replaceChildren(title, table, end, close);
    return true;
  }
  const heldWords = (one) => `${one.concept} ${one.estimate === null ? "" : interval(one)}`;

  // -- what goes on ----------------------------------------------------------------------------------------------
  function note(text) {
    at("note").textContent = text;
  }
  async function ask(path) {
    const answer = await fetch(path, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }
  async function update() {
    const now = await ask("live.json");
    const changed = Object.keys(now.versions).filter((id) => now.versions[id] !== versions[id]);
    const gone = [...entries.keys()].filter((id) => !(id in now.versions));
    for (const id of changed) {
      const fresh = await ask("entry.json?id=" + encodeURIComponent(id));
      entries.set(id, fresh.entry);
      if (fresh.report) given.reports[id] = fresh.report;
    }
    for (const id of gone) entries.delete(id);
    versions = now.versions;
    for (const [id, progress] of Object.entries(now.progress)) {
      const entry = entries.get(id);
      if (!entry) continue;
      entry.progress = progress;
      find(id)?.querySelector(".state")?.replaceChildren(stateCell(entry));
    }
    if (changed.length || gone.length) {
      fillFilters();
      render();
      sideBySide();
    }
    const going = Object.keys(now.progress).length;
    note(`${going ? `${going} running; ` : ""}read from the folder again every ${given.every} s.`);
  }
  async function watch() {
    let wait = given.every;
    try {
      if (!document.hidden) await update();
    } catch {
      note("imprint view was stopped, so this page shows how things stood. Start it again to go on.");
      wait *= 5;
    }
    setTimeout(watch, 1000 * wait);
  }

  heads();
  fillFilters();
  at("search").addEventListener("input", render);
  for (const id of Object.keys(filters)) at(id).addEventListener("change", render);
  at("order").addEventListener("change", () => {
    const [column, way] = at("order").value.split(" ");
    sortBy(column, way === "down");
  });
  at("clear").addEventListener("click", () => {
    for (const id of ["search", ...Object.keys(filters)]) at(id).value = "";
    render();
    at("search").focus();
  });
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  render();
  if (given.served) watch();
  else note(`As it stood on ${given.made.slice(0, 16).replace("T", " ")} UTC.`);
})();
