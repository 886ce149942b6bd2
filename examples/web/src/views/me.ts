import { CareersUsersError, type OwnProfile, type Update } from "careers-users";
import { ask } from "../actions";
import { el, section } from "../dom";
import { form, type Field, type Values } from "../form";
import { say } from "../messages";
import { client, load, session } from "../session";
import { numbers, person } from "./profile";

/** Shows the user's own profile, with a form that changes it. */
export async function me(signal: AbortSignal): Promise<HTMLElement[]> {
  const [own, stats] = await Promise.all([
    client.getOwnProfile({ signal }),
    client.getOwnStats({ signal }),
  ]);
  const lists = el(
    "p",
    { class: "links" },
    el("a", { href: `#/users/${own.username}/followers` }, "Your followers"),
    el("a", { href: `#/users/${own.username}/following` }, "Whom you follow"),
  );
  const edit = form({
    fields: fields(own),
    submit: "Save",
    act: (values) => save(own, values),
  });
  return [
    el(
      "div",
      { class: "columns" },
      el("section", { class: "panel" }, person(own), numbers(stats), lists),
      section("Edit your profile", edit),
    ),
  ];
}

function fields(own: OwnProfile): Field[] {
  return [
    {
      name: "first_name",
      label: "First name",
      value: own.first_name,
      autocomplete: "given-name",
    },
    { name: "last_name", label: "Last name", value: own.last_name, autocomplete: "family-name" },
    { name: "bio", label: "Bio", type: "multiline", value: own.bio },
    {
      name: "avatar",
      label: "Address of your picture",
      type: "url",
      value: own.avatar ?? "",
      hint: "https://…",
    },
    {
      name: "email",
      label: "E-mail address",
      type: "email",
      value: own.email,
      autocomplete: "email",
      isRequired: true,
    },
  ];
}

async function save(own: OwnProfile, values: Values): Promise<void> {
  // Only what has changed is sent: another device may have changed the rest.
  const before: Values = { ...own, avatar: own.avatar ?? "" } as unknown as Values;
  const changed = Object.entries(values).filter(([name, value]) => value !== before[name]);
  if (!changed.length) return say("Nothing has changed.");
  const body = Object.fromEntries(changed) as Update;
  const updated = await withPassword(() => client.updateProfile(body));
  if (!updated) return;
  await load();
  session.changed();
  const waits = body.email && body.email !== session.me?.email;
  say(waits ? `Saved. Follow the link in the mail to ${body.email}.` : "Saved.");
}

/** Makes a change; asks for the password first if the service wants that. */
async function withPassword(change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (error) {
    const isAsked = error instanceof CareersUsersError && error.code === "confirmation_required";
    if (!isAsked) throw error;
  }
  return ask({
    title: "Confirm that it is you",
    text: "Your sign-in was a while ago. This change needs your password once more.",
    submit: "Confirm",
    fields: [
      {
        name: "password",
        label: "Password",
        type: "password",
        autocomplete: "current-password",
        isRequired: true,
      },
    ],
    act: async ({ password = "" }) => {
      await client.confirmSession({ password });
      await change();
    },
  });
}
