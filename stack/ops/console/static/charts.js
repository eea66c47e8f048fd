// Draws a page's panels over time with uPlot: lines, bands of states, heat maps.
/* global uPlot */

const PALE = 0.12;
const plots = new Map(); // by panel: what is drawn there, and what sees its size change
const hidden = new Map(); // by panel: names of series that a person has switched off

/** Draw every chart below `root` that is not drawn yet; `marks` are the page's annotations. */
export function draw(root, page) {
  for (const place of root.querySelectorAll(".chart")) {
    const spec = JSON.parse(place.querySelector("script").textContent);
    build(place, spec, page);
    for (const button of place.parentElement.querySelectorAll(".toggle")) {
      const off = hiddenIn(place);
      button.setAttribute("aria-pressed", !off.has(button.dataset.name));
      button.addEventListener("click", () => {
        const name = button.dataset.name;
        if (!off.delete(name)) off.add(name);
        button.setAttribute("aria-pressed", !off.has(name));
        build(place, spec, page);
      });
    }
  }
}

/** Forget the chart of a panel that leaves the page. */
export function forget(panel) {
  const place = panel.querySelector(".chart");
  if (place) remove(place);
}

function remove(place) {
  const { plot, watch } = plots.get(place.dataset.panel) ?? {};
  plots.delete(place.dataset.panel);
  watch?.disconnect();
  plot?.destroy();
}

function hiddenIn(place) {
  const id = place.dataset.panel;
  if (!hidden.has(id)) hidden.set(id, new Set());
  return hidden.get(id);
}

function build(place, spec, page) {
  const kind = { lines, states, spread }[spec.kind];
  remove(place);
  const parts = kind(spec, hiddenIn(place), place);
  const plot = new uPlot(options(place, spec, page, parts), parts.data, place);
  const watch = new ResizeObserver(() => {
    const { width, height } = size(place);
    if (width !== plot.width || height !== plot.height) plot.setSize({ width, height });
  });
  watch.observe(place);
  plots.set(place.dataset.panel, { plot, watch });
}

function size(place) {
  return { width: place.clientWidth, height: Math.max(60, place.clientHeight) };
}

