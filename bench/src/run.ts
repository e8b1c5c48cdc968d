import { CONTESTANTS, type BrokerName } from './contestants/index.js';
import type { Extent } from './extent.js';
import type { Job } from './measurements/job.js';
import type { Figures, Metric } from './metrics.js';
import { steps } from './steps.js';
import { broken } from './tally.js';
import { work, type About } from './work.js';

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
  /** The Node that measures. */
  readonly node: string;
  readonly say: (line: string) => void;
}

/** All contestants of a broker, in rounds, each round beginning with another. */
export async function run({ broker, url, extent, node, say }: Circumstances): Promise<Row[]> {
  const files = CONTESTANTS[broker];
  const rows: Row[] = [];
  for (let round = 0; round < extent.rounds; round += 1)
    for (const size of extent.sizes)
      for (let i = 0; i < files.length; i += 1) {
        const file = `${broker}/${files[(round + i) % files.length]}`;
        const row = await measure(file, { round, size });
        rows.push(row);
        say(line(row));
      }
  return rows;

  async function measure(file: string, { round, size }: { round: number; size: number }): Promise<Row> {
    let about: About = { name: file, safety: 'equal', says: '' };
    const figures: Figures = {};
    const voided: Partial<Record<Metric, string>> = {};
    let repeated = 0;
    const prefix = `b${Date.now().toString(36)}`;
    /** What was shown at a place is in doubt until its messages are counted. */
    const shown = new Map<string, Metric[]>();
    const failed = new Set<string>();
    for (const { measurement, place, from = 0, count, shows } of steps(broker, extent, size)) {
      // Without its messages, the rest would wait in vain.
      if (failed.has(place)) continue;
      const here = [...(shown.get(place) ?? []), ...shows];
      shown.set(place, here);
      const job: Job = {
        place: { url, name: `${prefix}${place}` },
        size,
        from,
        count,
        rate: extent.rate,
        within: broker === 'memory',
      };
      let reason: string | undefined;
      try {
        const outcome = await work(node, file, measurement, job, extent.limit);
        about = outcome.about;
        for (const metric of shows) figures[metric] = outcome.figures[metric];
        reason = outcome.count && broken(outcome.count);
        repeated += outcome.count?.repeated ?? 0;
      } catch (error) {
        reason = `${measurement}: ${(error as Error).message}`;
        failed.add(place);
      }
      if (reason !== undefined) for (const metric of here) voided[metric] ??= reason;
    }
    return { ...about, round, size, figures, void: voided, repeated };
  }
}

function line({ name, safety, round, size, figures, void: voided }: Row): string {
  const texts = Object.entries(figures).map(([metric, value]) =>
    voided[metric as Metric] ? `${metric} void` : `${metric} ${value.toPrecision(3)}`,
  );
  const reasons = [...new Set(Object.values(voided))].map((reason) => ` VOID: ${reason}`);
  return `${round + 1}. ${name} (${safety}), ${size} B: ${texts.join(', ')}${reasons.join('')}`;
}
