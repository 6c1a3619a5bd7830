"use strict";
/* Asks one participant after the other, keeps their answers in this browser and hands them out as a CSV file.
   It knows pictures and opaque ids; what they stand for is in the key, which is not part of this page. */

const element = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];

const study = JSON.parse(element("study").textContent);
const STORE = `fader-study/${study.study}`;
const COLUMNS = ["study", "participant", "item", "question", "answer"];
const CONSONANTS = "bcdfghjkmnpqrstv";

/* current: the participant who is asked now, "" between two; people: what each has answered. */
let state = { current: "", people: {} };
let steps = [];

/* ---- what is kept over a reload ---- */

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE));
    if (kept?.people && typeof kept.current === "string") state = kept;
  } catch {
    element("unkept").hidden = false;
  }
}

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(state));
  } catch {
    element("unkept").hidden = false;
  }
}

/* The colon keeps names such as "constructor" from meaning something to JavaScript. */
const slot = () => `:${state.current}`;
const person = () => state.people[slot()];

/* ---- the order, which is the participant's own and the same whenever they come back ---- */

function randomOf(text) {
  let seed = 2166136261; /* FNV-1a */
  for (const character of text) seed = Math.imul(seed ^ character.codePointAt(0), 16777619);
  return () => { /* mulberry32 */
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(list, random) {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

function stepsOf(participant) {
  const random = randomOf(`${study.study}/${participant}`);
  const mine = shuffled(study.items, random).slice(0, study.perParticipant);
  const singles = mine.filter((item) => !item.options).flatMap((item) => [
    { item, question: "natural", text: study.natural },
    { item, question: "attribute", text: item.ask },
  ]);
  const pairs = mine.filter((item) => item.options).map((item) => (
    { item, question: "pair", text: study.pair, options: shuffled(item.options, random) }
  ));
  return [...singles, ...pairs];
}

/* ---- what is on the screen ---- */

function show() {
  const asked = state.current !== "";
  const step = asked ? steps[person().at] : undefined;
  element("welcome").hidden = asked;
  element("bar").hidden = !asked;
  element("task").hidden = !step;
  element("end").hidden = !asked || Boolean(step);
  if (!asked) return;
  element("count").textContent = step ? `Question ${person().at + 1} of ${steps.length}` : `All ${steps.length} answered`;
  element("progress").max = steps.length;
  element("progress").value = person().at;
  element("bar").querySelector(".save").hidden = !step; /* the last screen has one of its own */
  if (step) ask(step);
  else finish();
}

function ask(step) {
  element("question").textContent = step.text;
  element("single").hidden = Boolean(step.options);
  element("double").hidden = !step.options;
  const shown = step.options ?? [step.item];
  const images = step.options ? all("#double img") : [element("picture")];
  images.forEach((image, i) => { image.src = study.pictures[shown[i].picture]; });
  const before = person().answers[`${step.item.id}/${step.question}`];
  for (const button of all(step.options ? "#double button" : "#single button")) {
    if (step.options) button.dataset.answer = step.options[button.dataset.side].id;
    button.setAttribute("aria-pressed", String(button.dataset.answer === before));
  }
  element("task").querySelector(".back").disabled = person().at === 0;
  element("question").focus({ preventScroll: true }); /* a screen reader reads the new question */
  window.scrollTo(0, 0);
}

function finish() {
  const { saved } = person();
  element("saved").textContent = saved ? `Saved to your downloads: ${saved}` : "Not saved yet.";
  element("next").hidden = !saved;
  element("thanks").focus();
}

function welcome() {
  element("participant").value = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => CONSONANTS[byte % 16]).join("");
  element("consent").checked = false;
  show();
  window.scrollTo(0, 0);
}

/* ---- what the participant does ---- */

function begin() {
  state.current = element("participant").value;
  state.people[slot()] ??= { at: 0, answers: {}, saved: "" };
  steps = stepsOf(state.current);
  keep();
  show();
}

function answer(value) {
  const step = steps[person().at];
  const id = `${step.item.id}/${step.question}`;
  if (person().answers[id] !== value) person().saved = "";
  person().answers[id] = value;
  person().at += 1;
  keep();
  show();
}

function back() {
  if (person().at === 0) return;
  person().at -= 1;
  keep();
  show();
}

function save() {
  const rows = Object.entries(person().answers).map(([id, value]) => [study.study, state.current, ...id.split("/"), value]);
  const text = [COLUMNS, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
  const link = document.createElement("a");
  link.download = `answers-${study.study}-${state.current}.csv`;
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  person().saved = link.download;
  keep();
  if (!element("end").hidden) finish();
}

function press(event) {
  const typing = event.target.matches("input");
  if (state.current === "" || typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "s") save();
  else if (key === "backspace") back();
  else if (!element("task").hidden) {
    const pair = !element("double").hidden;
    const sides = { 1: 0, arrowleft: 0, 2: 1, arrowright: 1, ...(pair ? {} : { y: 0, n: 1 }) };
    if (!(key in sides)) return;
    all(pair ? "#double button" : "#single button")[sides[key]].click();
  } else return;
  event.preventDefault();
}

/* ---- start ---- */

for (const paragraph of study.introduction.split(/\n\s*\n/)) {
  element("introduction").appendChild(document.createElement("p")).textContent = paragraph;
}
element("consent-text").textContent = study.consent;
const about = study.perParticipant < study.items.length ? "about " : ""; /* a picture has two questions, a pair one */
element("extent").textContent = `There are ${about}${stepsOf("").length} questions.`;
element("start").addEventListener("submit", (event) => { event.preventDefault(); begin(); });
for (const button of all("#task .answers button")) button.addEventListener("click", () => answer(button.dataset.answer));
for (const button of all(".back")) button.addEventListener("click", back);
for (const button of all(".save")) button.addEventListener("click", save);
element("next").addEventListener("click", () => { state.current = ""; keep(); welcome(); });
document.addEventListener("keydown", press);
restore();
if (person()) {
  steps = stepsOf(state.current);
  show();
} else welcome();
