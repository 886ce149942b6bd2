import { el, type Child } from "./dom";
import { fieldMessages, say, sentence } from "./messages";

export interface Field {
  name: string;
  label: string;
  type?: "text" | "email" | "password" | "search" | "url" | "multiline";
  value?: string;
  hint?: string;
  autocomplete?: string;
  isRequired?: boolean;
}

export type Values = Record<string, string>;

interface Options {
  fields: Field[];
  submit: string;
  /** Sends the values; a failure is shown beside the fields that it is about. */
  act: (values: Values) => Promise<unknown>;
  /** Stands beside the button. */
  beside?: Child;
}

interface Control {
  field: Field;
  box: HTMLElement;
  input: HTMLInputElement | HTMLTextAreaElement;
  error: HTMLElement;
}

let made = 0;

/** Makes a form with labels, and with errors beside its fields. */
export function form({ fields, submit, act, beside = null }: Options): HTMLFormElement {
  const controls = fields.map(control);
  const failure = el("p", { class: "error", role: "alert" });
  const button = el("button", { type: "submit" }, submit);

  async function send(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (button.ariaDisabled === "true") return;
    say("");
    if (!show(controls, missing(controls))) return;
    failure.textContent = "";
    button.ariaDisabled = "true";
    try {
      await act(Object.fromEntries(controls.map((one) => [one.field.name, one.input.value])));
    } catch (error) {
      const messages = fieldMessages(error);
      const isElsewhere = show(controls, messages);
      if (isElsewhere) {
        failure.textContent = Object.values(messages).join(" ") || sentence(error);
      }
    } finally {
      button.ariaDisabled = null;
    }
  }

  return el(
    "form",
    // Its messages are the page's own, which stay and which screen readers find.
    { novalidate: true, submit: (event: SubmitEvent) => void send(event) },
    ...controls.map((one) => one.box),
    failure,
    el("div", { class: "actions" }, button, beside),
  );
}

function control(field: Field): Control {
  const id = `field-${++made}`;
  const hint = field.hint ? el("p", { class: "hint", id: `${id}-hint` }, field.hint) : null;
  const error = el("p", { class: "error", id: `${id}-error` });
  const attributes = {
    id,
    name: field.name,
    autocomplete: field.autocomplete ?? "off",
    "aria-required": field.isRequired && "true",
    "aria-describedby": `${hint ? `${hint.id} ` : ""}${error.id}`,
  };
  const input =
    field.type === "multiline"
      ? el("textarea", { ...attributes, rows: 4 })
      : el("input", { ...attributes, ...typing(field) });
  input.value = field.value ?? "";
  const row =
    field.type === "password" ? el("div", { class: "reveal" }, input, reveal(input)) : input;
  const box = el("div", { class: "field" }, el("label", { for: id }, field.label), hint);
  box.append(row, error);
  return { field, box, input, error };
}

function typing({ name, type = "text" }: Field): Record<string, string> {
  const isName = name === "username" || type === "email" || type === "url";
  // Phones must not correct what is no word.
  return isName ? { type, autocapitalize: "none", spellcheck: "false" } : { type };
}

/** Makes the button that shows a password, so that it need not be typed twice. */
function reveal(input: HTMLElement): HTMLElement {
  const toggle = el(
    "button",
    {
      type: "button",
      class: "quiet",
      "aria-pressed": "false",
      "aria-label": "Show the password",
      click: () => {
        const isShown = input.getAttribute("type") === "text";
        input.setAttribute("type", isShown ? "password" : "text");
        toggle.ariaPressed = String(!isShown);
        toggle.textContent = isShown ? "Show" : "Hide";
      },
    },
    "Show",
  );
  return toggle;
}

function missing(controls: Control[]): Record<string, string> {
  const empty = controls.filter((one) => one.field.isRequired && !one.input.value.trim());
  return Object.fromEntries(empty.map(({ field }) => [field.name, "Fill this in."]));
}

/** Shows messages beside their fields; returns whether no field has one. */
function show(controls: Control[], messages: Record<string, string>): boolean {
  for (const { field, input, error } of controls) {
    error.textContent = messages[field.name] ?? "";
    input.ariaInvalid = field.name in messages ? "true" : null;
  }
  const first = controls.find((one) => one.field.name in messages);
  first?.input.focus();
  return !first;
}
