// Keeps a page as new as what it shows: asks for it again and changes what has changed.
import { draw, forget } from "./charts.js";

const live = document.getElementById("live");
const asof = document.getElementById("asof");
const PATIENCE = 30_000;
let pressed = false;

function page() {
  const marks = document.getElementById("marks");
  return {
    from: Number(live.dataset.from),
    to: Number(live.dataset.to),
    marks: marks ? JSON.parse(marks.textContent) : [],
  };
}

async function refresh() {
  let fresh;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE) });
    const text = new DOMParser().parseFromString(await answer.text(), "text/html");
    fresh = text.getElementById("live");
    if (!fresh) return say(`${text.querySelector("h1")?.textContent ?? answer.statusText}; trying again`, true);
  } catch {
    return say("The console does not answer; trying again", true);
  }
  say(`as of ${new Date().toLocaleTimeString("en-GB")}`);
  Object.assign(live.dataset, fresh.dataset);
  if (!live.classList.contains("grid")) {
    if (pressed && live.matches(":hover")) return;
    const focus = focusIn(live);
    live.replaceChildren(...fresh.childNodes);
    return focus(live);
  }
  document.getElementById("marks").replaceWith(fresh.querySelector("#marks"));
  for (const panel of [...fresh.querySelectorAll(".panel")]) renew(panel);
}

function renew(panel) {
  const old = document.getElementById(panel.id);
  if (!old || old.querySelector(":popover-open") || (pressed && old.matches(":hover"))) return;
  const focus = focusIn(old);
  const scrolled = old.querySelector(".scroll")?.scrollTop ?? 0;
  const hovered = old.matches(":hover");
  // What a person points at is left as it is, unless it is no chart.
  if (hovered && old.querySelector(".chart") && panel.querySelector(".chart")) return;
  forget(old);
  old.replaceWith(panel);
  draw(panel, page());
  focus(panel);
  const scroll = panel.querySelector(".scroll");
  if (scroll) scroll.scrollTop = scrolled;
}

/** Remember what is in focus below `root`; returns what focuses the same in its successor. */
function focusIn(root) {
  const known = document.activeElement;
  if (!root.contains(known) || known === root) return () => {};
  const alike = (below) => [...below.querySelectorAll(known.localName)].filter((each) => same(each, known));
  const at = alike(root).indexOf(known);
  return (successor) => alike(successor)[at]?.focus({ preventScroll: true });
}

function same(one, other) {
  const names = ["id", "href", "data-name", "aria-label", "aria-labelledby", "popovertarget"];
  return names.every((name) => one.getAttribute(name) === other.getAttribute(name));
}

function say(text, bad = false) {
  // Only that something is wrong is read aloud, not every new moment.
  asof.setAttribute("aria-live", bad ? "polite" : "off");
  asof.textContent = text;
  asof.classList.toggle("bad", bad);
}

function again(seconds) {
  setTimeout(async () => {
    if (!document.hidden) await refresh();
    again(seconds);
  }, seconds * 1000);
}

addEventListener("pointerdown", () => (pressed = true));
addEventListener("pointerup", () => (pressed = false));
addEventListener("pointercancel", () => (pressed = false));

const choices = document.getElementById("choices");
let stepping = false;
choices?.addEventListener("change", (event) => {
  // Of several boxes each is ticked before they are sent, and an arrow key is a step on the way.
  if (event.target.type !== "checkbox" && !stepping) choose();
});
choices?.addEventListener("keydown", (event) => {
  if (event.target.localName !== "select") return;
  if (event.key === "Enter" && stepping) choose();
  stepping = event.key.startsWith("Arrow") || event.key.length === 1;
});
choices?.addEventListener("pointerdown", () => (stepping = false));
choices?.addEventListener("focusout", () => {
  if (stepping) choose();
});
choices?.addEventListener("submit", (event) => {
  event.preventDefault();
  choose();
});

function choose() {
  const wanted = new URLSearchParams(new FormData(choices));
  const to = choices.elements.from.selectedOptions[0].dataset.to;
  if (to) wanted.set("to", to);
  location.assign(`${choices.action}?${wanted}`);
}

draw(live, page());
say(`as of ${new Date().toLocaleTimeString("en-GB")}`);
document.documentElement.dataset.ready = "yes";
if (live.dataset.refresh) again(Number(live.dataset.refresh));
