"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const made = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const number = (value) => {
  const shown = Math.abs(value) < 1e-9 ? 0 : value;
  return String(Number(shown.toPrecision(Math.abs(shown) >= 10000 ? 7 : 5)));
};
const percent = (value) => (value >= 0.0005 ? (100 * value).toFixed(1) : (100 * value).toPrecision(2)) + "%";
const badge = (mode) => made("span", data.modes[mode], "badge c" + (mode % 8));
const rule = (mode, profile) => data.rules[mode][profile];
const following = (found) => {
  let best = -1, weight = -1;
  for (const [chance, mode, branch] of found.next) if (chance > weight) { weight = chance; best = [mode, branch]; }
  return best;
};
const chanceOf = (t, past, branch, profile) =>
  t === 0 ? data.initial[profile] : data.kernel ? data.kernel[t - 1][branch < data.kernel[t - 1].length ? branch : 0][past][profile] : NaN;

const likeliest = (shown, weight) => shown.reduce((best, one) => (weight(one) < weight(best) - 1e-12 ? best : one));

const chosen = [];
function walk() {
  const steps = [];
  let mode = 0, past = 0, branch = 0, chance = 1;
  for (let t = 0; t < data.horizon; t++) {
    const options = Object.keys(data.rules[mode]).map(Number);
    const likely = options.filter((profile) => !data.kernel || chanceOf(t, past, branch, profile) > 0);
    const shown = likely.length ? likely : options;
    const profile = shown.includes(chosen[t]) ? chosen[t] : likeliest(shown, (one) => chanceOf(t, past, branch, one));
    const found = rule(mode, profile);
    chance *= chanceOf(t, past, branch, profile);
    steps.push({ t, mode, shown, profile, found, chance });
    const next = following(found);
    past = profile;
    if (next !== -1) [mode, branch] = next;
  }
  return steps;
}

function picker(steps, focused) {
  const place = document.getElementById("picker");
  place.replaceChildren();
  for (const step of steps) {
    const field = made("fieldset"), legend = made("legend", "period " + step.t + " ");
    legend.append(badge(step.mode));
    field.append(legend);
    for (const profile of step.shown) {
      const input = document.createElement("input"), label = made("label", data.names[step.t][profile]);
      input.type = "radio"; input.name = "period" + step.t; input.id = "p" + step.t + "r" + profile;
      input.checked = profile === step.profile;
      label.htmlFor = input.id;
      input.addEventListener("change", () => { chosen[step.t] = profile; draw(input.id); });
      field.append(input, label);
    }
    place.append(field);
  }
  if (focused) document.getElementById(focused)?.focus();
}

function ledger(steps, totals) {
  const table = document.getElementById("ledger"), head = made("thead"), body = made("tbody"), first = made("tr");
  for (const name of ["period", "what happens", "pays", "utility so far"]) {
    const cell = made("th", name, name === "pays" || name === "utility so far" ? "number" : "");
    cell.scope = "col";
    first.append(cell);
  }
  head.append(first);
  steps.forEach((step, t) => {
    const row = made("tr");
    row.append(made("td", String(t)), made("td", step.found.then), made("td", step.found.pays, "number"));
    row.append(made("td", totals[t].map(number).join(" / "), "number"));
    body.append(row);
  });
  table.replaceChildren(head, body);
}

function charts(steps, totals) {
  const place = document.getElementById("chart"), all = [...steps.map((step) => step.found.payments), ...totals].flat();
  place.replaceChildren();
  data.agents.forEach((name, i) => chart(place, steps, totals, name, i, Math.min(0, ...all), Math.max(0, ...all)));
}

function chart(place, steps, totals, name, i, low, high) {
  const paid = steps.map((step) => step.found.payments[i]), gain = totals.map((part) => part[i]), span = high - low || 1;
  const width = 520, height = 200, x = (t) => 74 + (t + 0.5) * ((width - 94) / steps.length);
  const y = (value) => 20 + (height - 50) * ((high - value) / span);
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Payments of " + name + " as bars and the utility so far as a line; numbers in the table above");
  const add = (name, values, text) => {
    const element = document.createElementNS(space, name);
    for (const key in values) element.setAttribute(key, values[key]);
    if (text !== undefined) element.textContent = text;
    svg.append(element);
  };
  add("line", { class: "axis", x1: 69, x2: width - 10, y1: y(0), y2: y(0) });
  paid.forEach((value, t) => add("rect", { class: "pay", x: x(t) - 11, width: 22, y: Math.min(y(0), y(value)), height: Math.abs(y(value) - y(0)) }));
  add("polyline", { class: "gain", points: gain.map((value, t) => `${x(t)},${y(value)}`).join(" ") });
  gain.forEach((value, t) => { add("circle", { class: "dot", cx: x(t), cy: y(value), r: 4 }); add("text", { x: x(t), y: height - 6, "text-anchor": "middle" }, String(t)); });
  add("text", { x: 66, y: y(high) + 4, "text-anchor": "end" }, number(high));
  if (low < 0) add("text", { x: 66, y: y(low) + 4, "text-anchor": "end" }, number(low));
  const whose = data.agents.length > 1 ? name + ": bars are payments, the line is" : "Bars: payments. Line:";
  place.append(svg, made("p", whose + " the utility so far, present value."));
}

function draw(focused) {
  const steps = walk(), sum = data.agents.map(() => 0), paid = data.agents.map(() => 0);
  const totals = steps.map((step) => {
    data.agents.forEach((_, i) => {
      sum[i] += data.present[i][step.t] * (step.found.worth[i] - step.found.payments[i]);
      paid[i] += data.present[i][step.t] * step.found.payments[i];
    });
    return [...sum];
  });
  picker(steps, focused);
  ledger(steps, totals);
  charts(steps, totals);
  const chance = steps[steps.length - 1].chance, known = Number.isNaN(chance) ? "" : "probability " + percent(chance) + "; ";
  document.getElementById("told").textContent =
    known + "pays " + paid.map(number).join(" / ") + " in present value, utility " + sum.map(number).join(" / ");
}

function branchOf(place, t, mode, past, branch, weight) {
  const rows = Object.keys(data.rules[mode]).map(Number).map((profile) => [profile, weight * chanceOf(t, past, branch, profile)]);
  for (const [profile, chance] of rows.filter((row) => row[1] > 0)) {
    const found = rule(mode, profile), next = following(found), last = t + 1 === data.horizon || next === -1;
    const holder = made(last ? "div" : "details", undefined, last ? "leaf" : ""), line = last ? holder : made("summary");
    const bar = made("span", undefined, "chance");
    bar.style.width = Math.max(0.15, 12 * chance) + "rem";
    line.append(bar, `${data.names[t][profile]}: ${found.then}, pays ${found.pays} `, made("small", percent(chance)));
    if (!last) {
      line.append(" ", badge(next[0]));
      holder.append(line);
      holder.addEventListener("toggle", () => {
        if (holder.open && holder.children.length === 1) branchOf(holder, t + 1, next[0], profile, next[1], chance);
      });
    }
    place.append(holder);
  }
}

document.getElementById("path-none").remove();
draw();
if (data.kernel) {
  const tree = document.getElementById("tree");
  tree.append(made("h3", "All histories, as wide as probable; open one to go on"));
  branchOf(tree, 0, 0, 0, 0, 1);
}