function options(place, spec, page, parts) {
  const text = css("--soft");
  const grid = { stroke: css("--line"), width: 1 };
  const axis = { stroke: text, grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const tip = tooltip(spec, page, parts);
  return {
    ...size(place),
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: {
      sync: { key: "page", setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: spec.kind === "lines" ? { size: 6 } : { show: false },
      y: spec.kind === "lines",
    },
    scales: { x: { range: () => [page.from, page.to] }, y: parts.scale },
    axes: [
      { ...axis, size: 24, gap: 3, ...ticks(page), values: (_, at, __, ___, step) => at.map((second) => clock(second, step)) },
      { ...axis, ...parts.axis, grid: parts.axis.grid ?? grid },
    ],
    series: [{}, ...parts.series],
    bands: parts.bands,
    hooks: {
      init: [(u) => tip.addTo(u), (u) => addDots(u, spec, parts)],
      draw: [(u) => parts.paint?.(u), (u) => limits(u, spec), (u) => marks(u, page), (u) => moveDots(u)],
      setCursor: [(u) => tip.show(u)],
      setSelect: [(u) => zoom(u)],
    },
  };
}

/** Courses over time; where they are stacked, each stands on those after it. */
function lines(spec, off) {
  const shown = spec.series.filter((each) => !off.has(each.name));
  const tops = shown.map((each) => each.values);
  if (spec.stacked) {
    const below = spec.x.map(() => 0);
    for (let at = tops.length - 1; at >= 0; at--) {
      tops[at] = tops[at].map((value, i) => (value === null ? null : (below[i] += value)));
    }
  }
  return {
    data: [spec.x, ...tops],
    series: shown.map((each) => ({
      stroke: each.color,
      width: 1.5,
      fill: each.color + Math.round(spec.fill * 255).toString(16).padStart(2, "0"),
      points: { show: true, size: 4, fill: each.color, filter: (u, i) => alone(u.data[i]) },
    })),
    bands: spec.stacked ? shown.slice(1).map((_, i) => ({ series: [i + 1, i + 2] })) : undefined,
    scale: { range: (_, low, high) => extent(spec, low, high) },
    axis: {
      size: wide,
      incrs: spec.scale.suffix.endsWith("iB") ? powers(spec.scale.factor) : undefined,
      values: (_, at, __, ___, step) => at.map((v) => written(v, spec.scale, step)),
    },
    rows: (i) =>
      shown
        .map((each) => ({ name: each.name || spec.title, color: each.color, value: each.values[i] }))
        .filter((each) => each.value !== null && each.value !== undefined)
        .sort((a, b) => b.value - a.value)
        .map((each) => ({ ...each, text: written(each.value, spec.scale) })),
  };
}

/** One band for each series, from one change of its state to the next. */
function states(spec) {
  const count = spec.series.length;
  const step = spec.x.length > 1 ? spec.x[1] - spec.x[0] : 1;
  const longest = Math.max(...spec.series.map((each) => each.name.length));
  return {
    data: [spec.x, ...spec.series.map((each) => each.values)],
    series: spec.series.map(() => ({ paths: () => null, points: { show: false } })),
    scale: { range: () => [0, count], dir: -1 },
    axis: {
      size: Math.min(240, 14 + 6.2 * longest),
      grid: { show: false },
      splits: () => spec.series.map((_, at) => at + 0.5),
      values: () => spec.series.map((each) => each.name),
    },
    paint: (u) =>
      spec.series.forEach((each, at) => {
        let begin = 0;
        for (let i = 1; i <= spec.x.length; i++) {
          if (i < spec.x.length && each.values[i] === each.values[begin]) continue;
          const state = spec.states[each.values[begin]];
          // A sample speaks for the step before it.
          if (state) block(u, spec.x[begin] - step, spec.x[i - 1], at + 0.1, at + 0.9, state[1]);
          begin = i;
        }
      }),
    rows: (i) =>
      spec.series.map((each) => {
        const state = spec.states[each.values[i]] ?? ["–", css("--soft")];
        return { name: each.name, text: state[0], color: state[1] };
      }),
  };
}

/** A field for each bucket and moment; the darker, the more observations. */
function spread(spec, _off, place) {
  const count = spec.rows.length;
  const most = Math.max(1, ...spec.rows.flatMap((row) => row.values));
  const every = Math.max(1, Math.ceil((count * 16) / Math.max(60, place.clientHeight - 40)));
  const labelled = spec.rows.map((_, at) => at + 1).filter((at) => at % every === 0);
  const step = spec.x.length > 1 ? spec.x[1] - spec.x[0] : 1;
  return {
    data: [spec.x, ...spec.rows.map((row) => row.values)],
    series: spec.rows.map(() => ({ paths: () => null, points: { show: false } })),
    scale: { range: () => [0, count] },
    axis: {
      size: wide,
      splits: () => labelled,
      values: () => labelled.map((at) => spec.rows[at - 1].name),
    },
    paint: (u) =>
      spec.rows.forEach((row, at) =>
        row.values.forEach((value, i) => {
          if (!value) return;
          const strength = Math.round((PALE + (1 - PALE) * Math.sqrt(value / most)) * 255);
          const color = "#3274d9" + strength.toString(16).padStart(2, "0");
          block(u, spec.x[i] - step, spec.x[i], at, at + 1, color);
        }),
      ),
    rows: (i) =>
      spec.rows
        .map((row) => ({ name: `up to ${row.name}`, color: "#3274d9", value: row.values[i] }))
        .filter((each) => each.value)
        .map((each) => ({ ...each, text: each.value.toFixed(0) }))
        .reverse(),
  };
}

function block(u, from, to, low, high, color) {
  const { left, width } = u.bbox;
  const x0 = Math.max(left, u.valToPos(from, "x", true));
  const x1 = Math.min(left + width, u.valToPos(to, "x", true));
  const [y0, y1] = [u.valToPos(low, "y", true), u.valToPos(high, "y", true)];
  u.ctx.fillStyle = color;
  u.ctx.fillRect(x0, Math.min(y0, y1), Math.max(1, x1 - x0 - 1), Math.max(1, Math.abs(y1 - y0) - 1));
}

function limits(u, spec) {
  for (const limit of spec.limits ?? []) {
    const y = u.valToPos(limit.value, "y", true);
    if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue;
    dashed(u, limit.color, [6, 4], [u.bbox.left, y], [u.bbox.left + u.bbox.width, y]);
  }
}

function marks(u, page) {
  for (const mark of page.marks) {
    const x = u.valToPos(mark.time, "x", true);
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
    dashed(u, mark.color, [3, 3], [x, u.bbox.top], [x, u.bbox.top + u.bbox.height]);
  }
}

function dashed(u, color, dash, from, to) {
  u.ctx.save();
  u.ctx.strokeStyle = color;
  u.ctx.lineWidth = devicePixelRatio;
  u.ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
  u.ctx.beginPath();
  // Between two rows of dots a thin line would be two faint ones.
  const crisp = (at) => Math.round(at) + 0.5;
  u.ctx.moveTo(...from.map(crisp));
  u.ctx.lineTo(...to.map(crisp));
  u.ctx.stroke();
  u.ctx.restore();
}

/** A click on an exemplar opens its trace; for a keyboard the panel's `i` lists the slowest. */
function addDots(u, spec) {
  u.dots = (spec.dots ?? []).filter((dot) => dot.trace).map((dot) => {
    const link = document.createElement("a");
    link.className = "dot";
    link.href = `/trace/${encodeURIComponent(dot.trace)}`;
    link.title = `${dot.value.toPrecision(3)} at ${clock(dot.x, 1)}: open the trace`;
    link.setAttribute("aria-label", link.title);
    link.tabIndex = -1;
    // A click on a dot begins no zoom.
    link.addEventListener("mousedown", (event) => event.stopPropagation());
    u.over.append(link);
    return { ...dot, link };
  });
}

function moveDots(u) {
  for (const { x, y, link } of u.dots) {
    const [left, top] = [u.valToPos(x, "x"), u.valToPos(y, "y")];
    link.hidden = left < 0 || left > u.over.clientWidth || top < -4 || top > u.over.clientHeight;
    link.style.left = `${left}px`;
    link.style.top = `${top}px`;
  }
}

function tooltip(spec, page, parts) {
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  return {
    addTo: (u) => u.over.append(box),
    show: (u) => {
      const { idx, left, top } = u.cursor;
      // Only where the pointer is; the other panels show the line.
      box.hidden = idx === null || idx === undefined || left < 0 || !u.over.matches(":hover");
      if (box.hidden) return;
      const at = spec.x[idx];
      const near = (page.to - page.from) / 100;
      const happened = page.marks.filter((mark) => Math.abs(mark.time - at) <= near);
      box.replaceChildren(
        line(when(at, page), "", "", "when"),
        ...happened.map((mark) => line(mark.title, "", mark.color)),
        ...parts.rows(idx).slice(0, 12).map((row) => line(row.name, row.text, row.color)),
      );
      const flip = left > u.over.clientWidth / 2;
      box.style.left = flip ? "" : `${left + 14}px`;
      box.style.right = flip ? `${u.over.clientWidth - left + 14}px` : "";
      box.style.top = `${Math.min(top, Math.max(0, u.over.clientHeight - box.offsetHeight))}px`;
    },
  };
}

function line(name, text, color, kind = "") {
  const row = document.createElement("div");
  row.className = kind;
  const swatch = document.createElement("i");
  if (color) swatch.style.background = color;
  else swatch.hidden = true;
  const value = document.createElement("b");
  value.textContent = text;
  row.append(swatch, name, value);
  return row;
}

let leaving = false;
// A page that one comes back to as it was can be zoomed again.
addEventListener("pageshow", () => (leaving = false));

function zoom(u) {
  if (leaving || u.select.width < 8) return;
  leaving = true;
  const address = new URL(location.href);
  const from = u.posToVal(u.select.left, "x");
  const to = u.posToVal(u.select.left + u.select.width, "x");
  address.searchParams.set("from", Math.round(from * 1000));
  address.searchParams.set("to", Math.round(Math.max(to, from + 1) * 1000));
  location.assign(address);
}

function extent(spec, low, high) {
  const bottom = spec.min ?? Math.min(0, low ?? 0);
  const top = spec.max ?? (high > bottom ? high + (high - bottom) * 0.08 : bottom + spec.scale.factor);
  return [bottom, top];
}

function written(value, scale, step) {
  const shown = value / scale.factor;
  let digits = Math.abs(shown) >= 100 ? 0 : Math.abs(shown) >= 10 ? 1 : 2;
  // An axis has the same decimals all along, as many as its steps need.
  if (step) digits = [0, 1, 2, 3, 4, 5].find((each) => whole((step / scale.factor) * 10 ** each)) ?? 6;
  return `${shown.toFixed(digits)}${scale.suffix}`;
}

/** Where times are written: whole minutes need less room than seconds. */
function ticks(page) {
  const steps = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  return page.to - page.from > 240 ? { space: 42, incrs: steps } : { space: 66 };
}

/** Room for the longest of an axis' texts. */
function wide(_, texts) {
  return Math.max(44, 16 + 6.2 * Math.max(0, ...(texts ?? []).map((each) => each.length)));
}

function whole(value) {
  return Math.abs(value - Math.round(value)) < 1e-6;
}

function clock(second, step) {
  const time = new Date(second * 1000);
  if (step >= 86400) return time.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return time.toLocaleTimeString("en-GB", step < 60 ? {} : { hour: "2-digit", minute: "2-digit" });
}

/** A moment of the page; where that is longer than a day, with its date. */
function when(second, page) {
  const date = page.to - page.from > 86400 ? `${clock(second, 86400)} ` : "";
  return date + clock(second, 1);
}

/** Steps of an axis of bytes: halves and doubles. */
function powers(factor) {
  return Array.from({ length: 20 }, (_, at) => factor * 2 ** (at - 8));
}

/** Where a value stands between gaps: no line would show it. */
function alone(values) {
  const gap = (at) => values[at] === null || values[at] === undefined;
  return values.map((_, at) => at).filter((at) => !gap(at) && gap(at - 1) && gap(at + 1));
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
