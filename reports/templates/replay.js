"use strict";
// Episodes to play: a canvas at the frames' own size, and one row per number along time with a cursor over all of them.
(function () {
  const box = document.getElementById("replay-player");
  const data = JSON.parse(document.getElementById("replay-data").textContent);
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  const [chooser, canvas, slider, speed, play] = ["episode", "screen", "step", "speed", "play"].map(part);
  const SVG = "http://www.w3.org/2000/svg";
  let episode = null;
  let film = null;
  let timer = 0;
  let rows = [];

  function made(name, attributes, parent) {
    const item = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) item.setAttribute(key, value);
    parent.append(item);
    return item;
  }

  function written(name, text, parent) {
    const item = document.createElement(name);
    item.textContent = text;
    parent.append(item);
    return item;
  }

  function shown(value, digits) {
    return value === null ? "–" : value.toFixed(digits).replace("-", "\u2212");
  }

  // One row: its name, a picture one unit wide per step, and the number at the cursor.
  function row(parent, name, tall, words) {
    const line = document.createElement("div");
    line.className = "track";
    written("span", name, line).className = "name";
    const picture = made("svg", { viewBox: `0 0 ${episode.steps} 1`, preserveAspectRatio: "none" }, line);
    picture.setAttribute("aria-hidden", "true");
    picture.style.height = `${tall}px`;
    const number = written("span", "", line);
    number.className = "number";
    parent.append(line);
    const cursor = made("rect", { class: "cursor", y: 0, width: 1, height: 1 }, picture);
    picture.addEventListener("pointerdown", (event) => {
      const frame = picture.getBoundingClientRect();
      pause();
      go(Math.floor(((event.clientX - frame.left) / frame.width) * episode.steps));
    });
    rows.push({ cursor, number, words });
    return picture;
  }

  // A line in its own scale; gaps where nothing was measured.
  function curve(parent, track) {
    const picture = row(parent, track.name, 30, (step) => shown(track.values[step], 2));
    const [low, high] = track.range;
    const at = (value) => 0.94 - (0.88 * (value - low)) / (high - low || 1);
    if (low < 0 && high > 0) made("path", { class: "zero", d: `M0 ${at(0)}H${episode.steps}` }, picture);
    if (typeof track.level === "number") made("path", { class: "level", d: `M0 ${at(track.level)}H${episode.steps}` }, picture);
    let path = "";
    track.values.forEach((value, step) => {
      if (value === null) return;
      const joined = step > 0 && track.values[step - 1] !== null;
      path += `${joined ? "V" : `M${step} `}${at(value)}H${step + 1}`;
    });
    made("path", { class: "curve", d: path }, picture).style.stroke = `var(${track.colour})`;
  }

  // A tile per step, as deep as the action was probable; a dot where it was taken.
  function tiles(parent, name, action) {
    const values = episode.probabilities.map((all) => all[action]);
    const picture = row(parent, name, 18, (step) => (values[step] === null ? "–" : `${Math.round(100 * values[step])}\u00a0%`));
    values.forEach((value, step) => {
      if (value !== null) made("rect", { class: "tile", x: step, y: 0, width: 1, height: 1, "fill-opacity": value }, picture);
      if (episode.actions[step] === action) made("path", { class: "taken", d: `M${step + 0.5} .5h0` }, picture);
    });
  }

  function tracks() {
    rows = [];
    for (const name of ["values", "policy", "concepts"]) part(name).replaceChildren();
    curve(part("values"), episode.value);
    if (episode.probabilities.length) data.actions.forEach((name, action) => tiles(part("policy"), name, action));
    for (const track of episode.readouts) curve(part("concepts"), track);
    part("policy-title").hidden = !episode.probabilities.length;
    part("concepts-title").hidden = !episode.readouts.length;
  }

  function draw() {
    const step = Number(slider.value);
    const [wide, tall] = data.size;
    const [left, top] = [(step % data.across) * wide, Math.floor(step / data.across) * tall];
    canvas.getContext("2d").drawImage(film, left, top, wide, tall, 0, 0, wide, tall);
    for (const { cursor, number, words } of rows) {
      cursor.setAttribute("x", step);
      number.textContent = words(step);
    }
    const place = `step ${step + 1} of ${episode.steps}`;
    part("where").textContent = place;
    part("event").textContent = episode.events[step];
    slider.setAttribute("aria-valuetext", `${place}${episode.events[step] ? `, ${episode.events[step]}` : ""}`);
    canvas.setAttribute("aria-label", `Frame at ${place}. ${episode.words}`);
    box.dataset.shown = `${chooser.value}:${step}`;
  }

  function go(step) {
    slider.value = Math.min(Math.max(step, 0), episode.steps - 1);
    if (film) draw();
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  function tick() {
    if (Number(slider.value) >= episode.steps - 1) return pause();
    go(Number(slider.value) + 1);
  }

  function start() {
    if (Number(slider.value) >= episode.steps - 1) go(0);
    clearInterval(timer);
    timer = setInterval(tick, 1000 / Number(speed.value));
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
  }

  function choose() {
    const index = Number(chooser.value);
    pause();
    film = null;
    episode = data.episodes[index];
    slider.max = episode.steps - 1;
    slider.value = 0;
    [canvas.width, canvas.height] = data.size;
    tracks();
    const picture = new Image();
    picture.addEventListener("load", () => {
      if (data.episodes[index] !== episode) return;
      film = picture;
      draw();
    });
    picture.src = episode.film;
  }

  chooser.addEventListener("change", choose);
  slider.addEventListener("input", () => { pause(); go(Number(slider.value)); });
  speed.addEventListener("change", () => { if (timer) start(); });
  play.addEventListener("click", () => (timer ? pause() : start()));
  part("back").addEventListener("click", () => { pause(); go(Number(slider.value) - 1); });
  part("on").addEventListener("click", () => { pause(); go(Number(slider.value) + 1); });
  choose();
})();
