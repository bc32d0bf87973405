// The course of a test: start page, practice, parts, end. What is true of an image is not known
// here before the server tells it.

import { Refusal, blob, forget, get, post, remember, remembered } from "./server.js";
import { percent, showResult } from "./result.js";

const $ = (id) => document.getElementById(id);
const VIEWS = ["start", "pause", "judge", "end", "result", "problem"];
const KEYS = {
  f: "real", ArrowLeft: "real", j: "synthetic", ArrowRight: "synthetic",
  Backspace: "undo", u: "undo",
};
const LARGEST_SCALE = 12;

let test = null; // facts of the test
let state = null; // where this rater stands
let busy = false; // a request is on its way
let shownAt = 0; // when the image appeared, ms
const loaded = new Map(); // image name -> promise of an object URL

function view(name) {
  for (const id of VIEWS) $(id).hidden = id !== name;
  $("alert").textContent = "";
}

function focusOn(id) {
  $(id).focus({ preventScroll: true });
}

// Runs one act at a time and says in words what went wrong.
async function act(work) {
  if (busy) return;
  setBusy(true);
  try {
    await work();
  } catch (error) {
    await recover(error).catch((again) => { $("alert").textContent = again.message; });
  } finally {
    setBusy(false);
  }
}

function setBusy(now) {
  busy = now;
  document.body.setAttribute("aria-busy", String(now));
}

async function recover(error) {
  if (!(error instanceof Refusal)) throw error;
  if (error.status === 403) {
    $("problem-text").textContent =
      "Please open the link that the command printed. It is a new one after each start.";
    view("problem");
  } else if (error.status === 401 && remembered()) {
    await join(remembered().name); // the server was started anew
  } else {
    if (error.status === 409 && remembered()) await proceed(await get("/api/state"));
    $("alert").textContent = error.message;
  }
}

// Start page

async function showStart() {
  forget();
  test = await get("/api/test");
  $("facts").replaceChildren(...facts().flatMap(([term, text]) => {
    return [element("dt", term), element("dd", text)];
  }));
  $("power").replaceChildren(...test.plan.map((row) => element("p", powerOf(row))));
  $("known").replaceChildren(...chips());
  view("start");
  focusOn("name");
}

function facts() {
  const rows = [];
  if (test.practice) rows.push([test.practice, "for practice, with feedback"]);
  for (const row of test.plan) {
    const what = row.part === "refined" ? "in the test" : "in a second part";
    rows.push([row.images, what]);
  }
  const seconds = 3 * rows.reduce((sum, row) => sum + row[0], 0);
  const minutes = Math.max(1, Math.round(seconds / 60));
  return [
    ...rows.map(([count, what]) => [`${count} images`, what]),
    [minutes === 1 ? "1 minute" : `${minutes} minutes`, "at 3 seconds each"],
  ];
}

function powerOf(row) {
  const power = percent(row.power), level = percent(row.alpha);
  const part = test.plan.length === 1 ? "" : row.part === "refined" ? "Part 1: " : "Part 2: ";
  const say = (answers, found) => found === null
    ? `${part}With ${answers} answers nothing can be significant.`
    : `${part}With ${answers} answers, an accuracy of ${percent(found, 1)} or more is found with a `
      + `probability of ${power} (exact two-sided binomial test at ${level}). Guessing gives 50%.`;
  if (test.expected === 1) return say(row.images, row.alone);
  return `${say(row.answers, row.pooled)} These are the answers of ${test.expected} raters together.`;
}

function chips() {
  const going = test.raters.map((r) => [r.name, r.finished ? "see the result" : "go on"]);
  return [...going, ...test.names.map((name) => [name, "begin"])].map(([name, what]) => {
    const button = element("button", `${name} `);
    button.type = "button";
    button.append(element("small", what));
    button.addEventListener("click", () => act(() => join(name)));
    return button;
  });
}

async function join(name) {
  forget();
  let reply;
  try {
    reply = await post("/api/rater", { name });
  } catch (error) {
    if (error instanceof Refusal && error.status === 409) await showStart();
    throw error;
  }
  remember(reply.state.rater, reply.session);
  test ??= await get("/api/test");
  await proceed(reply.state, true);
}

// The images

async function proceed(next, joined = false) {
  const moved = joined || next.part !== state?.part || next.practice !== state?.practice;
  state = next;
  if (state.finished) return finish();
  if (state.judged) {
    view("end");
    return focusOn("finish");
  }
  load(state.image);
  if (moved && (state.done === 0 || joined)) return pause();
  return showImage();
}

