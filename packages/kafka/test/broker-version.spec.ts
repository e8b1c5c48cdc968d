import { describe, expect, it } from '@jest/globals';
import { brokerVersion } from '../src/broker-version.js';

const FETCH = 1;

describe('What a broker speaks tells its version', () => {
  // By FetchRequest.json of each release.
  const kafka3 = { minVersion: 0, maxVersion: 16 };
  const kafka4 = { minVersion: 4, maxVersion: 18 };

  it('as that of Kafka 3.8, which is older than what the module is made for', () => {
    expect(brokerVersion(new Map([[FETCH, kafka3]]))).toMatchObject({ level: 'trouble', about: 'broker' });
    expect(brokerVersion(new Map())).toMatchObject({ level: 'trouble', about: 'broker' });
  });

  it('as that of Kafka 4.3', () => {
    expect(brokerVersion(new Map([[FETCH, kafka4]]))).toMatchObject({ level: 'fine', about: 'broker' });
  });
});
