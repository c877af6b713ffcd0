"use strict";
(() => {
  const root = document.documentElement;

  // Light and dark: what the system asks for, until somebody chooses.
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  const keep = (choice) => { try { localStorage.setItem("mechopt-theme", choice); } catch { /* not allowed here */ } };
  try {
    const kept = localStorage.getItem("mechopt-theme");
    if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  } catch { /* not allowed here */ }
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep(root.dataset.theme);
    name();
  });
  dark.addEventListener("change", name);
  theme.hidden = false;
  name();

  // Tables: a click on a heading sorts, a second one the other way; what is unknown comes last both ways.
  const told = document.getElementById("told");
  const keyOf = (row, k) => row.cells[k].dataset.key;
  const compare = (a, b, numbers) => (numbers ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
  function sort(table, heading) {
    const k = heading.cellIndex;
    const rows = [...table.tBodies[0].rows];
    const known = rows.map((row) => keyOf(row, k)).filter((key) => key !== undefined);
    const numbers = known.every((key) => key !== "" && !Number.isNaN(Number(key)));
    const before = heading.getAttribute("aria-sort");
    const rising = before ? before === "descending" : !numbers;
    rows.sort((p, q) => {
      const a = keyOf(p, k), b = keyOf(q, k);
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return (rising ? 1 : -1) * compare(a, b, numbers);
    });
    for (const other of table.tHead.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
    table.tBodies[0].append(...rows);
    told.textContent = `sorted by ${heading.textContent.trim()}, ${rising ? "rising" : "falling"}`;
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const button of table.tHead.querySelectorAll("th button")) {
      button.addEventListener("click", () => sort(table, button.closest("th")));
    }
  }

  // Counterexamples: a copy of what stands in the details, in a dialog.
  const dialog = document.getElementById("shown");
  for (const button of document.querySelectorAll("button[data-show]")) {
    button.addEventListener("click", () => {
      const found = document.getElementById(button.dataset.show);
      const copies = [...found.children].filter((child) => child.tagName !== "H3").map((child) => child.cloneNode(true));
      document.getElementById("shown-heading").textContent = found.dataset.heading;
      document.getElementById("shown-content").replaceChildren(...copies);
      dialog.showModal();
    });
  }
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  // Links into the details, and paper, open them.
  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const details = target && target.closest("details");
    if (details) details.open = true;
  };
  addEventListener("hashchange", open);
  open();
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
})();
