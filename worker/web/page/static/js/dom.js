// Elements: making them, and putting new ones in the place of old ones without losing focus or what is opened.

const kept = (child) => child !== null && child !== undefined && child !== false;

/** Make an element; an attribute that is null or false is left out, true stands without a value. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (kept(value)) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(kept));
  return element;
}

/** Let a parent hold these children, changing only what differs. */
export function show(parent, ...children) {
  const wanted = children.flat(Infinity).filter(kept);
  update(parent, wanted.map((child) => (child instanceof Node ? child : document.createTextNode(child))));
}

function update(parent, wanted) {
  const byKey = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstChild;
  for (const node of wanted) {
    const key = node.dataset?.key;
    const old = key === undefined ? at : byKey.get(key);
    if (!old || !isLike(old, node)) {
      parent.insertBefore(node, at);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else parent.insertBefore(old, at);
    merge(old, node);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function isLike(old, node) {
  return old.nodeName === node.nodeName && old.dataset?.key === node.dataset?.key;
}

function merge(old, node) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether details are open is the reader's choice.
    if (!node.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of node.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  update(old, [...node.childNodes]);
}

/** Make a table; `columns` are [key, heading, class], each row is {key, cells}. Narrow screens show rows as cards. */
export function table(caption, columns, rows) {
  // The roles are said again, since a table that is shown as blocks loses them.
  const headings = columns.map(([, heading, look]) =>
    h("th", { scope: "col", role: "columnheader", class: look }, heading));
  const body = rows.map(({ key, cells }) =>
    h("tr", { role: "row", "data-key": key }, columns.map(([name, heading, look]) =>
      h("td", { role: "cell", class: look, "data-label": heading }, cells[name]))));
  return h("table", { role: "table" },
    h("caption", { class: "unseen" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, headings)),
    h("tbody", { role: "rowgroup" }, body));
}

/** Make a list of facts: [term, description] pairs. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([term, ...said]) =>
    h("div", {}, h("dt", {}, term), h("dd", {}, said))));
}

export const byId = (id) => document.getElementById(id);
