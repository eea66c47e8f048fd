"use strict";

// Keeps the list as it is on the server, and says so when the server does not answer.
const PAUSE = 3000;
const list = document.getElementById("alerts");
const stale = document.getElementById("stale");
let shown = "";

function ago(moment) {
  const seconds = Math.max(0, Math.round((Date.now() - moment) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

function relate() {
  for (const time of document.querySelectorAll("time")) {
    time.textContent = ago(new Date(time.dateTime));
  }
}

async function refresh() {
  try {
    const answer = await fetch("/alerts", { signal: AbortSignal.timeout(PAUSE) });
    if (!answer.ok) throw new Error(String(answer.status));
    const html = await answer.text();
    stale.hidden = true;
    // Replacing what has not changed would take the focus from a link.
    if (html !== shown) {
      list.innerHTML = html;
      shown = html;
    }
  } catch {
    stale.hidden = false;
  }
  relate();
}

relate();
setInterval(() => document.hidden || refresh(), PAUSE);
