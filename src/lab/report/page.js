"use strict";
// Draws the report's charts from the data inside the page. Nothing is fetched, and whatever is drawn stands in the
// table below its chart, too. Latencies are nanoseconds.

const data = JSON.parse(document.getElementById("data").textContent);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (cell) => css("--line" + (cell.at % 8));
const dash = (cell) => [[], [7, 3], [2, 2], [9, 3, 2, 3]][Math.floor(cell.at / 8) % 4];
const shown = () => data.cells.filter((cell) => document.getElementById("cell" + cell.at).checked);
const seconds = (value) => value + " s";
const percent = (value) => value + "%";

function span(nanos) {
  const [value, unit] = nanos < 1e3 ? [nanos, "ns"] : nanos < 1e6 ? [nanos / 1e3, "us"]
    : nanos < 1e9 ? [nanos / 1e6, "ms"] : [nanos / 1e9, "s"];
  return Number(value.toPrecision(3)) + " " + unit;
}

function rate(value) {
  return value >= 1e6 ? value / 1e6 + "M/s" : value >= 1e3 ? value / 1e3 + "k/s" : value + "/s";
}

// Scales: where a value is between 0 and 1, and at which values there are ticks.

function logScale(values, format, label) {
  const positive = values.filter((value) => value > 0);
  const steps = [1, 2, 5];
  const all = [];
  for (let power = -9; power < 14; power++) steps.forEach((step) => all.push(Number(step + "e" + power)));
  const low = all.filter((it) => it <= Math.min(...positive)).pop() ?? 1;
  const high = all.find((it) => it > low && it >= Math.max(...positive)) ?? 10 * low;
  const inside = all.filter((it) => it >= low && it <= high);
  const decades = inside.filter((it) => Math.abs(Math.log10(it) % 1) < 1e-9);
  const ticks = decades.length > 2 ? decades : inside;
  const at = (value) => Math.log(Math.max(value, low) / low) / Math.log(high / low);
  return { at, label, ticks: ticks.map((value) => [value, format(value)]) };
}

function linearScale(values, format, label) {
  const most = Math.max(...values, 0) * 1.08 || 1;
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= rough);
  const ticks = [];
  for (let n = 0; n * step <= most; n++) {
    const value = Number((n * step).toPrecision(6));
    ticks.push([value, format(value)]);
  }
  return { at: (value) => value / most, label, ticks };
}

// The percentiles' axis: each halving of what is longer is as wide as the last.
function percentileScale() {
  const [first, last] = [0.5, 1e-5];
  const at = (longer) => Math.log(first / longer) / Math.log(first / last);
  const names = { 0.5: "50%", 0.1: "90%", 0.01: "99%", 0.001: "99.9%", 0.0001: "99.99%", 0.00001: "99.999%" };
  return { at, label: "percentile", ticks: Object.entries(names).map(([it, name]) => [Number(it), name]) };
}

// A canvas with its axes drawn. What is drawn into it is counted, for whoever checks the page.
function frame(name, x, y) {
  const canvas = document.getElementById(name);
  const [width, height, dots] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
  [canvas.width, canvas.height] = [width * dots, height * dots];
  const g = canvas.getContext("2d");
  g.scale(dots, dots);
  g.font = "12px system-ui, sans-serif";
  const [left, right, top, bottom] = [62, 26, 24, 40];
  const px = (value) => left + x.at(value) * (width - left - right);
  const py = (value) => height - bottom - y.at(value) * (height - top - bottom);
  const text = (words, at, to, align = "center", fill = css("--faint")) => {
    g.fillStyle = fill;
    g.textAlign = align;
    g.fillText(words, at, to);
  };
  g.strokeStyle = css("--rule");
  g.lineWidth = 1;
  const rule = (...points) => {
    g.beginPath();
    points.forEach(([a, b]) => g.lineTo(a, b));
    g.stroke();
  };
  let edge = -Infinity;
  for (const [value, label] of x.ticks) {
    rule([px(value), top], [px(value), height - bottom]);
    const wide = g.measureText(label).width;
    if (px(value) - wide / 2 > edge + 6) {
      text(label, px(value), height - bottom + 16);
      edge = px(value) + wide / 2;
    }
  }
  for (const [value, label] of y.ticks) {
    rule([left, py(value)], [width - right, py(value)]);
    text(label, left - 8, py(value) + 4, "right");
  }
  text(x.label, (left + width - right) / 2, height - 6);
  text(y.label, 4, 11, "left");
  canvas.dataset.marks = 0;
  const drew = (count) => { canvas.dataset.marks = Number(canvas.dataset.marks) + count; };

  // A name, moved down or up until it stands on no other.
  const taken = [];
  function mark(words, at, to, fill) {
    const free = (b) => b > top && b < height - bottom + 4 && !taken.some(([a, c]) => Math.abs(a - at) < 14 && Math.abs(c - b) < 11);
    at = Math.min(at, width - g.measureText(words).width - 1);
    const b = [0, 11, -11, 22, -22, 33, -33, 44, -44].map((by) => to + by).find(free) ?? to;
    taken.push([at, b]);
    text(words, at, b, "left", fill);
  }

  // A line through the points that are in range, with a name at its end.
  function line(points, stroke, { pattern = [], wide = 2, end = "", dots = false } = {}) {
    const inside = points.filter(([a, b]) => x.at(a) >= 0 && x.at(a) <= 1.0001 && b > 0);
    [g.strokeStyle, g.fillStyle, g.lineWidth] = [stroke, stroke, wide];
    g.setLineDash(pattern);
    rule(...inside.map(([a, b]) => [px(a), py(b)]));
    g.setLineDash([]);
    if (dots) inside.forEach(([a, b]) => dot(a, b, stroke, 3));
    const last = inside[inside.length - 1];
    if (last && end) mark(end, px(last[0]) + 5, py(last[1]) + 4, stroke);
    drew(inside.length);
  }

  function dot(a, b, stroke, size, hollow = false) {
    g.beginPath();
    g.arc(px(a), py(b), size, 0, 7);
    [g.fillStyle, g.strokeStyle, g.lineWidth] = [hollow ? css("--paper") : stroke, stroke, 1.5];
    g.fill();
    g.stroke();
  }
  return { g, px, py, text, mark, rule, line, dot, drew, left, top, width, height, right, bottom };
}

