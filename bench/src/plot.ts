import { absolute, contenders, isOurs } from './comparison.js';
import { METRICS, type Metric } from './metrics.js';
import type { Results } from './report.js';

const PLOTTED: readonly Metric[] = ['publish', 'consume', 'endToEnd'];
const [WIDTH, LABEL, BAR, GAP, HEAD] = [760, 270, 16, 6, 34];
const BARS = WIDTH - LABEL - 90;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Bars of the medians, with a line from the least to the most; one panel a figure, at the smallest size. */
export function plot({ on, comparison: { rows, extent } }: Results): string {
  const size = Math.min(...extent.sizes);
  let y = 0;
  const parts = PLOTTED.flatMap((metric) => {
    const bars = contenders(rows).flatMap((who) => {
      const value = absolute(rows, who, metric, size);
      return value ? [{ who, value }] : [];
    });
    if (bars.length === 0) return [];
    const most = Math.max(...bars.map(({ value }) => value.most));
    const x = (value: number): number => Math.round(LABEL + (value / most) * BARS);
    y += HEAD;
    const { title, unit } = METRICS[metric];
    const heading = `<text x="0" y="${y - 10}" font-weight="bold">${escaped(`${on}: ${title}, ${unit}, ${size} bytes`)}</text>`;
    const drawn = bars.map(({ who, value: { median, least, most: top } }) => {
      const middle = y + BAR / 2;
      const name = who.safety === 'defaults' ? `${who.name} (defaults)` : who.name;
      const fill = isOurs(who) ? '#c2185b' : who.safety === 'equal' ? '#78909c' : '#cfd8dc';
      const bar =
        `<text x="${LABEL - 8}" y="${y + 12}" text-anchor="end">${escaped(name)}</text>` +
        `<rect x="${LABEL}" y="${y}" width="${x(median) - LABEL}" height="${BAR}" fill="${fill}"/>` +
        `<path d="M${x(least)} ${middle}H${x(top)}" stroke="#000"/>` +
        `<text x="${x(top) + 6}" y="${y + 12}">${Math.round(median).toLocaleString('en')}</text>`;
      y += BAR + GAP;
      return bar;
    });
    return [heading, ...drawn];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 4}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
