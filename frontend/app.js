// The page: one photograph in, three species out. It knows POST /predict and GET /model, nothing else.

import { fill, texts } from "./texts.js";

const MAX_BYTES = 10 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

const element = (id) => document.getElementById(id);
const stored = (() => {
  try {
    return localStorage.getItem("language");
  } catch {
    return null;
  }
})();
const state = {
  // What is stored may be another version's, or another page's of the same address.
  language: Object.hasOwn(texts, stored ?? "") ? stored : navigator.language.startsWith("ru") ? "ru" : "en",
  photo: null,
  answer: null,
  problem: null,
  waiting: false,
  model: null,
  request: 0,
};

const text = (name) => texts[state.language][name];
const percent = (share) =>
  new Intl.NumberFormat(state.language, { style: "percent", maximumFractionDigits: 1 }).format(share);

function setLanguage(language) {
  state.language = language;
  try {
    localStorage.setItem("language", language);
  } catch {
    // Private windows may refuse storage; the choice then lasts until the page is closed.
  }
  loadModel();
  // An answer on its way is in the other language still.
  if (state.answer || state.waiting) predict();
  render();
}

function showModel() {
  const model = state.model;
  const reason = model?.demonstration;
  element("demonstration").hidden = !reason;
  if (reason) {
    document.querySelector("[data-text=demonstrationText]").textContent = demonstrationText(reason);
  }
  if (!model) {
    element("model").textContent = text("noModel");
    return;
  }
  const { accuracy, accuracy_ci95: interval } = model.evaluation?.test ?? {};
  const photographs = model.lineage?.n_photographs;
  element("model").textContent = fill(text("model"), {
    version: model.version,
    classes: model.classes.length,
    accuracy:
      accuracy === undefined
        ? ""
        : fill(text("accuracy"), {
            share: percent(accuracy),
            low: percent(interval[0]),
            high: percent(interval[1]),
          }),
    photographs: photographs
      ? fill(text(model.lineage.origin === "synthetic" ? "drawings" : "photographs"), { n: photographs })
      : "",
  });
}

function demonstrationText(reason) {
  // The server's sentence is English; in Russian the page tells the same causes.
  if (state.language === "en") return reason.replace(/^Demonstration model: /, "");
  const { origin, weights } = state.model.lineage ?? {};
  const causes = [
    origin === "synthetic" && text("demonstrationDrawn"),
    /^random:\d+$/.test(weights ?? "") && text("demonstrationRandom"),
    text("demonstrationMeans"),
  ];
  return causes.filter(Boolean).join(" ");
}

function showAnswer() {
  const { answer, problem, waiting } = state;
  element("waiting").hidden = !waiting;
  element("nothing-yet").hidden = waiting || answer !== null || problem !== null;
  element("problem").hidden = waiting || problem === null;
  element("result").hidden = waiting || answer === null;
  if (problem !== null) element("problem").textContent = problemText(problem);
  if (answer === null) return;
  element("species").textContent = answer.predicted_label;
  element("certainty").textContent = fill(text(answer.is_confident ? "confident" : "unsure"), {
    share: percent(answer.confidence),
  });
  element("certainty").className = answer.is_confident
    ? "mb-3 text-success-emphasis"
    : "mb-3 text-warning-emphasis";
  element("bars").replaceChildren(...answer.top_3_predictions.map(bar));
  element("footnote").textContent = fill(text("footnote"), {
    version: answer.model_version,
    ms: Math.round(answer.processing_time_ms),
    cached: answer.cached ? text("cached") : "",
  });
}

function bar(candidate) {
  const item = document.createElement("li");
  item.className = "candidate mb-2";
  const row = document.createElement("div");
  row.className = "d-flex justify-content-between gap-3";
  const name = document.createElement("span");
  name.textContent = candidate.label;
  const latin = document.createElement("i");
  latin.className = "text-body-secondary ms-2";
  latin.lang = "la";
  latin.textContent = latinName(candidate.class);
  name.append(latin);
  const share = document.createElement("span");
  share.className = "share";
  share.textContent = percent(candidate.probability);
  row.append(name, share);
  const meter = document.createElement("meter");
  meter.min = 0;
  meter.max = 1;
  meter.value = candidate.probability;
  meter.setAttribute("aria-label", `${candidate.label}: ${percent(candidate.probability)}`);
  item.append(row, meter);
  return item;
}

function latinName(slug) {
  return state.model?.classes.find((known) => known.slug === slug)?.latin ?? "";
}

function problemText(problem) {
  const problems = text("problems");
  return problems[problem] ?? fill(problems.other, { status: problem });
}

function render() {
  document.documentElement.lang = state.language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const button of element("languages").children) {
    const chosen = button.dataset.language === state.language;
    button.classList.toggle("active", chosen);
    button.setAttribute("aria-pressed", String(chosen));
  }
  element("preview").alt = text("preview");
  showModel();
  showAnswer();
}

async function loadModel() {
  try {
    const reply = await fetch("model", { headers: { accept: "application/json" } });
    state.model = reply.ok ? await reply.json() : null;
  } catch {
    state.model = null;
  }
  showModel();
  showAnswer();
}

function choose(photo) {
  if (!photo) return;
  state.photo = photo;
  const preview = element("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(photo);
  preview.hidden = false;
  element("drop-hint").hidden = true;
  predict();
}

async function predict() {
  state.request += 1;
  const request = state.request;
  Object.assign(state, { waiting: true, answer: null, problem: null });
  showAnswer();
  const outcome = await ask(state.photo);
  // A newer photograph may have been chosen while this answer was on its way.
  if (request !== state.request) return;
  Object.assign(state, { waiting: false, ...outcome });
  showAnswer();
  if (outcome.answer && outcome.answer.model_version !== state.model?.version) loadModel();
}

async function ask(photo) {
  if (photo.size > MAX_BYTES) return { problem: 413 };
  const form = new FormData();
  form.append("file", photo, photo.name || "photo");
  try {
    const reply = await fetch(`predict?lang=${state.language}`, {
      method: "POST",
      body: form,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return reply.ok ? { answer: await reply.json() } : { problem: reply.status };
  } catch (error) {
    return { problem: error.name === "TimeoutError" ? "tooSlow" : "offline" };
  }
}

function listen() {
  for (const id of ["choose", "camera"]) {
    element(id).addEventListener("change", (event) => {
      choose(event.target.files[0]);
      // The same file may be chosen again.
      event.target.value = "";
    });
  }
  element("languages").addEventListener("click", (event) => {
    const language = event.target.dataset.language;
    if (language) setLanguage(language);
  });
  const zone = element("drop-zone");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    choose(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    choose([...event.clipboardData.files].find((file) => file.type.startsWith("image/")));
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => {
    document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light";
  };
  dark.addEventListener("change", theme);
  theme();
}

listen();
render();
loadModel();
