import { describe, expect, it } from '@jest/globals';
import { PROFILED } from '../src/contestants/index.js';
import { extentOf } from '../src/extent.js';
import type { Profile } from '../src/profile.js';
import { profiles, type ProfileRow } from '../src/profiles.js';
import type { Work } from '../src/work.js';

const PROFILE: Profile = { cpu: 20, others: 30, owners: { engine: 10 } };

/** Profiles of RabbitMQ's contestants whose measurements `work` makes up. */
const profiled = (work: Work): Promise<ProfileRow[]> =>
  profiles({ broker: 'rabbitmq', url: '', extent: extentOf('rabbitmq', true), work, say: () => {} });

/** One that works, and counts all that was sent. */
const whole: Work = async (file, measurement, { count, profiled }) => ({
  about: { name: file, safety: 'equal', says: '' },
  figures: {},
  ...(profiled && { profile: PROFILE }),
  ...(measurement === 'consume' && { count: { expected: count, handled: count, repeated: 0, foreign: 0 } }),
});

describe('profiles', () => {
  it('are taken of ours and of bare clients, published and consumed', async () => {
    const rows = await profiled(whole);
    expect(rows).toHaveLength(2 * PROFILED.rabbitmq.length);
    for (const row of rows) expect(row.profile).toEqual(PROFILE);
  });

  it('are void where not all messages were handled, or the process failed', async () => {
    const rows = await profiled(async (file, measurement, job) => {
      if (measurement === 'publish') throw new Error('its process ended with 1');
      const outcome = await whole(file, measurement, job);
      const { count } = outcome;
      return { ...outcome, ...(count && { count: { ...count, handled: count.handled - 1 } }) };
    });
    for (const row of rows) {
      expect(row.profile).toBeUndefined();
      expect(row.void).toMatch(row.measured === 'publish' ? /ended with 1/ : /handled/);
    }
  });
});
