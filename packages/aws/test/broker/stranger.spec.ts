import { expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonWithBoto3 } from '../../../../scripts/brokers/aws.mjs';
import { awsEnvironment, awsRegion } from '../../../../test/support/aws.js';
import { describeHere } from '../../../../test/support/describe-here.js';
import { until, useStage } from '../support/stage.js';

const stage = useStage();
const script = fileURLToPath(new URL('./stranger.py', import.meta.url));

const boto3 = async (...args: string[]): Promise<string> => {
  const env = { ...process.env, ...awsEnvironment(), AWS_DEFAULT_REGION: awsRegion };
  const { stdout } = await promisify(execFile)(await pythonWithBoto3(), [script, ...args], { env });
  return stdout;
};

const [major = 0] = process.versions.node.split('.').map(Number);

describeHere('a stranger with boto3', major < 22 ? 'it comes once, with the newer Node' : undefined, () => {
  it('publishes JSON, and it is handled', async () => {
    const { mark, open } = stage();
    const { subscribe } = await open();
    const { seen } = await subscribe('order.placed');
    await boto3('publish', `${mark}_order_placed`);
    await until(() => seen.length === 1, 'the message');
    expect(JSON.parse(seen[0]!.text)).toEqual({ id: 1, from: 'boto3' });
    expect(seen[0]!.attempt).toBe(1);
  }, 300_000);

  it('reads what is published here, and finds the payload and nothing else', async () => {
    const { mark, open } = stage();
    const before = await open();
    await before.subscribe('order.placed');
    // Its queue stays, and nobody else takes from it.
    await before.transport.close();
    const { publish } = await open();
    await publish('order.placed', '{"total": 5,  "as": "it was written"}', { headers: { colour: 'red' } });
    expect(await boto3('read', `${mark}_group_order_placed`)).toBe('{"total": 5,  "as": "it was written"}');
  }, 300_000);
});
