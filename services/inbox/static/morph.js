"use strict";

// Makes `now` like `wanted` and leaves in place what stays, so that focus, scroll position and
// what a reader has opened stay too. Elements with an id are known by it.
function morph(now, wanted) {
  // Whether details are open is the reader's choice.
  const own = (name) => name === "open" && now.nodeName === "DETAILS";
  for (const { name } of [...now.attributes]) {
    if (!wanted.hasAttribute(name) && !own(name)) now.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (now.getAttribute(name) !== value && !own(name)) now.setAttribute(name, value);
  }
  const ids = new Set([...wanted.children].map((child) => child.id));
  const known = new Map();
  for (const child of [...now.children].filter((each) => each.id)) {
    if (ids.has(child.id)) known.set(child.id, child);
    else child.remove();
  }
  let place = now.firstChild;
  for (const next of [...wanted.childNodes]) {
    const same = next.id ? known.get(next.id) : place;
    // What has no id gives way, so that what has one need not move.
    while (next.id && same && place && place !== same && !place.id) place = removed(place);
    if (same && alike(same, next)) {
      if (same === place) place = place.nextSibling;
      else now.insertBefore(same, place);
      if (next.nodeType === Node.ELEMENT_NODE) morph(same, next);
      else if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
    } else {
      now.insertBefore(document.importNode(next, true), place);
    }
  }
  while (place) place = removed(place);
}

function alike(one, other) {
  return one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
