/** @param {readonly (readonly string[])[]} rows the first one is the head */
export const table = ([head = [], ...rows]) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/**
 * A page with what belongs between `<!-- mark -->` and `<!-- /mark -->`; all else is written by hand.
 * @param {string} page
 * @param {string} mark
 * @param {string} text
 */
export function fill(page, mark, text) {
  const [begin, end] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no ${begin} … ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}
