// Runs inside the page and checks its accessibility, as far as that is possible from its rendering.
export function audit() {
  const faults = [];
  const visible = (el) => el.getClientRects().length > 0 && getComputedStyle(el).visibility !== "hidden";
  const name = (el) => (el.labels?.[0]?.textContent || el.getAttribute("aria-label") || el.textContent || "").trim();

  if (document.querySelectorAll("h1").length !== 1) faults.push("not exactly one h1");
  if (!document.documentElement.lang) faults.push("no language");
  for (const el of document.querySelectorAll("button, a, input:not([type=hidden]):not([aria-hidden])")) {
    if (visible(el) && !name(el)) faults.push("no name: " + el.outerHTML);
  }
  // A phone zooms out until a page that is too wide fits, so its window is no measure.
  if (document.documentElement.scrollWidth > Math.min(innerWidth, screen.width)) faults.push(`wider than the window: ${document.documentElement.scrollWidth}`);
  if (screen.width < 500) {
    for (const el of document.querySelectorAll("button, nav a, .button")) {
      const { height } = el.getBoundingClientRect();
      if (visible(el) && height < 40) faults.push(`only ${height}px high: ${name(el)}`);
    }
  }

  // Contrast (WCAG 2.2): 4.5 to 1, or 3 to 1 for large text.
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const background = (el) => {
    for (; el; el = el.parentElement) {
      const color = parse(getComputedStyle(el).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const el = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !visible(el) || el.closest(".sr, .skip, script, noscript")) continue;
    const style = getComputedStyle(el);
    const [light, dark] = [luminance(parse(style.color)), luminance(background(el))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${texts.currentNode.data.trim()}`);
  }
  return faults;
}
