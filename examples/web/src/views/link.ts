import { el, heading } from "../dom";
import { form, type Field, type Values } from "../form";
import { client } from "../session";

interface Kind {
  title: string;
  text: string;
  submit: string;
  fields?: Field[];
  send: (token: string, values: Values) => Promise<{ message: string }>;
}

/** Kinds of links in mail. Each waits for a press: programs open links too. */
const KINDS: Record<string, Kind> = {
  verify: {
    title: "Confirm your e-mail address",
    text: "Press the button to show that this address is yours.",
    submit: "Confirm my address",
    send: (token) => client.verifyEmail({ token }),
  },
  change: {
    title: "Confirm the new e-mail address",
    text: "Press the button if the address of your account is to change.",
    submit: "Confirm the change",
    send: (token) => client.confirmEmailChange({ token }),
  },
  reset: {
    title: "Choose a new password",
    text: "One that you use nowhere else. You are signed out everywhere with it.",
    submit: "Set the password",
    fields: [
      {
        name: "password",
        label: "New password",
        type: "password",
        hint: "At least 8 characters.",
        autocomplete: "new-password",
        isRequired: true,
      },
    ],
    send: (token, { password = "" }) =>
      client.confirmPasswordReset({ token, password, password_confirm: password }),
  },
};

/** Shows what a link in mail is for, and does it when its button is pressed. */
export async function link(parameters: URLSearchParams): Promise<HTMLElement[]> {
  const kind = KINDS[parameters.get("purpose") ?? ""];
  const token = parameters.get("token");
  if (!kind || !token) {
    const text = "Open the link of the mail again, with all that stands behind the #.";
    return [el("section", { class: "panel narrow" }, heading("Not a whole link"), el("p", {}, text))];
  }
  const panel = el("section", { class: "panel narrow" });
  const act = async (values: Values): Promise<void> => {
    const { message } = await kind.send(token, values);
    // The used token need not stay in the history.
    history.replaceState(null, "", location.pathname);
    const done = heading(`${message}.`);
    // Signed out, it leads to signing in.
    const next = el("a", { href: "#/account" }, "Go on");
    panel.replaceChildren(done, el("p", { class: "links" }, next));
    done.focus();
  };
  panel.append(
    heading(kind.title),
    el("p", {}, kind.text),
    form({ fields: kind.fields ?? [], submit: kind.submit, act }),
  );
  return [panel];
}