const number = (cell) => String(cell.at + 1);
const latencies = (points) => points.map((point) => point[1]);

function percentiles() {
  const tail = (curve) => curve.filter(([longer]) => longer <= 0.5 && longer >= 1e-5);
  const curves = [...shown().map((cell) => cell.curve), ...data.noise];
  const values = curves.flatMap((curve) => latencies(tail(curve)));
  const chart = frame("percentiles", percentileScale(), logScale(values, span, "latency"));
  data.noise.forEach((curve) => chart.line(curve, css("--faint"), { pattern: [3, 4], wide: 1.5, end: "noise" }));
  shown().forEach((cell) => chart.line(cell.curve, colour(cell), { pattern: dash(cell), end: number(cell) }));
}

function ccdf() {
  const floor = data.noise.map((curve) => curve.filter(([longer]) => longer <= 0.9));
  const curves = [...shown().map((cell) => cell.curve), ...floor].flat();
  const share = (value) => Number((value * 100).toPrecision(1)) + "%";
  const x = logScale(latencies(curves), span, "latency");
  const y = logScale([...curves.map((point) => point[0]), 1], share, "ticks that take longer");
  const chart = frame("ccdf", x, y);
  const turned = (curve) => curve.map(([longer, nanos]) => [nanos, longer]);
  floor.forEach((curve) => chart.line(turned(curve), css("--faint"), { pattern: [3, 4], wide: 1.5 }));
  shown().forEach((cell) => chart.line(turned(cell.curve), colour(cell), { pattern: dash(cell), end: number(cell) }));
}

function heat() {
  const none = { at: (value) => value, label: "", ticks: [] };
  const tall = data.heat.reduce((sum, panel) => sum + 58 + 30 * panel.ys.length, 0);
  document.getElementById("heat").style.height = Math.max(300, tall) + "px";
  const chart = frame("heat", none, none);
  const { g, text } = chart;
  g.clearRect(0, 0, chart.width, chart.height);
  const all = data.heat.flatMap((panel) => panel.boxes.map((box) => Math.log(box.p99)));
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const room = chart.height / data.heat.length;
  data.heat.forEach((panel, at) => {
    const head = 20 + (panel.title ? 16 : 0);
    const [left, top] = [84, at * room + head];
    const [wide, high] = [(chart.width - left - 4) / panel.xs.length, (room - head - 22) / panel.ys.length];
    if (panel.title) text(panel.title, left, at * room + 12, "left", css("--ink"));
    text(panel.x + " \u2192", left, top - 6, "left");
    if (panel.y) text(panel.y + " \u2193", left - 8, top - 6, "right");
    panel.xs.forEach((it, n) => text(it, left + (n + 0.5) * wide, top + panel.ys.length * high + 15));
    panel.ys.forEach((it, n) => text(it, left - 8, top + (n + 0.5) * high + 4, "right"));
    for (const box of panel.boxes) {
      const depth = most > least ? (Math.log(box.p99) - least) / (most - least) : 0;
      const [a, b] = [left + box.x * wide, top + box.y * high];
      g.globalAlpha = 0.08 + 0.82 * depth;
      g.fillStyle = css("--accent");
      g.fillRect(a + 1, b + 1, wide - 2, high - 2);
      g.globalAlpha = 1;
      const ink = css(depth > 0.6 ? "--paper" : "--ink");
      let words = [span(box.p99) + (box.star ? " \u2605" : ""), box.remark].filter(Boolean);
      if (high < 36) words = [words.join(", ")];
      if (g.measureText(words[0]).width > wide - 4) words = [span(box.p99)];
      words.forEach((it, n) => text(it, a + wide / 2, b + high / 2 + 4 + 15 * (n - (words.length - 1) / 2), "center", ink));
    }
    chart.drew(panel.boxes.length);
  });
}

