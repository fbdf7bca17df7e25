// Progressive touches only: every page works without this file.
"use strict";

// Parts that change by themselves: fetched again every few seconds while the page is seen and nobody is in them.
function keepLive(part) {
  const wait = Number(part.dataset.every) * 1000;
  let latest = part.innerHTML;
  async function look() {
    const busy = document.hidden || (part.contains(document.activeElement) && document.activeElement !== document.body);
    if (!busy) {
      try {
        const reply = await fetch(part.dataset.live, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
        if (reply.redirected) { location.reload(); return; } // logged out meanwhile
        if (reply.ok) {
          const text = await reply.text();
          if (text !== latest) { part.innerHTML = latest = text; }
        }
      } catch { /* offline for a moment: the next look tells */ }
    }
    setTimeout(look, wait);
  }
  setTimeout(look, wait);
}

// Contents that are opened on purpose (and noted when they are).
async function openOnce(event) {
  const box = event.target;
  if (!(box instanceof HTMLDetailsElement) || !box.open || !box.dataset.fragment) return;
  const address = box.dataset.fragment;
  delete box.dataset.fragment;
  const reply = await fetch(address, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
  const place = box.querySelector("p");
  if (!reply.ok || reply.redirected) { place.textContent = "It could not be opened. Reload the page and try again."; return; }
  const holder = document.createElement("div");
  holder.innerHTML = await reply.text();
  place.replaceWith(holder);
}

function addRow(event) {
  const table = document.querySelector(`table[data-rows="${event.target.dataset.addRow}"] tbody`);
  const rows = table.rows;
  const row = rows[rows.length - 1].cloneNode(true);
  for (const cell of row.querySelectorAll("input, select")) {
    cell.name = cell.name.replace(/:(\d+):/, (_, number) => `:${Number(number) + 1}:`);
    cell.ariaLabel = (cell.ariaLabel || "").replace(/\d+$/, (number) => Number(number) + 1);
    if (cell.tagName === "INPUT" && cell.type !== "checkbox") cell.value = "";
  }
  table.append(row);
  row.querySelector("input").focus();
}

document.querySelectorAll("[data-live]").forEach(keepLive);
document.addEventListener("toggle", openOnce, true);
document.querySelectorAll("[data-add-row]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", addRow);
});
