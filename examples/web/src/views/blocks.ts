import { button } from "../actions";
import { el, heading, section, unseen } from "../dom";
import { form } from "../form";
import { say } from "../messages";
import { client, session } from "../session";
import { card, list } from "../users";

export async function blocks(signal: AbortSignal): Promise<HTMLElement[]> {
  const add = form({
    fields: [
      {
        name: "username",
        label: "Username",
        hint: "You will not meet each other any more, and follows between you end.",
        isRequired: true,
      },
    ],
    submit: "Block",
    act: async ({ username = "" }) => {
      await client.block(username);
      session.changed();
      say(`@${username} is blocked.`);
    },
  });
  const rows = client.listBlocks({ batch_size: 20 }, { signal });
  const show = (user: Parameters<typeof card>[0]): HTMLElement => {
    const unblock = button(["Unblock", unseen(` @${user.username}`)], async () => {
      await client.unblock(user.username);
      session.changed();
      say(`@${user.username} is not blocked any more.`);
    }, "quiet");
    return card(user, unblock);
  };
  const content = await list(rows, show, "You block no member.");
  return [
    heading("Blocks"),
    el("div", { class: "columns" }, section("You block", ...content), section("Block a member", add)),
  ];
}
