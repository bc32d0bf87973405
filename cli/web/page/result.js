// The result page. It is filled once the server tells the truth: for a rater's own numbers at
// their end, for everything when all have finished.

import { blob } from "./server.js";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const SHOWN = 6; // hardest and easiest images

export function percent(share, digits = 0) {
  return `${(100 * share).toFixed(digits)}%`;
}

function number(p) {
  return p < 0.001 ? p.toExponential(1) : p.toFixed(3);
}

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function drawing(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export async function showResult(result, name, test) {
  const several = result.own.length > 1;
  const first = result.own[0];
  $("result-title").textContent = `${name}: ${first.right} of ${first.answers} right`;
  $("own").replaceChildren(...result.own.map(
    (row, index) => card(row, row.part, several, result.plan[index].alone),
  ));
  $("waiting").hidden = result.over;
  $("waiting").textContent = `Still to finish: ${result.waiting}. When all have, this page shows `
    + "their numbers together, and the images that were hardest and easiest to tell.";
  $("all").replaceChildren(...(result.over ? together(result) : []));
  $("images").replaceChildren(...(result.over ? await galleries(result, test, several) : []));
  for (const [id, file, kind] of [
    ["save-csv", "answers.csv", "text/csv"], ["save-json", "results.json", "application/json"],
  ]) {
    $(id).hidden = !result.over;
    $(id).onclick = () => save(file, kind);
  }
}

// `found`: the least accuracy that so many answers find with 80 % power.
function card(row, part, titled, found) {
  const made = node("section", { class: "card" });
  if (titled) made.append(node("h2", {}, titleOf(part)));
  if (!row.answers) {
    made.append(node("p", {}, "No answers."));
    return made;
  }
  made.append(
    node("p", { class: "verdict" }, verdict(row, part, found)),
    scale(row),
    node("div", { class: "pair" }, confusion(row, part), numbers(row)),
  );
  return made;
}

function titleOf(part) {
  return part === "refined" ? "Refined against real" : "Raw synthetic against real";
}

function verdict(row, part, found) {
  const kind = part === "refined" ? "Refined" : "Synthetic";
  if (row.p > 0.05) {
    const missed = found === null ? "So few answers can show nothing."
      : `With ${row.answers} answers, an accuracy below ${percent(found)} is easily missed.`;
    return `${kind} and real images were not told apart: this could be guessing. ${missed}`;
  }
  if (row.accuracy < 0.5) return `${kind} and real images were taken for each other.`;
  return `${kind} and real images were told apart.`;
}

// Accuracy with its interval on a line from 0 to 100 %, guessing in the middle.
function scale(row) {
  const [low, high] = row.interval;
  const text = `Accuracy ${percent(row.accuracy, 1)}, 95% interval ${percent(low, 1)} to `
    + `${percent(high, 1)}; guessing gives 50%.`;
  const svg = drawing("svg", { viewBox: "0 0 400 44", role: "img", "aria-label": text, class: "scale" });
  const x = (share) => 10 + 380 * share;
  const line = (a, b, kind) => drawing("line", { x1: x(a), x2: x(b), y1: 14, y2: 14, class: kind });
  svg.append(
    line(0, 1, "axis"),
    drawing("line", { x1: x(0.5), x2: x(0.5), y1: 4, y2: 24, class: "chance" }),
    line(low, high, "interval"),
    drawing("circle", { cx: x(row.accuracy), cy: 14, r: 6, class: "found" }),
  );
  for (const [share, anchor, words] of [[0, "start", "0%"], [0.5, "middle", "guessing"], [1, "end", "100%"]]) {
    const label = drawing("text", { x: x(share), y: 40, "text-anchor": anchor });
    label.textContent = words;
    svg.append(label);
  }
  return svg;
}

function table(caption, header, rows) {
  const head = node("tr", {}, ...header.map((text) => node("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...rest]) => node(
    "tr", {}, node("th", { scope: "row" }, first), ...rest.map((text) => node("td", {}, text)),
  ));
  return node(
    "table", {}, node("caption", {}, caption), node("thead", {}, head), node("tbody", {}, ...body),
  );
}

function confusion(row, part) {
  const rows = [["Real", "real"], [part === "refined" ? "Refined" : "Synthetic", part]];
  return table("Images by truth and answer", ["", "called real", "called synthetic"], rows.map(
    ([title, truth]) => [title, `${row.confusion[truth].real}`, `${row.confusion[truth].synthetic}`],
  ));
}

function numbers(row) {
  const rows = [
    ["Accuracy", percent(row.accuracy, 1), "accuracy"],
    ["95% interval", row.interval.map((share) => percent(share, 1)).join(" to "), "interval"],
    ["p, two-sided", number(row.p), "p"],
    ["p, better than guessing", number(row.p_better), "p-better"],
  ];
  if (row.p_by_image !== undefined) rows.push(["p, by image", number(row.p_by_image), "p-by-image"]);
  if (row.median_seconds !== null) rows.push(["Median time", `${row.median_seconds.toFixed(1)} s`, "time"]);
  return node("dl", { class: "numbers" }, ...rows.flatMap(([term, text, name]) => [
    node("dt", {}, term), node("dd", { "data-number": name }, text),
  ]));
}

function together(result) {
  if (result.parts[0].raters.length < 2) return [];
  const sections = result.parts.map((part, index) => {
    const made = card(
      part.pooled, part.part, result.parts.length > 1, result.plan[index].pooled,
    );
    const rows = part.raters.filter((row) => row.answers).map((row) => [
      row.rater, `${row.right} of ${row.answers}`, percent(row.accuracy, 1), number(row.p),
    ]);
    made.append(table("By rater", ["", "right", "accuracy", "p"], rows));
    return made;
  });
  const shared = "All raters judged the same images and may agree in their mistakes. "
    + "\u201cp, by image\u201d allows for that: it deals the truth anew to the same images and answers.";
  return [node("h2", {}, "All raters together"), ...sections, node("p", { class: "quiet" }, shared)];
}

async function galleries(result, test, several) {
  const made = [];
  for (const part of result.parts) {
    const rows = result.images.filter((row) => row.part === part.part);
    const title = several ? `, ${titleOf(part.part).toLowerCase()}` : "";
    const half = Math.min(SHOWN, Math.floor(rows.length / 2));
    const hardest = rows.slice(0, half).filter((row) => row.share < 1);
    const easiest = half ? rows.slice(-half).reverse().filter((row) => row.share > 0) : [];
    for (const [words, some] of [["Hardest", hardest], ["Easiest", easiest]]) {
      if (!some.length) continue;
      const figures = await Promise.all(some.map((row) => figure(row, test)));
      made.push(node("h2", {}, `${words} images${title}`), node("div", { class: "gallery" }, ...figures));
    }
  }
  return made;
}

async function figure(row, test) {
  const data = await blob(`/api/image/${row.picture}`);
  const image = node("img", {
    src: URL.createObjectURL(data), width: test.width, height: test.height,
    alt: `${row.truth} image ${row.name}`, class: test.scaling,
  });
  const score = row.answers === 1 ? (row.right ? "right" : "wrong") : `${row.right} of ${row.answers} right`;
  return node(
    "figure", {}, image,
    node("figcaption", {}, node("strong", {}, row.truth), ` \u00b7 ${score}`, node("br"), node("small", {}, row.name)),
  );
}

async function save(file, kind) {
  const data = await blob(`/api/${file}`);
  const link = node("a", { href: URL.createObjectURL(new Blob([data], { type: kind })), download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
