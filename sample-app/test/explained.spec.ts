import 'reflect-metadata';
import { Parser } from '@asyncapi/parser';
import { afterEach, describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import type { AsyncApiDocument } from '@nest-messaging/asyncapi';
import { run } from '@nest-messaging/cli';
import type { Explanation } from '@nest-messaging/core';

const root = fileURLToPath(new URL('..', import.meta.url));
const given = process.env['BROKER_URL'];

afterEach(() => {
  if (given === undefined) delete process.env['BROKER_URL'];
  else process.env['BROKER_URL'] = given;
});

/** Of the whole shop on this broker, which is asked nothing. */
async function tell<T>(command: 'explain' | 'asyncapi', url: string): Promise<T> {
  process.env['BROKER_URL'] = url;
  let [out, error] = ['', ''];
  const code = await run([command, '--app', 'src/shop.module.ts#shop', '--json'], {
    out: (text) => void (out += text),
    error: (text) => void (error += text),
    directory: root,
  });
  expect({ code, error }).toEqual({ code: 0, error: '' });
  return JSON.parse(out) as T;
}

/** Nothing listens at any of them. */
describe.each(['memory:', 'amqp://127.0.0.1:1', 'kafka://127.0.0.1:1', 'aws://eu-west-1'])(
  'The shop on %s',
  (url) => {
    it('would start there', async () => {
      const { connections, refusals } = await tell<Explanation>('explain', url);
      expect(refusals).toEqual([]);
      expect(connections[0]!.handlers).toHaveLength(10);
      expect(connections[0]!.publications).toHaveLength(7);
    });

    it('has an AsyncAPI document that is valid to its own parser', async () => {
      const document = await tell<AsyncApiDocument>('asyncapi', url);
      const diagnostics = await new Parser().validate(JSON.stringify(document));
      expect(diagnostics.filter(({ severity }) => severity === 0)).toEqual([]);
      expect(Object.keys(document.operations)).toHaveLength(17);
      expect(document.components.schemas['order.placed']).toMatchObject({
        properties: { card: { enum: ['good', 'flaky', 'blocked'] } },
      });
    }, 60_000);
  },
);
