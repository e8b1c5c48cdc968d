import { describe, expect, it } from '@jest/globals';
import { ClosedError, systemClock, TopologyError } from '@nest-messaging/core/contract';
import { createPatience } from '../src/patience.js';

const never = new AbortController().signal;
const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });

function patience() {
  const closed = new AbortController();
  const failures: unknown[] = [];
  const patiently = createPatience({
    clock: { ...systemClock, schedule: (run) => systemClock.schedule(run, 0) },
    failed: (error) => failures.push(error),
    closed: closed.signal,
  });
  return { patiently, failures, close: () => closed.abort(new ClosedError('closed')) };
}

describe('patience', () => {
  it('tries again what fails for want of a connection', async () => {
    const { patiently, failures } = patience();
    let tries = 0;
    const answer = await patiently(never, async () => {
      if (++tries < 3) throw away;
      return tries;
    });
    expect(answer).toBe(3);
    expect(failures).toEqual([away, away]);
  });

  it('does not try again what would fail again', async () => {
    const { patiently } = patience();
    const refused = new TopologyError('no such topic');
    await expect(patiently(never, () => Promise.reject(refused))).rejects.toBe(refused);
    const denied = Object.assign(new Error('no'), {
      name: 'AccessDenied',
      $metadata: { httpStatusCode: 403 },
    });
    await expect(patiently(never, () => Promise.reject(denied))).rejects.toBe(denied);
  });

  it.each(['SignatureDoesNotMatch', 'ExpiredToken', 'CredentialsProviderError'])(
    'tries again what %s ends: people mend that while messages wait',
    async (name) => {
      const { patiently, failures } = patience();
      const refused = Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: 403 } });
      let tries = 0;
      const work = async (): Promise<void> => {
        if (++tries < 3) throw refused;
      };
      await patiently(never, work);
      expect(failures).toEqual([refused, refused]);
    },
  );

  it('ends with its signal, or at closing, whatever it waits for', async () => {
    const { patiently, close } = patience();
    const over = new AbortController();
    const hanging = (): Promise<never> => new Promise(() => {});
    const waits = [patiently(over.signal, hanging), patiently(never, hanging)];
    over.abort(new Error('too late'));
    await expect(waits[0]).rejects.toThrow('too late');
    close();
    await expect(waits[1]).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(patiently(never, hanging)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
