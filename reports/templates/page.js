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

  function draw() {
    const style = getComputedStyle(document.documentElement);
    for (const box of document.querySelectorAll("[data-figure]")) {
      const plot = resolved(figures[box.dataset.figure], style, false);
      Plotly.react(box, plot.data, plot.layout, { displayModeBar: false, responsive: true });
    }
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
  if (typeof Plotly === "undefined") return;
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; draw(); });
  addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; draw(); });
})();
