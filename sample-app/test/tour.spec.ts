import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';

const tour = new URL('../../docs/tour.md', import.meta.url);
const read = (url: URL): string => readFileSync(url, 'utf8');

/** Rows of the tour's table: a link to lines, then the code that is to be found there. */
const rows = [...read(tour).matchAll(/^\|[^|]+\| \[[^\]]+\]\(([^)#]+)#L(\d+)(?:-L(\d+))?\) \| (.+) \|$/gm)];

describe('the tour', () => {
  it('has a table of patterns', () => expect(rows.length).toBeGreaterThan(10));

  it.each(rows.map(([, path, from, to, text]) => [path!, Number(from), Number(to ?? from), text!] as const))(
    'leads to the right lines of %s, %d to %d',
    (path, from, to, text) => {
      const lines = read(new URL(path, tour))
        .split('\n')
        .slice(from - 1, to)
        .join('\n');
      const quoted = [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
      expect(quoted).not.toEqual([]);
      for (const code of quoted) expect(lines).toContain(code);
    },
  );
});
