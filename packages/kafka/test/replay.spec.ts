import { describe, expect, it } from '@jest/globals';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client } from '../src/driver/driver.js';
import { replay } from '../src/replay.js';

const id = { source: { kind: 'topic', name: 'a' }, group: 'g' } as const;

function group(refusal: DriverError): Client {
  let asked = 0;
  return {
    // Nobody at first.
    members: async () => asked++,
    committed: async () => [{ topic: 'a', partition: 0, offset: 5, metadata: '' }],
    offsets: async () => [0],
    commit: async (_: unknown, positions: readonly unknown[]) => positions.map(() => refusal),
  } as unknown as Client;
}

describe('A replay', () => {
  it('of what somebody began to run meanwhile says so', async () => {
    const refusal = new DriverError('UNKNOWN_MEMBER_ID', 'as the test wants it', { retryable: false });
    await expect(replay(group(refusal), { service: 's' }, id, 'beginning')).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringMatching(/topic 'a' of group 'g' is running in 1 process.*stop or pause it/),
      cause: refusal,
    });
  });

  it('that is refused for another reason tells that one', async () => {
    const refusal = new DriverError('TOPIC_AUTHORIZATION_FAILED', 'no', { retryable: false });
    await expect(replay(group(refusal), { service: 's' }, id, 'beginning')).rejects.toBe(refusal);
  });
});
