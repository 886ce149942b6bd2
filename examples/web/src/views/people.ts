import { el, heading } from "../dom";
import { sentence } from "../messages";
import { client } from "../session";
import { followCard, list } from "../users";

const PAUSE_MS = 250;

/** Searches while the user types; the newest search alone is shown. */
export async function people(leaving: AbortSignal): Promise<HTMLElement[]> {
  const found = el("p", { class: "muted", role: "status" });
  const results = el("div");
  let searching = new AbortController();
  let timer = 0;

  async function search(): Promise<void> {
    searching.abort();
    searching = new AbortController();
    const signal = AbortSignal.any([leaving, searching.signal]);
    try {
      const users = client.listUsers({ search: input.value, batch_size: 20 }, { signal });
      const content = await list(users, followCard, "Other words may find more.");
      const { total_users: total } = (await users).batch_info;
      if (signal.aborted) return;
      found.textContent = total === 1 ? "1 member" : `${total.toLocaleString("en")} members`;
      results.replaceChildren(...content);
    } catch (error) {
      if (signal.aborted) return;
      found.textContent = sentence(error);
      results.replaceChildren();
    }
  }

  const input = el("input", {
    id: "search",
    type: "search",
    placeholder: "Name, username, or a word of the bio",
    autocomplete: "off",
    input: () => {
      clearTimeout(timer);
      timer = setTimeout(() => void search(), PAUSE_MS);
    },
  });
  const bar = el(
    "form",
    {
      role: "search",
      submit: (event: SubmitEvent) => {
        event.preventDefault();
        void search();
      },
    },
    el("label", { for: "search", class: "unseen" }, "Search for members"),
    input,
  );
  await search();
  return [heading("Members"), bar, found, results];
}
