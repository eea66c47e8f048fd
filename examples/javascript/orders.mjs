// A service that keeps the telemetry contract with nothing but Node's own modules.
// PORT, OTEL_EXPORTER_OTLP_ENDPOINT, METRICS_TOKEN and FAULTS_TOKEN say where and for whom.
import { randomBytes, timingSafeEqual } from "node:crypto";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";

const SERVICE = "orders";
const ROUTES = new Map([["/orders", () => [200, { orders: [] }]]]);
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const started = Date.now() / 1000;

const requests = new Map();
const active = new Map();
const lines = { info: 0, error: 0 };
const spans = { exported: 0, dropped: 0, failed: 0 };
let faults = [];
let queue = [];

const identifier = (bytes) => randomBytes(bytes).toString("hex");
const labels = (pairs) =>
  Object.entries(pairs).map(([key, value]) => `${key}="${String(value).replace(/[\\"\n]/g, "_")}"`).join(",");

function allowed(request, token) {
  const given = Buffer.from(request.headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function contextOf(request) {
  const found = TRACEPARENT.exec(request.headers.traceparent ?? "");
  const [traceId, parent, flags] = found ? found.slice(1) : [identifier(16), "", "01"];
  return { traceId, parent, spanId: identifier(8), sampled: (parseInt(flags, 16) & 1) === 1 };
}

function observe(method, route, status, seconds, context) {
  const key = labels({ http_request_method: method, http_route: route, http_response_status_code: status });
  const series = requests.get(key) ?? { counts: Array(BUCKETS.length + 1).fill(0), sum: 0, exemplars: [] };
  const at = BUCKETS.findIndex((end) => seconds <= end);
  const bucket = at < 0 ? BUCKETS.length : at;
  series.counts[bucket] += 1;
  series.sum += seconds;
  if (context.sampled) {
    const ids = labels({ trace_id: context.traceId, span_id: context.spanId });
    series.exemplars[bucket] = ` # {${ids}} ${seconds} ${Date.now() / 1000}`;
  }
  requests.set(key, series);
}

function log(level, message, fields) {
  const timestamp = new Date().toISOString();
  const core = { timestamp, level, logger: "web", message, service: SERVICE, component: SERVICE };
  process.stdout.write(`${JSON.stringify({ ...core, ...fields })}\n`);
  lines[level] += 1;
}

function exposition(openmetrics) {
  const text = [];
  const family = (name, type, samples) => {
    const shown = openmetrics && type === "counter" ? name.replace(/_total$/, "") : name;
    text.push(`# TYPE ${shown} ${type}`, ...samples);
  };
  const duration = [...requests].flatMap(([key, series]) => {
    let total = 0;
    const buckets = series.counts.map((count, at) => {
      total += count;
      const end = at < BUCKETS.length ? BUCKETS[at].toFixed(3) : "+Inf";
      const seen = (openmetrics && series.exemplars[at]) || "";
      return `http_server_request_duration_seconds_bucket{${key},le="${end}"} ${total}${seen}`;
    });
    return [
      ...buckets,
      `http_server_request_duration_seconds_count{${key}} ${total}`,
      `http_server_request_duration_seconds_sum{${key}} ${series.sum}`,
    ];
  });
  family("http_server_request_duration_seconds", "histogram", duration);
  family("http_server_active_requests", "gauge", [...active].map(
    ([method, now]) => `http_server_active_requests{http_request_method="${method}"} ${now}`));
  family("log_entries_total", "counter", Object.entries(lines).map(
    ([level, count]) => `log_entries_total{component="${SERVICE}",level="${level}"} ${count}`));
  family("telemetry_spans_total", "counter", Object.entries(spans).map(
    ([outcome, count]) => `telemetry_spans_total{outcome="${outcome}"} ${count}`));
  family("stack_build_info", "gauge", [`stack_build_info{service="${SERVICE}",version="1.0.0"} 1`]);
  const { user, system } = process.cpuUsage();
  family("process_cpu_seconds_total", "counter", [`process_cpu_seconds_total ${(user + system) / 1e6}`]);
  family("process_resident_memory_bytes", "gauge", [`process_resident_memory_bytes ${process.memoryUsage.rss()}`]);
  family("process_open_fds", "gauge", [`process_open_fds ${readdirSync("/proc/self/fd").length}`]);
  family("process_start_time_seconds", "gauge", [`process_start_time_seconds ${started}`]);
  return `${text.join("\n")}\n${openmetrics ? "# EOF\n" : ""}`;
}

function keepSpan(request, url, route, status, began, context) {
  const attribute = (key, value) =>
    ({ key, value: typeof value === "number" ? { intValue: value } : { stringValue: value } });
  queue.push({
    traceId: context.traceId,
    spanId: context.spanId,
    parentSpanId: context.parent,
    name: route ? `${request.method} ${route}` : request.method,
    kind: 2,
    startTimeUnixNano: `${began}000000`,
    endTimeUnixNano: `${Date.now()}000000`,
    attributes: [
      attribute("http.request.method", request.method),
      attribute("http.response.status_code", status),
      attribute("url.path", url.pathname),
      attribute("url.scheme", "http"),
      ...(route ? [attribute("http.route", route)] : []),
    ],
    status: status >= 500 ? { code: 2 } : {},
  });
}

async function exportSpans() {
  const batch = queue.splice(0);
  if (!batch.length) return;
  const resource = { attributes: [{ key: "service.name", value: { stringValue: SERVICE } }] };
  const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "web" }, spans: batch }] }] });
  try {
    const answer = await fetch(`${process.env.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body, signal: AbortSignal.timeout(5000),
    });
    spans[answer.ok ? "exported" : "failed"] += batch.length;
  } catch {
    spans.failed += batch.length;
  }
}

function answer(response, status, body = "", type = "application/json") {
  response.writeHead(status, { "Content-Type": type });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

function onFaults(request, response, text) {
  if (!allowed(request, process.env.FAULTS_TOKEN)) return answer(response, 401);
  faults = faults.filter((fault) => fault.ends > Date.now());
  if (request.method === "GET") return answer(response, 200, { faults });
  if (request.method === "DELETE") {
    faults = [];
    return answer(response, 204);
  }
  let fault = {};
  try {
    fault = JSON.parse(text);
  } catch {
    // It has no kind, then.
  }
  if (fault.kind !== "error" || !(fault.duration_seconds > 0)) {
    return answer(response, 400, { error: { field: "kind", message: "must be error" } });
  }
  faults.push({ ...fault, ends: Date.now() + fault.duration_seconds * 1000 });
  return answer(response, 201, fault);
}

function watched(request, response, url, text) {
  if (url.pathname === "/healthz") return answer(response, 200, { status: "ok" });
  if (url.pathname === "/readyz") return answer(response, 200, { status: "ready", checks: {} });
  if (url.pathname === "/faults") return onFaults(request, response, text);
  if (!allowed(request, process.env.METRICS_TOKEN)) return answer(response, 401);
  const openmetrics = (request.headers.accept ?? "").includes("application/openmetrics-text");
  const type = openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4";
  return answer(response, 200, exposition(openmetrics), type);
}

function served(request, response, url) {
  const context = contextOf(request);
  const began = Date.now();
  const route = ROUTES.has(url.pathname) ? url.pathname : "";
  active.set(request.method, (active.get(request.method) ?? 0) + 1);
  response.on("close", () => {
    active.set(request.method, active.get(request.method) - 1);
    const status = response.statusCode;
    const shown = route || "unmatched";
    observe(request.method, shown, status, (Date.now() - began) / 1000, context);
    keepSpan(request, url, route, status, began, context);
    if (!context.sampled) queue.pop();
    log(status >= 500 ? "error" : "info", `${request.method} ${shown} ${status}`, {
      event_type: "http_request",
      request_id: identifier(16),
      trace_id: context.traceId,
      span_id: context.spanId,
      duration_ms: Date.now() - began,
      http_request_method: request.method,
      http_route: shown,
      http_response_status_code: status,
    });
  });
  const fault = faults.find((each) => each.ends > Date.now() && url.pathname.startsWith(each.path));
  if (fault) return answer(response, fault.status, { error: { message: "injected fault" } });
  const [status, body] = route ? ROUTES.get(route)() : [404, { error: { message: "not found" } }];
  return answer(response, status, body);
}

const OWN = new Set(["/metrics", "/healthz", "/readyz", "/faults"]);
createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  let text = "";
  request.on("data", (chunk) => { text += chunk; });
  request.on("end", () => (OWN.has(url.pathname) ? watched(request, response, url, text) : served(request, response, url)));
}).listen(Number(process.env.PORT), "127.0.0.1");
setInterval(exportSpans, 500);
