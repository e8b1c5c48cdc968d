import { expect, it } from '@jest/globals';
import type { NewRecord } from '../../src/driver/driver.js';
import { onEachDriver, record, until } from './stage.js';

onEachDriver('What fails', (stage) => {
  it('one record that is too large fails alone', async () => {
    const topic = await stage().topic({ partitions: 3 });
    const producer = await stage().producer();
    const records: NewRecord[] = Array.from({ length: 60 }, (_, i) =>
      record({
        topic,
        partition: i % 3,
        value: i === 31 || i === 40 ? Buffer.alloc(1_200_000) : Buffer.from(`${i}`),
      }),
    );
    const outcomes = await producer.send(records, 20_000);
    for (const [index, error] of outcomes.entries()) {
      if (index === 31 || index === 40)
        expect(error).toMatchObject({ code: 'MESSAGE_TOO_LARGE', retryable: false });
      else expect(error).toBeUndefined();
    }
    const seen = (await stage().read(topic, 58)).map(({ partition, value }) => [
      partition,
      Number(String(value)),
    ]);
    expect(seen).toHaveLength(58);
    for (const partition of [0, 1, 2]) {
      const values = seen.filter(([at]) => at === partition).map(([, value]) => value!);
      expect(values).toEqual([...values].sort((a, b) => a - b));
    }
    // And the producer goes on.
    expect(await producer.send([record({ topic, partition: 0, value: Buffer.from('60') })], 5_000)).toEqual([
      undefined,
    ]);
    expect(await stage().read(topic, 59)).toHaveLength(59);
  });

  it('a topic’s own limit is found by halves', async () => {
    const topic = await stage().topic({ config: { 'max.message.bytes': '1000' } });
    const producer = await stage().producer();
    const records = Array.from({ length: 20 }, (_, i) =>
      record({ topic, value: Buffer.from(`${i} `.padEnd(i === 7 ? 2_000 : 300, '.')) }),
    );
    const outcomes = await producer.send(records, 20_000);
    expect(outcomes.map((error) => error?.code)).toEqual(
      records.map((_, i) => (i === 7 ? 'MESSAGE_TOO_LARGE' : undefined)),
    );
    const seen = (await stage().read(topic, 19)).map(({ value }) => Number.parseInt(String(value)));
    expect(seen).toEqual(records.map((_, i) => i).filter((i) => i !== 7));
  });

  it('an unknown topic, a forbidden name and an unknown partition fail alone', async () => {
    const topic = await stage().topic();
    const producer = await stage().producer();
    const value = Buffer.from('x');
    const outcomes = await producer.send(
      [
        record({ topic, value }),
        record({ topic: `${topic}-missing`, value }),
        record({ topic: 'no/such/name', value }),
        record({ topic, partition: 7, value }),
        record({ topic, value }),
      ],
      5_000,
    );
    expect(outcomes.map((error) => error?.code)).toEqual([
      undefined,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'INVALID_TOPIC_EXCEPTION',
      'UNKNOWN_TOPIC_OR_PARTITION',
      undefined,
    ]);
    expect(await stage().read(topic, 2)).toHaveLength(2);
    expect(await (await stage().client()).topics()).not.toContain(`${topic}-missing`);
  });

  it('a record that the broker finds invalid fails alone', async () => {
    const topic = await stage().topic({ config: { 'cleanup.policy': 'compact' } });
    const producer = await stage().producer();
    const outcomes = await producer.send(
      ['a', undefined, 'b', 'c'].map((key) =>
        record({ topic, key: key === undefined ? null : Buffer.from(key), value: Buffer.from('x') }),
      ),
      5_000,
    );
    expect(outcomes.map((error) => error?.code)).toEqual([undefined, 'INVALID_RECORD', undefined, undefined]);
    expect((await stage().read(topic, 3)).map(({ key }) => String(key))).toEqual(['a', 'b', 'c']);
  });

  it('a topic deleted meanwhile is told within the limit, and the others are written', async () => {
    const [gone, topic] = [await stage().topic(), await stage().topic()];
    const producer = await stage().producer();
    const both = [gone, topic].map((name) => record({ topic: name, value: Buffer.from('x') }));
    expect(await producer.send(both, 5_000)).toEqual([undefined, undefined]);
    await stage().drop(gone);
    // For a moment more the broker takes what it is about to delete.
    let outcomes: Awaited<ReturnType<typeof producer.send>> = [];
    await until(async () => (outcomes = await producer.send(both, 4_000))[0] !== undefined, 'the deletion');
    expect(outcomes[0]).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', retryable: true });
    expect(outcomes[1]).toBeUndefined();
  });
});
