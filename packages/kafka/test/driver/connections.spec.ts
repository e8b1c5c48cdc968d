import { once } from 'node:events';
import net from 'node:net';
import { expect, it, jest } from '@jest/globals';
import { kafkaBrokers } from '../../../../test/support/kafka.js';
import { sendingProducer } from './sending-producer.js';
import { FETCH, PRODUCE } from './proxy.js';
import { eventually, failure, fetchOnce, onEachDriver, proxied, record, until } from './stage.js';

onEachDriver('Connections', (stage) => {
  it('closing rejects at once what is under way: a fetch and a join that are held back', async () => {
    const topic = await stage().topic();
    const group = `${stage().mark}-group`;
    const [one, two] = [await stage().client(), await stage().client()];
    const request = {
      group,
      memberId: '',
      sessionTimeout: 6_000,
      rebalanceTimeout: 60_000,
      protocol: 'test',
      metadata: Buffer.alloc(0),
    };
    const joined = await eventually(() => one.join(request));
    const joining = failure(two.join(request));
    const beat = () =>
      one.heartbeat({ group, ...joined }).then(
        () => false,
        () => true,
      );
    await one.sync({ group, ...joined, protocol: 'test' }, new Map([[joined.memberId, Buffer.alloc(1)]]));
    await until(beat, 'the join to have come');
    const fetching = failure(fetchOnce(two, [{ topic, partition: 0, offset: 0 }], { maxWait: 60_000 }));
    await two.ping();
    const start = Date.now();
    await two.close();
    expect(await joining).toMatchObject({ code: 'CLOSED', retryable: false });
    expect(await fetching).toMatchObject({ code: 'CLOSED' });
    expect(Date.now() - start).toBeLessThan(500);
    await two.close();
    expect(await failure(two.ping())).toMatchObject({ code: 'CLOSED' });
    await one.leave({ group, ...joined });
  });

  it('closing tells nobody of a lost connection, and opens none again', async () => {
    const proxy = await proxied(stage());
    const lost: unknown[] = [];
    const through = { brokers: [proxy.broker], onDisconnect: (error: unknown) => lost.push(error) };
    const client = await stage().client(through);
    const producer = await stage().producer(through);
    await Promise.all([client.connect(), producer.connect()]);
    expect(proxy.connections).toBeGreaterThan(0);
    await Promise.all([client.close(), producer.close()]);
    await until(() => proxy.connections === 0, 'the connections to end');
    expect(lost).toEqual([]);
  });

  it('nothing is connected before it is asked for', async () => {
    const proxy = await proxied(stage());
    const other = await stage().client({ brokers: [proxy.broker] });
    await other.ping();
    const { connections } = proxy;
    const driver = await stage().open({ brokers: [proxy.broker] });
    const [client, producer] = [driver.client(), sendingProducer(driver.client(), 'none')];
    await other.ping();
    expect(proxy.connections).toBe(connections);
    await Promise.all([client.close(), producer.close()]);
  });

  it('a lost connection is told, rejects at once what is under way, and is made again', async () => {
    const proxy = await proxied(stage());
    const topic = await stage().topic();
    const lost: unknown[] = [];
    const through = { brokers: [proxy.broker], onDisconnect: (error: unknown) => lost.push(error) };
    const client = await stage().client(through);
    const producer = await stage().producer(through);
    const send = () => producer.send([record({ topic, value: Buffer.from('x') })], 5_000);
    expect(await send()).toEqual([undefined]);
    await client.ping();
    const fetching = failure(fetchOnce(client, [{ topic, partition: 0, offset: 1 }], { maxWait: 30_000 }));
    await until(() => proxy.connections >= 3, 'the fetch to be under way');
    const start = Date.now();
    proxy.cut();
    expect(await fetching).toMatchObject({ code: 'CONNECTION', retryable: true });
    expect(Date.now() - start).toBeLessThan(1_000);
    await until(() => lost.length >= 2, 'both losses to be told');
    await client.ping();
    const [fetched] = await fetchOnce(client, [{ topic, partition: 0, offset: 0 }]);
    expect(fetched!.records).toHaveLength(1);
    expect(await eventuallySent(send)).toBe(true);
  });

  it('a broker that is away is told as that, in time, and found again', async () => {
    const proxy = await proxied(stage());
    const client = await stage().client({ brokers: [proxy.broker] });
    const producer = await stage().producer({ brokers: [proxy.broker] });
    const topic = await stage().topic();
    await client.ping();
    const back = await proxy.away();
    expect(await failure(client.ping())).toMatchObject({ code: 'CONNECTION', retryable: true });
    const [error] = await producer.send([record({ topic, value: Buffer.from('x') })], 500);
    expect(error).toMatchObject({ retryable: true });
    expect(await failure(producer.connect())).toMatchObject({ retryable: true });
    await back();
    await eventually(() => client.ping());
    await eventually(() => producer.connect());
    expect(await producer.send([record({ topic, value: Buffer.from('x') })], 5_000)).toEqual([undefined]);
  });

  it('the second broker is tried where the first is none', async () => {
    const client = await stage().client({ brokers: [await deadBroker(), ...kafkaBrokers().split(',')] });
    await client.ping();
  });

  it('a broker that does not answer is told after the limit', async () => {
    const proxy = await proxied(stage());
    const topic = await stage().topic();
    const through = { brokers: [proxy.broker], requestTimeout: 400, connectTimeout: 400 };
    const client = await stage().client(through);
    const producer = await stage().producer(through);
    await client.ping();
    await producer.connect();
    const speak = proxy.silence();
    for (const ask of [
      () => client.ping(),
      () => client.leaders([topic]),
      () => client.offsets(topic, 'latest'),
      () => client.committed('any', [topic]),
      async () => {
        const [error] = await producer.send([record({ topic, value: Buffer.from('x') })], 800);
        throw error!;
      },
    ]) {
      const start = Date.now();
      expect(await failure(ask())).toMatchObject({ retryable: true });
      expect(Date.now() - start).toBeLessThan(1_500);
    }
    speak();
    await eventually(() => client.ping());
    expect((await client.leaders([topic])).get(topic)).toHaveLength(1);
  });

  it('an answer to a fetch that is lost is told after the wait and the limit', async () => {
    const proxy = await proxied(stage());
    const topic = await stage().topic();
    const client = await stage().client({ brokers: [proxy.broker], requestTimeout: 300 });
    const swallowed = proxy.swallow(FETCH);
    const start = Date.now();
    const error = await failure(fetchOnce(client, [{ topic, partition: 0, offset: 0 }], { maxWait: 300 }));
    expect(error).toMatchObject({ retryable: true });
    expect(Date.now() - start).toBeGreaterThanOrEqual(590);
    expect(Date.now() - start).toBeLessThan(1_500);
    await swallowed;
    // On a busy machine a new connection alone may take the 300 ms that a request has here.
    const next = await eventually(() => fetchOnce(client, [{ topic, partition: 0, offset: 0 }]));
    expect(next).toHaveLength(1);
  });

  it.each(['swallow', 'cutInsteadOf'] as const)(
    'what is acknowledged after a lost answer is in the log (%s)',
    async (lose) => {
      const proxy = await proxied(stage());
      const topic = await stage().topic();
      const producer = await stage().producer({ brokers: [proxy.broker], requestTimeout: 300 });
      const acknowledged: string[] = [];
      const send = async (value: string) => {
        const [error] = await producer.send([record({ topic, value: Buffer.from(value) })], 500);
        if (error) expect(error.retryable).toBe(true);
        else acknowledged.push(value);
      };
      await eventually(() => producer.connect());
      for (let round = 0; round < 3; round += 1) {
        await send(`${round} before`);
        const lost = proxy[lose](PRODUCE);
        await send(`${round} lost`);
        await lost;
        for (const more of ['first', 'second', 'third']) await send(`${round} ${more}`);
      }
      expect(acknowledged.length).toBeGreaterThanOrEqual(12);
      const seen = (await stage().read(topic, acknowledged.length)).map(({ value }) => String(value));
      expect(seen).toEqual(expect.arrayContaining(acknowledged));
    },
    20_000,
  );

  it('who speaks no Kafka is refused in time, and so is who speaks no TLS', async () => {
    const mute = net.createServer(() => {}).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    stage().after(() => mute.close());
    const address = `127.0.0.1:${(mute.address() as net.AddressInfo).port}`;
    const start = Date.now();
    const silent = await stage().client({ brokers: [address], connectTimeout: 300 });
    expect(await failure(silent.connect())).toMatchObject({ retryable: true });
    const secure = await stage().client({ tls: { rejectUnauthorized: false } });
    expect(await failure(secure.connect())).toMatchObject({ code: 'TLS' });
    expect(Date.now() - start).toBeLessThan(4_000);
  });

  it('sets no timer into the past, and none while it idles', async () => {
    const set = jest.spyOn(globalThis, 'setTimeout');
    stage().after(() => set.mockRestore());
    const topic = await stage().topic();
    const client = await stage().client();
    const producer = await stage().producer();
    await producer.send([record({ topic, value: Buffer.from('x') })], 5_000);
    await fetchOnce(client, [{ topic, partition: 0, offset: 0 }]);
    await client.ping();
    // The broker's answer is the pause: kafkajs's own timer would have gone off a hundred times.
    const waiting = fetchOnce(client, [{ topic, partition: 0, offset: 1 }], { maxWait: 300 });
    await client.leaders([topic]);
    const before = set.mock.calls.length;
    await waiting;
    expect(set.mock.calls.length - before).toBeLessThan(20);
    expect(set.mock.calls.filter(([, delay = 0]) => delay < 0)).toEqual([]);
  });

  it('says nothing on the console', async () => {
    const said: unknown[] = [];
    const written = [process.stdout, process.stderr].map((stream) => {
      const write = stream.write.bind(stream);
      stream.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
      return () => {
        stream.write = write;
      };
    });
    const warn = (warning: Error) => said.push(warning);
    process.on('warning', warn);
    try {
      const proxy = await proxied(stage());
      const topic = await stage().topic();
      const client = await stage().client({ brokers: [proxy.broker] });
      const producer = await stage().producer({ brokers: [proxy.broker] });
      await producer.send([record({ topic, value: Buffer.from('x') })], 5_000);
      await fetchOnce(client, [{ topic, partition: 0, offset: 0 }]);
      proxy.cut();
      await eventually(() => client.ping());
      await failure((await stage().client({ brokers: [await deadBroker()] })).connect());
    } finally {
      for (const restore of written) restore();
      process.off('warning', warn);
    }
    expect(said).toEqual([]);
  });
});

/** An address at which nobody listens. */
async function deadBroker(): Promise<string> {
  const server = net.createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port));
  });
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

async function eventuallySent(send: () => Promise<readonly unknown[]>): Promise<boolean> {
  await until(async () => (await send()).every((error) => error === undefined), 'a record to be sent');
  return true;
}
