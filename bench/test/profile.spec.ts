import { describe, expect, it } from '@jest/globals';
import { ownerOf, perMessage, sumUp } from '../src/profile.js';

const frame = (functionName: string, url = '') => ({
  functionName,
  url,
  scriptId: '1',
  lineNumber: 0,
  columnNumber: 0,
});
const APP = 'file:///somewhere/app';
const ours = frame('send', `${APP}/packages/rabbitmq/dist/publisher.js`);

describe('a profile', () => {
  it.each([
    ['client', frame('publish', `${APP}/node_modules/amqplib/lib/channel.js`)],
    ['engine', frame('create', `${APP}/node_modules/@nestjs/core/helpers/external-context-creator.js`)],
    ['transport', ours],
    ['transport', frame('push', `${APP}/packages/core/dist/memory/hub.js`)],
    ['engine', frame('compose', `${APP}/packages/core/dist/engine/publisher.js`)],
    ['json', frame('encode', `${APP}/packages/core/dist/engine/codec.js`)],
    ['json', frame('_parse', `${APP}/node_modules/secure-json-parse/index.js`)],
    ['benchmark', frame('lane', `${APP}/bench/dist/sending.js`)],
    ['promises', frame('setImmediate', 'node:timers/promises')],
    ['promises', frame('runMicrotasks')],
    ['system', frame('_writeGeneric', 'node:net')],
    ['system', frame('writev')],
    ['gc', frame('(garbage collector)')],
  ] as const)('knows as %s what runs in such a file, or has such a name (%#)', (owner, one) => {
    expect(ownerOf([one])).toBe(owner);
  });

  it('gives what belongs to nobody to whoever called it', () => {
    expect(ownerOf([frame('utf8Write'), frame('write', 'node:buffer'), ours])).toBe('transport');
    expect(ownerOf([frame('utf8Write')])).toBe('system');
  });

  it('sums up samples, and leaves out what was idle', () => {
    const owners = sumUp({
      nodes: [
        { id: 1, callFrame: frame('(root)'), children: [2, 4, 5] },
        { id: 2, callFrame: ours, children: [3] },
        { id: 3, callFrame: frame('utf8Write') },
        { id: 4, callFrame: frame('(idle)') },
        { id: 5, callFrame: frame('(garbage collector)') },
      ],
      startTime: 0,
      endTime: 1_000,
      samples: [2, 3, 4, 5],
      timeDeltas: [200, 300, 400, 100],
    });
    expect(owners).toEqual({ transport: 500, gc: 100 });
    expect(perMessage({ cpu: 1_000, others: 500, owners }, 10)).toEqual({
      cpu: 100,
      others: 50,
      owners: { transport: 50, gc: 10 },
    });
  });
});