function pause() {
  const begun = state.done > 0;
  const left = state.total - state.done;
  const more = `${left} ${begun ? "more " : ""}image${left === 1 ? "" : "s"}`;
  $("pause-part").textContent = state.parts > 1 && !state.practice
    ? `Part ${state.part} of ${state.parts}` : "";
  $("pause-title").textContent = begun ? "Welcome back" : state.practice ? "First, some practice"
    : state.part === 1 ? "Now the test" : "One more part";
  $("pause-text").textContent = state.practice
    ? `${more} that do not count. After each you are told whether you were right.`
    : `${more}, without feedback until the end. Half of this part is real. Trust your eyes: a few `
      + "seconds for each are enough.";
  $("undo-key").hidden = state.practice;
  $("go").textContent = begun ? "Go on" : "Show the first image";
  view("pause");
  focusOn("go");
}

function load(name) {
  if (name && !loaded.has(name)) {
    loaded.set(name, blob(`/api/image/${name}`).then((data) => URL.createObjectURL(data)));
  }
  return loaded.get(name);
}

async function showImage() {
  $("part").textContent = state.practice ? "Practice"
    : state.parts > 1 ? `Part ${state.part} of ${state.parts}` : "Test";
  $("count").textContent = `${state.done + 1} of ${state.total}`;
  $("bar").max = state.total;
  $("bar").value = state.done;
  $("undo").disabled = !state.can_undo;
  $("undo").hidden = state.practice;
  $("feedback").hidden = true;
  $("choices").hidden = false;
  view("judge");
  const name = state.image;
  try {
    $("image").src = await load(name);
  } catch (error) {
    loaded.delete(name);
    throw error;
  }
  await $("image").decode();
  fit();
  shownAt = performance.now();
  drop(name, state.next);
  load(state.next)?.catch(() => loaded.delete(state.next)); // asked for again when it is due
}

// Frees all images but those that are shown now and next.
function drop(...kept) {
  for (const [name, url] of loaded) {
    if (kept.includes(name)) continue;
    loaded.delete(name);
    url.then(URL.revokeObjectURL, () => {});
  }
}

// The same size for all images: whole multiples, as large as the window lets them be.
function fit() {
  if ($("judge").hidden) return;
  const room = Math.min(
    ($("stage").clientWidth - 32) / test.width, ($("stage").clientHeight - 32) / test.height,
  );
  const scale = room >= 1 ? Math.min(Math.floor(room), LARGEST_SCALE) : room;
  $("image").width = Math.round(test.width * scale);
  $("image").height = Math.round(test.height * scale);
  $("image").className = test.scaling;
}

async function answer(said) {
  const seconds = Math.round(performance.now() - shownAt) / 1000;
  const reply = await post("/api/answer", { image: state.image, answer: said, seconds });
  if (!reply.feedback) return proceed(reply.state);
  const { right, truth } = reply.feedback;
  $("truth").textContent = `${right ? "Right" : "No"}: this one is ${truth}.`;
  $("truth").className = right ? "right" : "wrong";
  $("bar").value += 1;
  $("choices").hidden = true;
  $("feedback").hidden = false;
  $("onward").onclick = () => act(() => proceed(reply.state));
  focusOn("onward");
}

async function undo() {
  await proceed((await post("/api/undo")).state);
}

async function finish() {
  await showResult(await get("/api/result"), state.rater, test);
  view("result");
  scrollTo(0, 0);
}

function element(tag, text) {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}

document.addEventListener("keydown", (event) => {
  const plain = !(event.ctrlKey || event.metaKey || event.altKey || event.repeat);
  const meant = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!meant || !plain) return;
  if (!$("end").hidden && meant === "undo") return act(undo);
  if ($("judge").hidden) return;
  event.preventDefault();
  if (!$("feedback").hidden) {
    if (meant !== "undo") $("onward").click();
  } else if (meant !== "undo") {
    act(() => answer(meant));
  } else if (state.can_undo) {
    act(undo);
  }
});
$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => join($("name").value));
});
$("go").addEventListener("click", () => act(showImage));
$("real").addEventListener("click", () => act(() => answer("real")));
$("synthetic").addEventListener("click", () => act(() => answer("synthetic")));
$("undo").addEventListener("click", () => act(undo));
$("undo-last").addEventListener("click", () => act(undo));
$("finish").addEventListener("click", () => {
  act(async () => proceed((await post("/api/finish")).state));
});
$("another").addEventListener("click", () => act(showStart));
addEventListener("resize", fit);

act(async () => {
  if (!remembered()) return showStart();
  test = await get("/api/test");
  await proceed(await get("/api/state"), true);
});
