import { randomBytes } from 'node:crypto';
import { CONTESTANTS, type BrokerName } from './contestants/index.js';
import type { Extent } from './extent.js';
import { inLanes } from './lanes.js';
import type { Job } from './measurements/job.js';
import type { Figures, Metric } from './metrics.js';
import { steps } from './steps.js';
import { broken } from './tally.js';
import type { About, Work } from './work.js';

/** What one contestant did in one round with one size. */
export interface Row extends About {
  readonly round: number;
  readonly size: number;
  readonly figures: Figures;
  /** Figures that do not count, with the reason. */
  readonly void: Partial<Record<Metric, string>>;
  readonly repeated: number;
}

export interface Circumstances {
  readonly broker: BrokerName;
  readonly url: string;
  readonly extent: Extent;
  readonly work: Work;
  readonly say: (line: string) => void;
}

/** All contestants of a broker, in rounds, each round beginning with another. */
export async function run({ broker, url, extent, work, say }: Circumstances): Promise<Row[]> {
  const files = CONTESTANTS[broker];
  const rows: { readonly file: string; readonly row: Row }[] = [];
  /** By file, what each tells of itself once something of it has worked. */
  const abouts = new Map<string, About>();
  for (let round = 0; round < extent.rounds; round += 1)
    for (const size of extent.sizes) {
      const turn = files.map((_, at) => `${broker}/${files[(round + at) % files.length]}`);
      await inLanes(extent.atATime, turn, async (file) => {
        const row = await measure(file, { round, size });
        rows.push({ file, row });
        say(line(row));
      });
    }
  // One of which nothing worked is named after the other rounds of it, whose figures it voids.
  return rows.map(({ file, row }) => ({ ...row, ...abouts.get(file) }));

  async function measure(file: string, { round, size }: { round: number; size: number }): Promise<Row> {
    let repeated = 0;
    const figures: Figures = {};
    const voided: Partial<Record<Metric, string>> = {};
    const prefix = `b${randomBytes(5).toString('hex')}`;
    /** What was shown at a place is in doubt until its messages are counted. */
    const shown = new Map<string, Metric[]>();
    const doubts = new Map<string, string>();
    for (const { measurement, place, from, count, shows } of steps(broker, extent, size)) {
      shown.set(place, [...(shown.get(place) ?? []), ...shows]);
      // Without its messages, the rest would wait in vain.
      if (!doubts.has(place)) {
        const job: Job = {
          place: { url, name: `${prefix}${place}` },
          size,
          from,
          count,
          rate: extent.rate,
          within: broker === 'memory',
        };
        try {
          const outcome = await work(file, measurement, job);
          abouts.set(file, outcome.about);
          repeated += outcome.count?.repeated ?? 0;
          for (const metric of shows) figures[metric] = outcome.figures[metric];
          const reason = outcome.count && broken(outcome.count);
          if (reason !== undefined) doubts.set(place, reason);
        } catch (error) {
          doubts.set(place, `${measurement}: ${(error as Error).message}`);
        }
      }
    }
    const about = abouts.get(file) ?? { name: file, safety: 'equal', says: '' };
    for (const [place, reason] of doubts)
      for (const metric of shown.get(place) ?? []) voided[metric] = `${about.name}, ${reason}`;
    return { ...about, round, size, figures, void: voided, repeated };
  }
}

function line({ name, safety, round, size, figures, void: voided }: Row): string {
  const texts = Object.entries(figures)
    .filter(([metric]) => !(metric in voided))
    .map(([metric, value]) => `${metric} ${value.toPrecision(3)}`);
  const reasons = [...new Set(Object.values(voided))].map((reason) => {
    const metrics = (Object.keys(voided) as Metric[]).filter((metric) => voided[metric] === reason);
    return `VOID: ${metrics.join(', ')} (${reason})`;
  });
  return `${round + 1}. ${name} (${safety}), ${size} B: ${[...texts, ...reasons].join(', ')}`;
}
