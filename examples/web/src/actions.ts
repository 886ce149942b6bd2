import { el, type Child } from "./dom";
import { form, type Field, type Values } from "./form";
import { say, sentence } from "./messages";

/** Makes a button that can't be pressed again while its act is under way. */
export function button(
  label: Child | Child[],
  act: () => Promise<unknown>,
  look = "",
): HTMLButtonElement {
  const made = el(
    "button",
    { type: "button", class: look, click: () => void press(made, act) },
    ...[label].flat(),
  );
  return made;
}

async function press(pressed: HTMLElement, act: () => Promise<unknown>): Promise<void> {
  // Not `disabled`, which would lose the focus.
  if (pressed.ariaDisabled === "true") return;
  pressed.ariaDisabled = "true";
  try {
    await act();
  } catch (error) {
    say(sentence(error), true);
  } finally {
    pressed.ariaDisabled = null;
  }
}

export interface Question {
  title: string;
  text: string;
  submit: string;
  fields?: Field[];
  /** Does what was asked; a failure is shown in the dialog, which stays open. */
  act: (values: Values) => Promise<unknown>;
}

/** Asks in a dialog; returns whether the act was done. */
export function ask({ title, text, submit, fields = [], act }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    let isDone = false;
    const cancel = el(
      "button",
      { type: "button", class: "quiet", click: () => dialog.close() },
      "Cancel",
    );
    const send = async (values: Values): Promise<void> => {
      await act(values);
      isDone = true;
      dialog.close();
    };
    const dialog: HTMLDialogElement = el(
      "dialog",
      {
        "aria-labelledby": "dialog-title",
        close: () => {
          dialog.remove();
          resolve(isDone);
        },
      },
      el("h2", { id: "dialog-title" }, title),
      el("p", {}, text),
      form({ fields, submit, act: send, beside: cancel }),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
