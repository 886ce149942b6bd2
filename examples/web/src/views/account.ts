import type { Security, Session } from "careers-users";
import { ask, button } from "../actions";
import { el, heading, section, unseen } from "../dom";
import { say } from "../messages";
import { client, load, session, signedOut } from "../session";

/** Shows the state of the e-mail address, and the sessions. */
export async function account(signal: AbortSignal): Promise<HTMLElement[]> {
  const [security, sessions] = await Promise.all([
    client.getSecurity({ signal }),
    client.listSessions({ signal }),
    load(), // The address may have changed by a link.
  ]);
  // The link may be followed in another tab: look again when this one is seen again.
  const again = (): void => {
    if (document.visibilityState === "visible") session.changed();
  };
  document.addEventListener("visibilitychange", again, { signal });
  const content = [address(security), devices(sessions.results)];
  return [heading("Account"), el("div", { class: "columns" }, ...content)];
}

function address(security: Security): HTMLElement {
  const { email_verified: isVerified, pending_email: pending, mail_failed: failed } = security;
  const state = isVerified
    ? el("span", { class: "badge good" }, "Verified")
    : el("span", { class: "badge warn" }, "Not verified");
  const notes = [
    pending && `A change to ${pending} waits until the links in the mail have been followed.`,
    failed && "The last mail to this address was refused. Is it right?",
    !isVerified && "Open the mail that was sent there, and follow its link.",
  ];
  const send = button("Send the link again", async () => {
    const { message } = await client.sendVerification();
    say(`${message}.`);
  });
  return section(
    "E-mail address",
    el("p", { class: "address" }, el("strong", {}, session.me?.email ?? ""), state),
    ...notes.map((note) => (note ? el("p", { class: "note" }, note) : null)),
    isVerified ? null : el("div", { class: "actions" }, send),
    el("p", { class: "links" }, el("a", { href: "#/me" }, "Change the address")),
  );
}

function devices(sessions: Session[]): HTMLElement {
  const rows = sessions.map(row);
  const others = button(
    "Sign out everywhere else",
    async () => {
      const { count } = await client.logoutAll({ keep_current: true });
      session.changed();
      say(count === 1 ? "1 session has ended." : `${count} sessions have ended.`);
    },
    "quiet",
  );
  const end = button("Sign out everywhere", askToEndAll, "quiet danger");
  return section(
    "Sessions",
    el("ul", { class: "cards" }, ...rows),
    el("div", { class: "actions" }, sessions.length > 1 && others, end),
  );
}

function row(one: Session): HTMLElement {
  const name = deviceName(one.device);
  const end = button(["End", unseen(` the session of ${name}`)], async () => {
    await client.endSession(one.id);
    session.changed();
    say("The session has ended.");
  }, "quiet");
  return el(
    "li",
    { class: "card" },
    el(
      "div",
      { class: "names" },
      el("strong", { title: one.device }, name),
      el("span", { class: "muted" }, `${one.address} · used ${moment(one.last_used_at)}`),
    ),
    one.current ? el("span", { class: "badge good" }, "This one") : end,
  );
}

async function askToEndAll(): Promise<void> {
  const isDone = await ask({
    title: "Sign out everywhere?",
    text: "All your sessions end, this one too.",
    submit: "Sign out everywhere",
    act: () => client.logoutAll(),
  });
  if (!isDone) return;
  signedOut();
  say("You are signed out everywhere.");
}

function moment(time: string): string {
  return new Date(time).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

/** Names a browser as its user does; other programs by what they call themselves. */
function deviceName(device: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(device)?.[1];
  const system = /Android|iPhone|iPad|Windows|Mac OS X|Linux/.exec(device)?.[0];
  if (!browser) return device || "Unknown program";
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera" };
  return `${names[browser] ?? browser}${system ? ` on ${system.replace(" X", "")}` : ""}`;
}
