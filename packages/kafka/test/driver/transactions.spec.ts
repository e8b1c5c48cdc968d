import { expect, it } from '@jest/globals';
import { foreignKafka } from './foreign.js';
import { fetchOnce, onEachDriver, record, until } from './stage.js';

onEachDriver('Transactions of others', (stage) => {
  it('records of an aborted transaction are not seen, and neither is what marks its end', async () => {
    const topic = await stage().topic();
    const client = await stage().client();
    const foreign = foreignKafka().producer({
      idempotent: true,
      maxInFlightRequests: 1,
      transactionalId: `${stage().mark}-transaction`,
      allowAutoTopicCreation: false,
    });
    await foreign.connect();
    stage().after(() => foreign.disconnect());
    const inTransaction = async (value: string, end: 'commit' | 'abort') => {
      const transaction = await foreign.transaction();
      await transaction.send({ topic, messages: [{ value: `${value} 1` }, { value: `${value} 2` }] });
      await transaction[end]();
    };
    const producer = await stage().producer();
    await producer.send([record({ topic, value: Buffer.from('plain') })], 5_000);
    await inTransaction('committed', 'commit');
    await inTransaction('aborted', 'abort');
    await inTransaction('aborted again', 'abort');
    await producer.send([record({ topic, value: Buffer.from('plain again') })], 5_000);
    await inTransaction('committed last', 'commit');
    const seen = await stage().read(topic, 6);
    expect(seen.map(({ value }) => String(value))).toEqual([
      'plain',
      'committed 1',
      'committed 2',
      'plain again',
      'committed last 1',
      'committed last 2',
    ]);
    // 6 records, 4 aborted, 4 marks.
    const [end] = await fetchOnce(client, [{ topic, partition: 0, offset: 0 }]);
    expect(end).toMatchObject({ next: 14, end: 14 });
    const [aborted] = await fetchOnce(client, [{ topic, partition: 0, offset: 4 }], { maxBytes: 1 });
    expect(aborted!.records).toEqual([]);
    expect(aborted!.next).toBeGreaterThan(4);
  });

  it('a transaction that is open holds back what comes after', async () => {
    const topic = await stage().topic();
    const client = await stage().client();
    const foreign = foreignKafka().producer({
      idempotent: true,
      maxInFlightRequests: 1,
      transactionalId: `${stage().mark}-open`,
      allowAutoTopicCreation: false,
    });
    await foreign.connect();
    stage().after(() => foreign.disconnect());
    const transaction = await foreign.transaction();
    await transaction.send({ topic, messages: [{ value: 'open' }] });
    const producer = await stage().producer();
    await producer.send([record({ topic, value: Buffer.from('behind') })], 5_000);
    const [held] = await fetchOnce(client, [{ topic, partition: 0, offset: 0 }], { maxWait: 100 });
    expect(held).toMatchObject({ records: [], next: 0, end: 0 });
    expect(await client.offsets(topic, 'latest')).toEqual([0]);
    await transaction.commit();
    await until(async () => (await client.offsets(topic, 'latest'))[0]! >= 2, 'the commit');
    expect((await stage().read(topic, 2)).map(({ value }) => String(value))).toEqual(['open', 'behind']);
  });
});
