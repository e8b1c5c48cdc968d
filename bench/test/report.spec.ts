import { describe, expect, it } from '@jest/globals';
import { extentOf } from '../src/extent.js';
import { page, type Part, type Results } from '../src/report.js';
import type { ProfileRow } from '../src/profiles.js';
import type { Row } from '../src/run.js';
import { row } from './row.js';

const part = <Of>(rows: readonly Of[], date = '2026-01-01'): Part<Of> => ({
  date,
  machine: 'a machine',
  node: '24.0.0',
  commit: 'a1b2c3d',
  extent: extentOf('rabbitmq', true),
  rows,
});

const results = (rows: readonly Row[], more: Partial<Results> = {}): Results => ({
  broker: 'rabbitmq',
  on: 'RabbitMQ 4',
  versions: { amqplib: '1.0.0' },
  comparison: part(rows),
  ...more,
});

describe('the page', () => {
  it('has a ratio of each peer, and absolute figures of ours', () => {
    const text = page([results([row('nest-messaging', 0, 150), row('amqplib', 0, 100)])]);
    expect(text).toContain('| amqplib | 1.50 <sub>1.50–1.50</sub> |');
    expect(text).toContain('| nest-messaging | 150 <sub>150–150</sub> msg/s |');
  });

  it('says of a figure less than one more than that it is small', () => {
    const text = page([results([row('nest-messaging', 0, 1), row('amqplib', 0, 250)])]);
    expect(text).toContain('| amqplib | 0.0040 <sub>0.0040–0.0040</sub> |');
  });

  it.each(['nest-messaging', 'amqplib'])('shows what is void where %s lost a message, and why', (who) => {
    const lost = { void: { publish: `${who}, 10 messages sent, 9 handled` } };
    const of = (name: string): Row => row(name, 0, 100, name === who ? lost : {});
    const text = page([results([of('nest-messaging'), of('amqplib')])]);
    expect(text).toContain('| amqplib | **void** |');
    expect(text).toContain('| amqplib | Publish | 200 | ≥ 1 | – | **void** |');
    expect(text).toContain(`Void: ${who}, 10 messages sent, 9 handled.`);
  });

  it('tells of each broker with which versions it was measured', () => {
    const rows = [row('nest-messaging', 0, 1), row('amqplib', 0, 1)];
    const text = page([results(rows), results(rows, { versions: { amqplib: '2.0.0' } })]);
    expect(text).toContain('Versions: amqplib 1.0.0.');
    expect(text).toContain('Versions: amqplib 2.0.0.');
  });

  it('says where the time of a message goes, by size, and what could not be profiled', () => {
    const profile = part<ProfileRow>([
      {
        name: 'nest-messaging',
        measured: 'publish',
        size: 200,
        profile: { cpu: 25, others: 50, owners: { engine: 6, gc: 1.25 } },
      },
      { name: 'amqplib', measured: 'publish', size: 200, void: 'took longer than 1 s' },
    ]);
    const text = page([results([row('nest-messaging', 0, 1), row('amqplib', 0, 1)], { profile })]);
    expect(text).toContain(
      '| µs of a message | Processor time | Engine, Nest layer | Garbage collector | Broker |',
    );
    expect(text).toContain('| published, nest-messaging | 25.0 | 6.0 | 1.3 | 50.0 |');
    expect(text).toContain('| published, amqplib | **void** | **void** | **void** | **void** |');
    expect(text).toContain('Void: took longer than 1 s.');
  });

  it('tells of each part when it was measured', () => {
    const scale = part(
      [{ round: 0, breadth: { of: 'topics' as const, count: 1, warm: 1 }, cpu: 10 }],
      '2026-02-02',
    );
    const text = page([results([row('nest-messaging', 0, 1)], { scale })]);
    expect(text).toContain('2026-01-01, a machine, Node 24.0.0, commit a1b2c3d. 1 rounds, each of');
    expect(text).toContain('2026-02-02, a machine, Node 24.0.0, commit a1b2c3d. 1 rounds of 200 messages');
  });
});
