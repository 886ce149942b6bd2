import { button } from "./actions";
import { el, heading, icon } from "./dom";
import { say, sentence } from "./messages";
import { load, session, signOut } from "./session";
import { avatar } from "./users";
import { account } from "./views/account";
import { blocks } from "./views/blocks";
import { link } from "./views/link";
import { me } from "./views/me";
import { people } from "./views/people";
import { profile } from "./views/profile";
import { forgot, register, signIn } from "./views/sign-in";

interface Route {
  title: string;
  show: (signal: AbortSignal, words: string[]) => Promise<HTMLElement[]>;
  isForStrangers?: boolean;
  /** The icon among the tabs. */
  icon?: string;
}

/** The views, by the first word of the address: `#/users/ann/followers`. */
const ROUTES: Record<string, Route> = {
  "": { title: "Members", show: people, icon: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5 20 20" },
  users: { title: "Member", show: profile },
  me: { title: "Profile", show: me, icon: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4 20c.8-3.8 3.8-5.5 8-5.5s7.2 1.7 8 5.5" },
  account: { title: "Account", show: account, icon: "M12 3.5 5 6v5.5c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6ZM9 12l2.2 2.2L15.2 10" },
  blocks: { title: "Blocks", show: blocks, icon: "M12 3.8a8.2 8.2 0 1 0 0 16.4 8.2 8.2 0 0 0 0-16.4ZM6.2 6.2l11.6 11.6" },
  "sign-in": { title: "Sign in", show: signIn, isForStrangers: true },
  register: { title: "Create an account", show: register, isForStrangers: true },
  forgot: { title: "Forgot your password?", show: forgot, isForStrangers: true },
};
const main = document.getElementById("main")!;
let leaving = new AbortController();
/** The view that a sign-in leads to: the one that was asked for without a session. */
let wanted = "#/";

/** Shows the view of the address; what an earlier one still waits for is dropped. */
async function show(): Promise<void> {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [name = "", ...words] = location.hash.replace(/^#\/?/, "").split("/");
  const isLink = name.includes("purpose=");
  const route = ROUTES[name] ?? ROUTES[""]!;
  if (!isLink && Boolean(route.isForStrangers) === Boolean(session.me)) {
    if (!session.me) wanted = location.hash;
    location.replace(session.me ? wanted || "#/" : "#/sign-in"); // A hashchange follows.
    return;
  }
  drawFrame(name);
  main.ariaBusy = "true";
  try {
    const content = isLink ? link(new URLSearchParams(name)) : route.show(signal, words);
    main.replaceChildren(...(await drop(content, signal)));
  } catch (error) {
    if (signal.aborted) return;
    main.replaceChildren(...failure(error));
  }
  main.ariaBusy = null;
  const title = main.querySelector("h1");
  document.title = `${title?.textContent ?? route.title} · Careers`;
  title?.focus({ preventScroll: true });
}

async function drop<T>(content: Promise<T>, signal: AbortSignal): Promise<T> {
  const ready = await content;
  signal.throwIfAborted();
  return ready;
}

function failure(error: unknown): HTMLElement[] {
  const again = button("Try again", start);
  return [
    el(
      "section",
      { class: "panel narrow" },
      heading("That did not work"),
      el("p", {}, sentence(error)),
      el("div", { class: "actions" }, again),
    ),
  ];
}

/** Draws the header and the tabs. */
function drawFrame(name: string): void {
  const own = session.me;
  const who = document.getElementById("who")!;
  const tabs = document.getElementById("tabs")!;
  tabs.hidden = !own;
  document.body.classList.toggle("signed-in", Boolean(own));
  who.replaceChildren();
  tabs.replaceChildren();
  if (!own) return;
  who.append(avatar(own), el("span", { class: "name" }, `@${own.username}`));
  who.append(button("Sign out", signOut, "quiet"));
  for (const [word, route] of Object.entries(ROUTES)) {
    if (!route.icon) continue;
    const attributes = { href: `#/${word}`, "aria-current": word === name && "page" };
    tabs.append(el("a", attributes, icon(route.icon), route.title));
  }
}

async function start(): Promise<void> {
  try {
    await load();
    await show();
  } catch (error) {
    main.replaceChildren(...failure(error));
    main.ariaBusy = null;
  }
}

session.changed = () => void show();
addEventListener("hashchange", () => {
  scrollTo(0, 0);
  void show();
});
addEventListener("click", ({ target }) => {
  if (target instanceof Element && target.closest("a")) say("");
});
document.querySelector(".skip")!.addEventListener("click", (event) => {
  event.preventDefault(); // What stands behind the # are our addresses.
  main.focus();
});
await start();
