"use strict";

// Keeps the page as it is on the server, and says so when the server does not answer.
const PAUSE = 3000;
const HIDDEN_PAUSE = 15000;
const PATIENCE = 10000;

const byId = (id) => document.getElementById(id);
const fired = () => new Map([...document.querySelectorAll("[data-new]")].map((each) => [each.id, each]));
const firingTotal = () => Number(byId("state").dataset.firing);
const words = (moment) => `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;

let shown = "";
let heard = new Date();
// How far this clock is ahead of the server's, in milliseconds.
let ahead = 0;
let timer = 0;

function ago(moment) {
  const seconds = Math.max(0, Math.round((Date.now() - ahead - moment) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

function relate() {
  for (const time of document.querySelectorAll("time.ago")) {
    const text = ago(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch(location.href, {
      cache: "no-cache",
      headers: { accept: "text/html" },
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) throw new Error(`It answers ${answer.status}.`);
    const html = await answer.text();
    heard = new Date(answer.headers.get("date") || Date.now());
    ahead = Date.now() - heard;
    // The date is cut to the second.
    if (Math.abs(ahead) < 2000) ahead = 0;
    if (html !== shown) show(new DOMParser().parseFromString(html, "text/html"));
    shown = html;
    here();
  } catch (error) {
    away(error.message.startsWith("It answers") ? error.message : "It cannot be reached.");
  }
  relate();
  timer = setTimeout(refresh, document.hidden ? HIDDEN_PAUSE : PAUSE);
}

function show(page) {
  const before = fired();
  const total = firingTotal();
  const focused = document.activeElement;
  for (const live of page.querySelectorAll("[data-live]")) morph(byId(live.id), live);
  document.title = page.title;
  if (document.activeElement !== focused) {
    const again = focused.isConnected ? focused : byId(focused.id);
    (again || byId("firing") || byId("main")).focus({ preventScroll: true });
  }
  announce([...fired().values()].filter((each) => !before.has(each.id)), firingTotal() - total);
}

function announce(fresh, more) {
  for (const each of fresh) each.classList.add("fresh");
  const total = `${firingTotal()} firing.`;
  if (more > 0 && fresh.length > 0 && fresh.length <= 3) {
    byId("news").textContent = `New: ${fresh.map((each) => each.dataset.new).join("; ")}. ${total}`;
  } else if (more > 0) {
    byId("news").textContent = `${more} new alerts. ${total}`;
  } else if (more < 0) {
    byId("news").textContent = `${-more} no longer firing. ${total}`;
  }
}

function here() {
  byId("asof").textContent = `as of ${words(heard).slice(11)}`;
  if (byId("away").hidden) return;
  byId("away").hidden = true;
  byId("news").textContent = "The inbox answers again.";
}

function away(why) {
  const text = `The inbox has not answered since ${words(heard)}; what you see may be old. ${why} Asking again every ${PAUSE / 1000} s.`;
  if (byId("away").textContent !== text) byId("away").textContent = text;
  byId("away").hidden = false;
}

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    byId("news").textContent = "Copied.";
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected: copy it with the keyboard";
  }
}

document.documentElement.classList.add("js");
document.addEventListener("visibilitychange", () => document.hidden || refresh());
document.addEventListener("click", (event) => {
  if (event.target.matches(".copy")) copy(event.target);
});
timer = setTimeout(refresh, PAUSE);
