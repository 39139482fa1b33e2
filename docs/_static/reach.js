// What the theme leaves to others: a level for the headings of the side bar, and keys for what is wider than the page.
addEventListener("load", () => {
  for (const heading of document.querySelectorAll("[role=heading]:not([aria-level])")) heading.setAttribute("aria-level", "2");
  const reach = () => {
    for (const box of document.querySelectorAll("pre, .table-wrapper"))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  };
  addEventListener("resize", reach);
  reach();
});
