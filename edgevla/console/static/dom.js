// Small helpers for the document. Data becomes text, never markup.

export const byId = (id) => document.getElementById(id);

/** A new element: properties are assigned, `class` and names with a dash are attributes; children are nodes or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class" || name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** An SVG element with these attributes. */
export function drawn(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Writes only what differs: a screen reader and the layout hear of no change where there is none. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Allows or refuses a button without taking the keyboard's focus away from it, as `disabled` would. */
export function setAvailable(button, available) {
  const value = String(!available);
  if (button.getAttribute("aria-disabled") !== value) button.setAttribute("aria-disabled", value);
}
