import { el, heading } from "../dom";
import { form, type Field } from "../form";
import { say } from "../messages";
import { client, signedIn } from "../session";

const PASSWORD: Field = { name: "password", label: "Password", type: "password", isRequired: true };

function gate(title: string, ...content: HTMLElement[]): HTMLElement[] {
  const pitch = el(
    "p",
    { class: "pitch" },
    el("strong", {}, "Meet those who do what you do."),
    el("span", { class: "muted" }, "An example page for the users service."),
  );
  const panel = el("section", { class: "panel" }, heading(title), ...content);
  return [el("div", { class: "gate" }, pitch, panel)];
}

function links(...targets: [href: string, text: string][]): HTMLElement {
  const made = targets.map(([href, text]) => el("a", { href }, text));
  return el("p", { class: "links" }, ...made);
}

export async function signIn(): Promise<HTMLElement[]> {
  const name: Field = {
    name: "username",
    label: "Username or e-mail address",
    autocomplete: "username",
    isRequired: true,
  };
  const made = form({
    fields: [name, { ...PASSWORD, autocomplete: "current-password" }],
    submit: "Sign in",
    act: async ({ username = "", password = "" }) => {
      await client.login({ username, password });
      await signedIn();
      say(`Welcome back, @${username}.`);
    },
  });
  const others = links(["#/register", "Create an account"], ["#/forgot", "Forgot your password?"]);
  return gate("Sign in", made, others);
}

export async function register(): Promise<HTMLElement[]> {
  const made = form({
    fields: [
      {
        name: "username",
        label: "Username",
        hint: "3 to 30 letters, digits, and _ . - between them.",
        autocomplete: "username",
        isRequired: true,
      },
      {
        name: "email",
        label: "E-mail address",
        type: "email",
        autocomplete: "email",
        isRequired: true,
      },
      { name: "first_name", label: "First name (if you like)", autocomplete: "given-name" },
      { name: "last_name", label: "Last name (if you like)", autocomplete: "family-name" },
      { ...PASSWORD, hint: "At least 8 characters.", autocomplete: "new-password" },
    ],
    submit: "Create the account",
    act: async ({ username = "", email = "", password = "", ...names }) => {
      // Typed once: the button beside it shows it.
      await client.register({ username, email, password, password_confirm: password, ...names });
      await signedIn();
      say(`Welcome, @${username}.`);
    },
  });
  return gate("Create an account", made, links(["#/sign-in", "Sign in instead"]));
}

export async function forgot(): Promise<HTMLElement[]> {
  const made = form({
    fields: [
      {
        name: "username",
        label: "Username or e-mail address",
        autocomplete: "username",
        isRequired: true,
      },
    ],
    submit: "Send a link",
    act: async ({ username = "" }) => {
      await client.resetPassword({ username });
      say("If there is such an account, a link is on its way to its address.");
    },
  });
  return gate("Forgot your password?", made, links(["#/sign-in", "Sign in"]));
}
