import type { Profile, Relationship, Stats } from "careers-users";
import { ask, button } from "../actions";
import { el, heading } from "../dom";
import { say } from "../messages";
import { client, session } from "../session";
import { avatar, followButton, followCard, fullName, list } from "../users";

const NUMBERS = [
  ["posts_count", "Posts"],
  ["followers_count", "Followers"],
  ["following_count", "Following"],
  ["likes_received", "Likes"],
  ["comments_received", "Comments"],
] as const;

export function numbers(stats: Stats): HTMLElement {
  const pairs = NUMBERS.map(([name, label]) => {
    const value = stats[name].toLocaleString("en", { notation: "compact" });
    return el("div", {}, el("dt", {}, label), el("dd", {}, value));
  });
  return el("dl", { class: "stats" }, ...pairs);
}

/** Shows a picture, the names, the bio, and since when there is such a user. */
export function person(user: Profile, ...beside: HTMLElement[]): HTMLElement {
  const joined = new Date(user.created_at).toLocaleDateString("en", {
    month: "long",
    year: "numeric",
  });
  return el(
    "div",
    { class: "person" },
    avatar(user, "large"),
    el(
      "div",
      { class: "names" },
      heading(fullName(user)),
      el("p", { class: "muted" }, `@${user.username} `, ...beside),
      el("p", { class: "muted" }, `Member since ${joined}`),
    ),
    user.bio ? el("p", { class: "bio" }, user.bio) : null,
  );
}

export async function profile(
  signal: AbortSignal,
  [username = "", tab = "followers"]: string[],
): Promise<HTMLElement[]> {
  const user = await client.getProfile(username, { signal });
  const { results } = await client.getRelationships({ ids: [user.id] }, { signal });
  const figures = el("div");
  const lists = el("div");
  async function fill(): Promise<void> {
    const [stats, follows] = await Promise.all([
      client.getStats(username, { signal }),
      listed(user.username, tab, signal),
    ]);
    figures.replaceChildren(numbers(stats));
    lists.replaceChildren(follows);
  }
  await fill();
  const relation = results[0];
  const badge = relation?.followed_by ? [el("span", { class: "badge" }, "Follows you")] : [];
  const panel = el("section", { class: "panel" }, person(user, ...badge), figures);
  if (relation && user.id !== session.me?.id) {
    panel.append(actions(user.username, relation, fill));
  }
  return [panel, lists];
}

function actions(
  username: string,
  relation: Relationship,
  changed: () => Promise<void>,
): HTMLElement {
  if (relation.blocking) {
    const unblock = button("Unblock", async () => {
      await client.unblock(username);
      session.changed();
      say(`@${username} is not blocked any more.`);
    });
    return el("div", { class: "actions" }, unblock, "You block this member.");
  }
  const follow = followButton(username, relation.following, changed);
  const block = button("Block", () => askToBlock(username), "quiet danger");
  return el("div", { class: "actions" }, follow, block);
}

async function askToBlock(username: string): Promise<void> {
  const isDone = await ask({
    title: `Block @${username}?`,
    text: "You will not meet each other any more, and follows between you end. The other is not told.",
    submit: "Block",
    act: () => client.block(username),
  });
  if (!isDone) return;
  location.hash = "#/blocks";
  say(`@${username} is blocked.`);
}

async function listed(username: string, tab: string, signal: AbortSignal): Promise<HTMLElement> {
  const isFollowing = tab === "following";
  const query = { batch_size: 20 };
  const rows = isFollowing
    ? client.listFollowing(username, query, { signal })
    : client.listFollowers(username, query, { signal });
  const link = (name: string, label: string): HTMLElement => {
    const attributes = {
      href: `#/users/${username}/${name}`,
      "aria-current": isFollowing === (name === "following") && "true",
    };
    return el("a", attributes, label);
  };
  return el(
    "section",
    { class: "panel" },
    el("h2", { class: "unseen" }, isFollowing ? "Following" : "Followers"),
    el(
      "nav",
      { class: "switch", "aria-label": "Lists" },
      link("followers", "Followers"),
      link("following", "Following"),
    ),
    ...(await list(rows, followCard, "No member yet.")),
  );
}
