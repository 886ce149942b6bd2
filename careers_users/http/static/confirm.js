"use strict";

// What each kind of link asks, and the call that its button makes.
const KINDS = {
  verify: {
    title: "Confirm your email address",
    lead: "Press the button to show that this address is yours.",
    button: "Confirm my address",
    call: "email/verify/",
  },
  change: {
    title: "Confirm the new email address",
    lead: "Press the button if the address of your account is to change.",
    button: "Confirm the change",
    call: "email/change/confirm/",
  },
  reset: {
    title: "Choose a new password",
    lead: "One that you use nowhere else. You are signed out everywhere with it.",
    button: "Set the password",
    call: "password/reset/confirm/",
  },
};
// What to do next, where the service's own sentence does not say so.
const ADVICE = {
  link_used: "There is nothing left to do with it.",
  link_expired: "Ask for a new one.",
  link_invalid: "Open the newest mail, or ask for a new one.",
};
const element = (id) => document.getElementById(id);
const base = location.pathname.replace(/email\/confirm\/?$/, "");
let link = null;

function read() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const kind = KINDS[parameters.get("purpose")];
  const token = parameters.get("token");
  if (!kind || !token) {
    return;
  }
  link = { kind, token };
  document.title = element("title").textContent = kind.title;
  element("lead").textContent = kind.lead;
  element("go").textContent = kind.button;
  element("passwords").hidden = kind !== KINDS.reset;
  for (const id of ["password", "again"]) {
    element(id).required = kind === KINDS.reset;
  }
  element("form").hidden = false;
  say("", "");
}

function say(text, kind) {
  const status = element("status");
  status.textContent = text;
  status.className = kind;
  if (text) {
    status.focus();
  }
}

function refusal(answer) {
  const details = answer.details;
  if (answer.code === "validation_failed" && typeof details === "object") {
    return Object.values(details).flat().join(" ");
  }
  const advice = ADVICE[answer.code];
  return advice ? `${answer.error}. ${advice}` : `${answer.error}.`;
}

function body() {
  if (link.kind !== KINDS.reset) {
    return { token: link.token };
  }
  return {
    token: link.token,
    password: element("password").value,
    password_confirm: element("again").value,
  };
}

async function send() {
  const reply = await fetch(base + link.kind.call, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body()),
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  });
  return { isGood: reply.ok, answer: await reply.json() };
}

async function submit(event) {
  event.preventDefault();
  element("go").disabled = true;
  try {
    const { isGood, answer } = await send();
    if (isGood) {
      element("form").remove();
      element("lead").remove();
      // The used token need not stay in the history.
      history.replaceState(null, "", location.pathname);
      say(`${answer.message}.`, "good");
    } else {
      say(refusal(answer), "bad");
    }
  } catch {
    say("The service can't be reached. Try again in a moment.", "bad");
  }
  const button = element("go");
  if (button) {
    button.disabled = false;
  }
}

element("form").addEventListener("submit", submit);
element("show").addEventListener("change", (event) => {
  for (const id of ["password", "again"]) {
    element(id).type = event.target.checked ? "text" : "password";
  }
});
// Another link opened in the same tab.
addEventListener("hashchange", () => location.reload());
read();
