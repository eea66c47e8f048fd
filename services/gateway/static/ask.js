"use strict";

const byId = (id) => document.getElementById(id);
const jaegerUrl = document.body.dataset.jaegerUrl;

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(byId("question").value);
});

for (const example of document.querySelectorAll(".example")) {
  example.addEventListener("click", () => {
    byId("question").value = example.textContent;
    ask(example.textContent);
  });
}

async function ask(question) {
  const button = document.querySelector("button[type=submit]");
  const began = performance.now();
  button.disabled = true;
  try {
    const response = await fetch("/ask", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ question }),
    });
    const body = await response.json();
    if (response.ok) {
      showAnswer(body, performance.now() - began);
    } else {
      showProblem(body.error?.message || `The gateway answered ${response.status}.`);
    }
  } catch {
    showProblem("The gateway gave no usable answer. Check that it runs, then ask again.");
  } finally {
    button.disabled = false;
  }
}

function showProblem(message) {
  byId("result").hidden = true;
  byId("problem").hidden = false;
  byId("problem").textContent = message;
}

function showAnswer(body, milliseconds) {
  byId("problem").hidden = true;
  byId("result").hidden = false;
  byId("degraded").hidden = !body.degraded;
  byId("answer").replaceChildren(...formatted(body.answer));
  byId("took").textContent = `Answered in ${Math.round(milliseconds)} ms`;
  byId("trace").hidden = !body.trace_id;
  byId("trace").href = `${jaegerUrl}/trace/${body.trace_id}`;
  byId("sources-heading").hidden = body.sources.length === 0;
  byId("sources").replaceChildren(...body.sources.map(sourceItem));
}

function sourceItem(source) {
  const place = source.anchor ? `${source.path}#${source.anchor}` : source.path;
  const title = source.heading === source.title ? source.title : `${source.title} · ${source.heading}`;
  return element("li", {}, [
    element("strong", {}, [title]),
    element("span", { className: "path" }, [place]),
    element("p", {}, [source.excerpt]),
  ]);
}

// Answers hold a little Markdown: lists, code and emphasis. Nothing of it is ever read as HTML.
function formatted(text) {
  const blocks = [];
  text.split("```").forEach((part, index) => {
    if (index % 2) {
      blocks.push(element("pre", {}, [unindented(part.replace(/^\w*\n/, "").trimEnd())]));
    } else {
      blocks.push(...paragraphsAndLists(part));
    }
  });
  return blocks;
}

function paragraphsAndLists(text) {
  const blocks = [];
  for (const line of text.split("\n")) {
    const item = line.match(/^\s*(?:([-*])|(\d+)\.)\s+(.*)/);
    const tag = item ? (item[1] ? "UL" : "OL") : "P";
    let last = blocks.at(-1);
    if (!line.trim()) {
      blocks.push(null);
    } else if (item) {
      if (last?.tagName !== tag) {
        last = element(tag, item[2] ? { start: Number(item[2]) } : {}, []);
        blocks.push(last);
      }
      last.append(element("li", {}, inline(item[3])));
    } else if (last?.tagName === "P") {
      last.append("\n", ...inline(line));
    } else {
      blocks.push(element("p", {}, inline(line)));
    }
  }
  return blocks.filter(Boolean);
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (/^`.+`$/.test(part)) return element("code", {}, [part.slice(1, -1)]);
    if (/^\*\*.+\*\*$/.test(part)) return element("strong", {}, [part.slice(2, -2)]);
    return part;
  });
}

function unindented(code) {
  const indent = code.match(/^ */)[0];
  return code.split("\n").map((line) => line.replace(indent, "")).join("\n");
}

function element(tag, properties, children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
