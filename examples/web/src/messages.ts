import { CareersUsersError } from "careers-users";
import { el } from "./dom";

const SECONDS_SHOWN = 6;
/** Sentences for what the service can't say, or says for programs. */
const SENTENCES: Record<string, string> = {
  network: "The service can't be reached. Try again in a moment.",
  timeout: "The service took too long to answer. Try again in a moment.",
  unexpected_reply: "The service gave an answer that this page can't read.",
  overloaded: "The service is busy. Try again in a moment.",
  invalid_credentials: "The name or the password is wrong.",
  account_suspended: "This account is suspended.",
  link_used: "This link has been used already.",
  link_expired: "This link has expired. Ask for a new one.",
  link_invalid: "This link is not valid. Open the newest mail, or ask for a new link.",
};
let timer = 0;

/** Tells a user what became of an act; screen readers read it out. */
export function say(text: string, isBad = false): void {
  const status = document.getElementById("status")!;
  clearTimeout(timer);
  status.replaceChildren(
    ...(text ? [el("p", { class: isBad ? "bad" : "good" }, text)] : []),
  );
  // An error stays until the next message or view: it may have to be read twice.
  if (text && !isBad) timer = setTimeout(() => say(""), SECONDS_SHOWN * 1000);
}

/** Returns what to tell a user of a failure. */
export function sentence(error: unknown): string {
  if (!(error instanceof CareersUsersError)) {
    console.error(error);
    return "Something went wrong on this page.";
  }
  if (error.code === "rate_limited") {
    const minutes = Math.ceil((error.retryAfter ?? 60) / 60);
    const wait = minutes === 1 ? "a minute" : `${minutes} minutes`;
    return `That was tried too often. Try again in ${wait}.`;
  }
  return SENTENCES[error.code] ?? `${error.message}.`;
}

/** Returns the messages of a failure that belong to fields, by their names. */
export function fieldMessages(error: unknown): Record<string, string> {
  if (!(error instanceof CareersUsersError)) return {};
  const fields = {
    username_taken: "username",
    email_taken: "email",
    wrong_password: "password",
    user_not_found: "username",
    cannot_target_self: "username",
  };
  const field = fields[error.code as keyof typeof fields];
  if (field) return { [field]: sentence(error) };
  if (error.code !== "validation_failed" || typeof error.details !== "object") return {};
  const entries = Object.entries(error.details as Record<string, unknown>);
  return Object.fromEntries(entries.map(([name, said]) => [name, [said].flat().join(" ")]));
}
