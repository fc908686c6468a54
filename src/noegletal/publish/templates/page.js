"use strict";
// Everything here only makes easier what the page also does without it.

// A link to code or a chain that is folded away opens it.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target?.scrollIntoView();
};
addEventListener("hashchange", reveal);
if (location.hash) reveal();

// Who once wants to see code sees it on the next page too, where the browser may keep that.
const code = document.getElementById("vis-kode");
if (code) {
  try {
    code.checked = localStorage.getItem("kode") === "vis";
  } catch {}
  code.addEventListener("change", () => {
    try {
      localStorage.setItem("kode", code.checked ? "vis" : "");
    } catch {}
  });
}

// Copying works from a file too; where the clipboard is refused the text is selected instead.
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const [text, status] = [button.previousElementSibling, button.nextElementSibling];
    try {
      await navigator.clipboard.writeText(text.textContent);
      status.textContent = "Kopieret.";
    } catch {
      getSelection().selectAllChildren(text);
      status.textContent = "Markeret; kopiér med Ctrl+C.";
    }
  });
}

// A figure that is wider than a phone is scrolled inside its frame, also with the keyboard.
const frames = document.querySelectorAll(".chart");
const reachable = () => {
  for (const frame of frames) {
    if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
    else frame.removeAttribute("tabindex");
  }
};
addEventListener("resize", reachable);
addEventListener("load", reachable);

// The menu closes like a menu.
const menu = document.querySelector("details.menu");
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.firstElementChild.focus();
});
addEventListener("click", (event) => {
  if (!menu.contains(event.target)) menu.open = false;
});

// The search narrows the list that the page holds: an entry stays when it has every word.
const form = document.getElementById("soegeformular");
if (form) {
  const field = document.getElementById("soegeord");
  const status = document.getElementById("soegestatus");
  const plain = (text) => text.toLocaleLowerCase("da").replace(/[\s\u00a0]+/g, " ");
  const groups = [...document.querySelectorAll(".hits")].map((group) => ({
    group,
    entries: [...group.querySelectorAll("li")].map((entry) => ({
      entry,
      text: plain(`${entry.textContent} ${entry.dataset.more ?? ""}`),
    })),
  }));
  const search = () => {
    const words = plain(field.value).trim().split(" ").filter(Boolean);
    let hits = 0;
    for (const { group, entries } of groups) {
      let here = 0;
      for (const { entry, text } of entries) {
        entry.hidden = !words.every((word) => text.includes(word));
        here += !entry.hidden;
      }
      group.hidden = !here;
      hits += here;
    }
    status.textContent = words.length ? `${hits || "Ingen"} fund` : "";
  };
  form.hidden = false;
  field.value = new URLSearchParams(location.search).get("q") ?? "";
  field.addEventListener("input", search);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  search();
  field.focus();
}
