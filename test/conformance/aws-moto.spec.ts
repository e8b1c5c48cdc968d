import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { describeTransport, type TestBroker } from '@nest-messaging/testing/conformance';
import { startAws } from '../../scripts/brokers/aws.mjs';
import { describeHere } from '../support/describe-here.js';
import { awsUnderTest } from './aws-under-test.js';

/** What an emulator does is what its authors believe that AWS does: so there is a second one, by others. */

/** It looks through all of a queue's messages at each request, so that ten thousand of them take it minutes. */
const TOO_MANY = 'A handler never has more messages in hand than it allows, with 10,000 waiting';

const itHere = (name: string, run: () => Promise<void>, timeout?: number): void => {
  if (name !== TOO_MANY) return it(name, run, timeout);
  process.stderr.write(`Skipped: ${name}: moto takes minutes for so many\n`);
  it.skip(`${name} (moto takes minutes for so many)`, run);
};

const [major = 0] = process.versions.node.split('.').map(Number);

describeHere(
  'the second opinion on AWS',
  major < 22 ? 'it is asked for once, on the newer Node' : undefined,
  () => {
    let moto: Awaited<ReturnType<typeof startAws>>;
    const { create } = awsUnderTest(() => moto.url, '12s');

    beforeAll(async () => {
      moto = await startAws({ by: 'moto' });
    }, 600_000);

    // It serves one request at a time, and hands messages to pollers that have gone.
    const patient = async (): Promise<TestBroker> => ({ ...(await create()), patience: 60_000 });
    describeTransport(
      { name: 'aws, by moto', create: patient, together: 3 },
      { afterAll, describe, it: itHere },
    );

    // All that it holds goes with it.
    afterAll(() => moto?.remove());
  },
);
