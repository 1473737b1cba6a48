// Looks at the page as an accessibility auditor would; returns a list of complaints.
() => {
  const complaints = [];
  const visible = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && node.getClientRects().length > 0;
  const name = (node) =>
    node.getAttribute("aria-label") || [...(node.labels ?? [])].map((label) => label.innerText).join(" ") || node.innerText;
  const what = (node) => `${node.tagName.toLowerCase()}#${node.id}.${node.className}`;

  for (const control of document.querySelectorAll("button, input, summary, a[href]")) {
    if (!visible(control) || control.matches(".skip")) continue;
    if (!name(control).trim()) complaints.push(`${what(control)} has no name`);
    const { width, height } = control.getBoundingClientRect();
    if (Math.min(width, height) < 44) complaints.push(`${what(control)} is ${width.toFixed(0)} x ${height.toFixed(0)} px`);
  }
  for (const part of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const id of `${part.getAttribute("aria-labelledby") ?? ""} ${part.getAttribute("aria-describedby") ?? ""}`.trim().split(/\s+/)) {
      if (!document.getElementById(id)) complaints.push(`${what(part)} points at #${id}, which is not there`);
    }
  }
  for (const role of ["main", "header", "h1"]) {
    if (document.querySelectorAll(role).length !== 1) complaints.push(`not exactly one ${role}`);
  }

  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !visible(node) || node.closest(".unseen, .skip, noscript")) continue;
    const [one, other] = [light(numbers(getComputedStyle(node).color)), light(ground(node))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) complaints.push(`${what(node)} "${walk.currentNode.data.trim()}": contrast ${contrast.toFixed(2)}`);
  }
  return complaints;
}