function price() {
  const cells = shown();
  const floor = data.noise_p99;
  const [format, unit] = data.has_cores ? [String, "cores in use"] : [rate, "ticks a second applied"];
  const x = linearScale(cells.map((cell) => cell.price), format, unit);
  const y = logScale([...cells.flatMap((cell) => [cell.low, cell.high]), ...floor], span, "p99, and its range");
  const chart = frame("price", x, y);
  const { g, px, py, text, rule } = chart;
  g.setLineDash([3, 4]);
  for (const nanos of floor) {
    [g.strokeStyle, g.lineWidth] = [css("--faint"), 1.5];
    rule([chart.left, py(nanos)], [chart.width - chart.right, py(nanos)]);
    text("noise", chart.width - chart.right, py(nanos) - 4, "right");
  }
  g.setLineDash([]);
  for (const front of data.fronts) {
    const points = front.map((at) => data.cells[at]).filter((cell) => cells.includes(cell));
    chart.line(points.map((cell) => [cell.price, cell.p99]), css("--accent"), { wide: 1 });
  }
  for (const cell of cells) {
    [g.strokeStyle, g.lineWidth] = [colour(cell), 1.5];
    rule([px(cell.price), py(cell.low)], [px(cell.price), py(cell.high)]);
    chart.dot(cell.price, cell.p99, colour(cell), 5, !cell.front);
    const name = number(cell) + (cell.star ? " \u2605" : "");
    chart.mark(name, px(cell.price) + 8, py(cell.p99) - 5, css("--ink"));
    chart.drew(1);
  }
}

function time() {
  const cells = shown();
  const all = cells.flatMap((cell) => cell.time);
  const x = linearScale(all.map((point) => point[0]), seconds, "since the schedule's beginning");
  const chosen = latencies(cells.flatMap((cell) => cell.decisions));
  const title = "p99, and thin p50" + (chosen.length ? "; crosses: waits that controllers chose" : "");
  const y = logScale([...all.flatMap((point) => [point[1], point[2]]), ...chosen.filter((nanos) => nanos > 1)], span, title);
  const chart = frame("time", x, y);
  for (const cell of cells) {
    const of = (column) => cell.time.map((point) => [point[0], point[column]]);
    chart.line(of(1), colour(cell), { pattern: dash(cell), wide: 0.8 });
    chart.line(of(2), colour(cell), { pattern: dash(cell), dots: true, end: number(cell) });
    for (const [at, delay] of cell.decisions) {
      const [a, b] = [chart.px(at), chart.py(delay)];
      [chart.g.strokeStyle, chart.g.lineWidth] = [colour(cell), 1];
      chart.rule([a - 3, b - 3], [a + 3, b + 3]);
      chart.rule([a - 3, b + 3], [a + 3, b - 3]);
    }
  }
}

// Rows of bars, one for each cell, and above them what their colours stand for.
function bars(name, x, parts, cells, row) {
  const chart = frame(name, x, { at: (value) => 1 - value / Math.max(cells.length, 1), label: "", ticks: [] });
  const { g, py, text } = chart;
  let left = chart.left;
  parts.forEach((part, at) => {
    g.fillStyle = css("--stage" + at);
    g.fillRect(left, 2, 10, 10);
    text(part, left + 14, 11, "left");
    left += g.measureText(part).width + 32;
  });
  cells.forEach((cell, at) => {
    const [top, tall] = [py(at) + 2, py(at + 1) - py(at) - 4];
    text(number(cell), chart.left - 8, top + tall / 2 + 4, "right", colour(cell));
    row(chart, cell, top, tall);
    chart.drew(1);
  });
}

