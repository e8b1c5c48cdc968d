import { randomBytes } from 'node:crypto';
import { PROFILED } from './contestants/index.js';
import { inLanes } from './lanes.js';
import type { Job } from './measurements/job.js';
import type { Profile } from './profile.js';
import type { Circumstances } from './run.js';
import { broken } from './tally.js';

/** Where a contestant's processor time goes. */
export interface ProfileRow {
  readonly name: string;
  readonly measured: 'publish' | 'consume' | 'endToEnd';
  readonly size: number;
  /** For each message; left out where it could not be measured. */
  readonly profile?: Profile;
  /** Why it is left out. */
  readonly void?: string;
}

/** Ours and bare clients, profiled once: what profiling costs is in it, so that rates and ratios are measured without. */
export async function profiles({ broker, url, extent, work, say }: Circumstances): Promise<ProfileRow[]> {
  const inMemory = broker === 'memory';
  const rows: ProfileRow[] = [];
  for (const size of extent.sizes)
    await inLanes(extent.atATime, PROFILED[broker], async (file) => {
      const place = { url, name: `p${randomBytes(5).toString('hex')}` };
      if (inMemory) return measure(file, 'endToEnd', { place, size, count: extent.endToEnd });
      await work(`${broker}/${file}`, 'prepare', jobOf({ place, size, count: 0 }));
      await measure(file, 'publish', { place, size, count: extent.publish });
      await measure(file, 'consume', { place, size, count: extent.publish });
    });
  return rows;

  function jobOf({ place, size, count }: Pick<Job, 'place' | 'size' | 'count'>): Job {
    return { place, size, count, from: 0, rate: 0, within: inMemory, profiled: true };
  }

  async function measure(
    file: string,
    measured: ProfileRow['measured'],
    job: Pick<Job, 'place' | 'size' | 'count'>,
  ): Promise<void> {
    const add = (name: string, found: Pick<ProfileRow, 'profile' | 'void'>): void => {
      rows.push({ name, measured, size: job.size, ...found });
      const text = found.void ?? `${found.profile?.cpu.toFixed(1)} µs/msg`;
      say(`profile of ${name}, ${measured}, ${job.size} B: ${text}`);
    };
    try {
      const { about, profile, count } = await work(`${broker}/${file}`, measured, jobOf(job));
      const reason = count && broken(count);
      add(about.name, reason === undefined ? { profile } : { void: reason });
    } catch (error) {
      add(file, { void: (error as Error).message });
    }
  }
}
