import { readFileSync } from 'node:fs';
import { startAws } from '../../../scripts/brokers/aws.mjs';
import { DeleteQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { subscriptionNames } from '../../../packages/aws/src/names.js';
import { awsCredentials, awsRegion, plainAws } from '../../support/aws.js';
import { awsUnderTest } from '../../conformance/aws-under-test.js';
import type { BrokerConfig } from '../application.js';
import type { Ground } from '../ground.js';
import { startNetwork } from '../network.js';
import { motoRights } from './moto-rights.js';

const config = (
  endpoint: string,
  { credentials = awsCredentials, ca }: { credentials?: typeof awsCredentials; ca?: string } = {},
): BrokerConfig => ({
  name: 'aws',
  options: {
    region: awsRegion,
    endpoint,
    client: { credentials, ...(ca !== undefined && { requestHandler: { httpsAgent: { ca } } }) },
    // What a dead process had in hand comes back after it.
    visibilityTimeout: '6s',
  },
});

const emulators = {
  fauxqs: () => {
    const text = readFileSync(
      new URL('../../../scripts/brokers/aws/fauxqs/package.json', import.meta.url),
      'utf8',
    );
    return (JSON.parse(text) as { dependencies: { fauxqs: string } }).dependencies.fauxqs;
  },
  moto: () => {
    const text = readFileSync(
      new URL('../../../scripts/brokers/aws/moto/requirements.txt', import.meta.url),
      'utf8',
    );
    return /^moto(?:\[.*\])?==(\S+)/m.exec(text)?.[1] ?? 'of an unknown version';
  },
};

const counts =
  'SQS counts receipts, and not deaths: after 1,000 receipts its redrive policy sets the message aside';

export const awsGround = (by: keyof typeof emulators): Ground => ({
  id: by,
  name: `AWS (${by})`,
  lacks: {
    counts,
    log: 'SQS keeps nothing of what was handled',
    alarm: 'SNS and SQS have no alarm: they throttle, and each request says so',
    conflict: 'SNS and SQS have no argument that the module insists on: what exists is used as it is',
    ...(by === 'fauxqs' && { rights: 'fauxqs allows everybody everything' }),
    ...(by === 'moto' && {
      restart: 'moto keeps nothing when it ends',
      bulk: 'moto takes minutes for so many',
    }),
  },
  async start() {
    const emulator = await startAws({ by });
    const { create } = awsUnderTest(() => emulator.url, by === 'moto' ? '12s' : '6s');
    const network = await startNetwork(emulator.directory);
    const way = await network.way(new URL(emulator.url).host);
    return {
      version: emulators[by](),
      durable: true,
      // A poll of moto's goes by what was in hand when it began: it hands out the next message of a key though another
      // poll has been given one since.
      ordered: by !== 'moto',
      broker: config(`http://${way.address}`),
      direct: config(emulator.url),
      nowhere: (at) => ({
        broker: config(`http://${at}`, { credentials: { ...awsCredentials, secretAccessKey: 's3cret' } }),
        secret: 's3cret',
      }),
      network: way,
      underTest: create,
      kill: emulator.kill,
      stop: emulator.stop,
      restart: emulator.start,
      settled: async () => {},
      refusals: {
        // Whoever may create makes it anew.
        async missing(namespace, subscription) {
          const { dead } = subscriptionNames({ namespace }, subscription, false);
          await plainAws(async (_, sqs) => {
            const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: dead }));
            await sqs.send(new DeleteQueueCommand({ QueueUrl }));
          }, emulator.url);
          return async () => {};
        },
      },
      ...(by === 'moto' && {
        rights: (namespace: string) => motoRights(emulator.url, namespace, config),
      }),
      tls: async (port) => ({
        plain: new URL(emulator.url).host,
        broker: (host, ca) => config(`https://${host}:${port}`, ca === undefined ? {} : { ca }),
        end: async () => {},
      }),
      async remove() {
        await network.stop();
        await emulator.remove();
      },
    };
  },
});
