import { readFileSync } from 'node:fs';
import { startAws } from '../../../scripts/brokers/aws.mjs';
import { awsCredentials, awsRegion } from '../../support/aws.js';
import { awsUnderTest } from '../../conformance/aws-under-test.js';
import type { BrokerConfig } from '../application.js';
import type { Ground } from '../ground.js';
import { startNetwork } from '../network.js';

const config = (endpoint: string, secretAccessKey: string): BrokerConfig => ({
  name: 'aws',
  options: {
    region: awsRegion,
    endpoint,
    client: { credentials: { ...awsCredentials, secretAccessKey } },
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
      broker: config(`http://${way.address}`, awsCredentials.secretAccessKey),
      nowhere: (at) => ({ broker: config(`http://${at}`, 's3cret'), secret: 's3cret' }),
      network: way,
      underTest: create,
      kill: emulator.kill,
      stop: emulator.stop,
      restart: emulator.start,
      settled: async () => {},
      async remove() {
        await network.stop();
        await emulator.remove();
      },
    };
  },
});
