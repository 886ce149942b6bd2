import type { Card } from "careers-users";
import { button } from "./actions";
import { el, unseen, type Child } from "./dom";
import { say } from "./messages";
import { client, session } from "./session";

type Named = Pick<Card, "username" | "first_name" | "last_name">;
const HUES = 6;
const ROWS = 10;

export function fullName({ username, first_name, last_name }: Named): string {
  return `${first_name} ${last_name}`.trim() || username;
}

/** Shows the picture of a user, or the initials where there is none. */
export function avatar(user: Named & { avatar: string | null }, look = ""): HTMLElement {
  const sum = [...user.username].reduce((total, one) => total + one.charCodeAt(0), 0);
  const initials = [user.first_name || user.username, user.last_name]
    .map((name) => [...name][0] ?? "")
    .join("");
  const made = el(
    "span",
    { class: `avatar hue-${sum % HUES} ${look}`, "aria-hidden": "true" },
    initials.toUpperCase(),
  );
  if (user.avatar) {
    const picture = el("img", {
      src: user.avatar,
      alt: "",
      loading: "lazy",
      referrerpolicy: "no-referrer",
      error: () => picture.remove(),
    });
    made.append(picture);
  }
  return made;
}

/** Shows a user as a row that leads to the profile, with what can be done beside it. */
export function card(user: Named & { avatar: string | null }, ...beside: Child[]): HTMLElement {
  return el(
    "li",
    { class: "card" },
    avatar(user),
    el(
      "div",
      { class: "names" },
      el("a", { href: `#/users/${user.username}` }, fullName(user)),
      el("span", { class: "muted" }, `@${user.username}`),
    ),
    ...beside,
  );
}

/** Makes a button that follows and unfollows, and then does what hangs on it. */
export function followButton(
  username: string,
  isFollowing: boolean,
  changed: () => Promise<void> = async () => {},
): HTMLElement {
  const draw = (): void => {
    made.className = isFollowing ? "quiet" : "";
    made.replaceChildren(isFollowing ? "Unfollow" : "Follow", unseen(` @${username}`));
  };
  const made = button("", async () => {
    if (isFollowing) await client.ensureNotFollowing(username);
    else await client.ensureFollowing(username);
    isFollowing = !isFollowing;
    draw();
    say(isFollowing ? `You follow @${username} now.` : `You don't follow @${username} any more.`);
    await changed();
  });
  draw();
  return made;
}

export function followCard(user: Card): HTMLElement {
  const isMe = user.username === session.me?.username;
  return card(user, isMe ? null : followButton(user.username, user.is_following));
}

/** Shows rows, the first now and more at each press, as far as there are any. */
export async function list<Row>(
  rows: AsyncIterable<Row>,
  show: (row: Row) => HTMLElement,
  empty: string,
): Promise<HTMLElement[]> {
  const iterator = rows[Symbol.asyncIterator]();
  const items = el("ul", { class: "cards" });
  // One row ahead, to know whether there is more.
  let next = await iterator.next();
  async function fill(): Promise<HTMLElement[]> {
    const added: HTMLElement[] = [];
    for (; !next.done && added.length < ROWS; next = await iterator.next()) {
      added.push(show(next.value));
    }
    items.append(...added);
    more.hidden = Boolean(next.done);
    return added;
  }
  const more = button(
    "Show more",
    async () => {
      const [first] = await fill();
      first?.querySelector("a")?.focus();
    },
    "quiet more",
  );
  await fill();
  return items.children.length ? [items, more] : [el("p", { class: "empty" }, empty)];
}
