import { describe, expect, it } from '@jest/globals';
import { deletesMore } from '../src/retention.js';

const forEver = { config: { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' } };
const aWhile = { config: { ...forEver.config, 'retention.ms': '1000' } };

describe('What deletes more than the settings of the module', () => {
  it('is nothing where they are as they were made', () => {
    for (const topic of [forEver, aWhile]) expect(deletesMore(topic, topic.config)).toEqual([]);
  });

  it('is any limit where there is to be none', () => {
    const found = { ...forEver.config, 'retention.ms': '604800000', 'retention.bytes': '1' };
    expect(deletesMore(forEver, found)).toEqual([
      "retention.ms '604800000', expected '-1'",
      "retention.bytes '1', expected '-1'",
    ]);
  });

  it('is a shorter time, and neither a longer one nor none', () => {
    const of = (ms: string) => deletesMore(aWhile, { ...forEver.config, 'retention.ms': ms });
    expect(of('999')).toHaveLength(1);
    expect([...of('1001'), ...of('-1')]).toEqual([]);
  });

  it('is compaction, which deletes what has the same key', () => {
    for (const policy of ['compact', 'compact,delete'])
      expect(deletesMore(forEver, { ...forEver.config, 'cleanup.policy': policy })).toEqual([
        `cleanup.policy '${policy}', expected 'delete'`,
      ]);
  });
});
