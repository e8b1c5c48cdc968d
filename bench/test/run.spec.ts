import { describe, expect, it } from '@jest/globals';
import { contenders } from '../src/comparison.js';
import { CONTESTANTS } from '../src/contestants/index.js';
import { extentOf } from '../src/extent.js';
import { METRICS } from '../src/metrics.js';
import { run, type Row } from '../src/run.js';
import type { Work } from '../src/work.js';

const QUICK = extentOf('rabbitmq', true);
const FILES = CONTESTANTS.rabbitmq.length;

/** A run of RabbitMQ's contestants whose measurements `work` makes up. */
const running = (work: Work, rounds = 1): Promise<Row[]> =>
  run({ broker: 'rabbitmq', url: '', extent: { ...QUICK, rounds }, work, say: () => {} });

/** One that works, and counts all that was sent. */
const whole: Work = async (file, measurement, { count }) => ({
  about: { name: file, safety: 'equal', says: '' },
  figures: Object.fromEntries(Object.keys(METRICS).map((metric) => [metric, 1])),
  ...(measurement === 'consume' && { count: { expected: count, handled: count, repeated: 0, foreign: 0 } }),
});

describe('a run', () => {
  it('measures each contestant once a round, each round beginning with another', async () => {
    const rows = await running(whole, 2);
    const names = [0, 1].map((at) => rows.filter(({ round }) => round === at).map(({ name }) => name));
    expect(new Set(names[0])).toEqual(new Set(names[1]));
    expect(names[0]).toHaveLength(FILES);
    expect(rows.flatMap((row) => Object.keys(row.void))).toEqual([]);
  });

  it('voids what was published where not all of it was handled later', async () => {
    const rows = await running(async (file, measurement, job) => {
      const outcome = await whole(file, measurement, job);
      const { count } = outcome;
      return { ...outcome, ...(count && { count: { ...count, handled: count.handled - 1 } }) };
    });
    for (const row of rows) {
      const voided = Object.keys(row.void);
      expect(voided).toEqual(expect.arrayContaining(['publish', 'publishCpu', 'awaitedP50', 'consume']));
      expect(voided).not.toContain('endToEnd');
    }
  });

  it('voids what was published where it could not be counted, and does not wait for it', async () => {
    const measured: string[] = [];
    const rows = await running(async (file, measurement, job) => {
      measured.push(measurement);
      if (measurement === 'latency') throw new Error('took longer than 1 s');
      return whole(file, measurement, job);
    });
    expect(rows[0]?.void).toMatchObject({
      publish: expect.stringContaining('latency: took longer than 1 s'),
    });
    expect(measured).not.toContain('consume');
  });

  it('voids a contestant in all rounds where nothing of it worked in one', async () => {
    let first: string | undefined;
    const rows = await running(async (file, measurement, job) => {
      const outcome = await whole(file, measurement, job);
      if (file === 'rabbitmq/amqplib') {
        // Places of one row begin alike.
        const row = job.place.name.slice(0, 11);
        first ??= row;
        if (row === first) throw new Error('its process ended with 1');
      }
      return { ...outcome, about: { ...outcome.about, name: `named ${file}` } };
    }, 2);
    expect(contenders(rows).map(({ name }) => name)).toHaveLength(FILES);
    expect(
      rows.find(({ name, round }) => name === 'named rabbitmq/amqplib' && round === 0)?.void,
    ).toHaveProperty('publish');
  });
});
