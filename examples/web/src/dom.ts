export type Child = Node | string | number | null | false;
type Value = string | number | boolean | undefined | ((event: never) => void);

/**
 * Makes an element: functions listen to the event of that name, other values are
 * attributes. Children that are no nodes become text and are never parsed, so that no
 * user's name or bio can be markup.
 */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value as EventListener);
    else if (value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children) {
    if (child !== null && child !== false) {
      made.append(child instanceof Node ? child : String(child));
    }
  }
  return made;
}

/** Draws a 24 by 24 icon, which says nothing to a screen reader: its label does. */
export function icon(path: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.append(line);
  return svg;
}

/** Returns text that only screen readers have. */
export function unseen(text: string): HTMLElement {
  return el("span", { class: "unseen" }, text);
}

/** Returns the heading of a view, which gets the focus when the view is shown. */
export function heading(text: string): HTMLElement {
  return el("h1", { tabindex: -1 }, text);
}

/** Returns a part of a view with a heading of its own. */
export function section(title: string, ...children: Child[]): HTMLElement {
  return el("section", { class: "panel" }, el("h2", {}, title), ...children);
}