function slowest() {
  const x = { at: (value) => value / 100, label: "share of their time", ticks: [0, 25, 50, 75, 100].map((it) => [it, percent(it)]) };
  bars("slowest", x, ["source", "batch", "operators"], shown(), ({ g, px, text }, cell, top, tall) => {
    let before = 0;
    cell.slowest.forEach((share, at) => {
      const wide = px(100 * share) - px(0);
      g.fillStyle = css("--stage" + at);
      g.fillRect(px(0) + before, top, Math.max(wide - 1, 0), tall);
      const label = Math.round(100 * share) + "%";
      if (wide > 36 && tall > 9) text(label, px(0) + before + wide / 2, top + tall / 2 + 4, "center", css("--paper"));
      before += wide;
    });
  });
}

function machine() {
  const shares = shown().flatMap((cell) => cell.taken.map((share) => 100 * share));
  const x = linearScale(shares, percent, "of the time, in the worst run");
  bars("machine", x, ["stolen", "some task waited", "kept from us"], shown(), ({ g, px }, cell, top, tall) => {
    const high = tall / cell.taken.length;
    cell.taken.forEach((share, at) => {
      g.fillStyle = css("--stage" + at);
      g.fillRect(px(0), top + at * high, px(100 * share) - px(0), high);
    });
  });
}

function closes() {
  const cells = shown();
  const all = cells.flatMap((cell) => cell.closes);
  const x = linearScale(all.map((point) => point[0]), seconds, "window ends, by event time from the first on");
  const y = logScale(all.flatMap((point) => [point[1], point[2]]), span, "first rows (hollow), last rows (full)");
  const chart = frame("closes", x, y);
  for (const cell of cells) {
    chart.line(cell.closes.map((point) => [point[0], point[2]]), colour(cell), { pattern: dash(cell), wide: 1, end: number(cell) });
    for (const [at, first, last] of cell.closes) {
      chart.dot(at, first, colour(cell), 3.5, true);
      chart.dot(at, last, colour(cell), 3);
    }
  }
}

function cost() {
  const points = data.costs.flatMap((law) => law.points);
  const x = logScale([1, ...points.map((point) => point[0])], (value) => value.toLocaleString("en"), "ticks in a batch");
  const y = logScale(points.length ? latencies(points) : [1000], span, "median cost; line: a + b n");
  const chart = frame("cost", x, y);
  data.costs.forEach((law, at) => {
    const stroke = css("--line" + (at % 8));
    const [least, most] = [law.points[0][0], law.points[law.points.length - 1][0]];
    const sizes = Array.from({ length: 41 }, (_, n) => least * (most / least) ** (n / 40));
    chart.line(sizes.map((n) => [n, law.batch + law.tick * n]), stroke, { wide: 1 });
    law.points.forEach(([n, nanos]) => chart.dot(n, nanos, stroke, 3.5));
  });
}

function theory() {
  const cells = shown().filter((cell) => cell.gathers !== null);
  const lines = data.theory.flatMap((law) => law.points);
  const x = logScale([...lines.map((point) => point[0]), 1000], span, "how long a batch gathers, by its limits and the law");
  const values = [...cells.flatMap((cell) => [cell.p50, cell.p99]), ...lines.flatMap((point) => [point[1], point[2]])];
  const y = logScale(values.length ? values : [1000], span, "p50 (full) and p99 (hollow); lines: by the law");
  const chart = frame("theory", x, y);
  for (const law of data.theory) {
    const of = (column) => law.points.map((point) => [point[0], point[column]]);
    chart.line(of(1), css("--faint"), { wide: 1 });
    chart.line(of(2), css("--faint"), { wide: 1, pattern: [7, 3] });
    const [at, , p99] = law.points[0];
    if (data.theory.length > 1) chart.mark(rate(law.rate), chart.px(at) + 4, chart.py(p99) - 8, css("--faint"));
  }
  for (const cell of cells) {
    chart.dot(cell.gathers, cell.p50, colour(cell), 4);
    chart.dot(cell.gathers, cell.p99, colour(cell), 4, true);
    chart.mark(number(cell), chart.px(cell.gathers) + 8, chart.py(cell.p50) + 4, css("--ink"));
    chart.drew(2);
  }
}

function draw() {
  [percentiles, ccdf, heat, price, time, slowest, closes, cost, theory, machine].forEach((chart) => chart());
  document.documentElement.dataset.requests = performance.getEntriesByType("resource").length;
  document.documentElement.dataset.drawn = "true";
}

window.addEventListener("resize", draw);
document.querySelectorAll("fieldset input").forEach((box) => box.addEventListener("change", draw));
["(prefers-color-scheme: dark)", "print"].forEach((query) => matchMedia(query).addEventListener("change", draw));
draw();
