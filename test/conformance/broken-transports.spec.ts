import assert from 'node:assert/strict';
import { afterAll, describe, it } from '@jest/globals';
import { describeTransport, guarantees, show } from '@nest-messaging/testing/conformance';
import { allBroken } from './broken/index.js';
import { mustSee } from './broken/must-see.js';
import { networkedUnderTest } from './memory-under-test.js';

// What is broken below is sound when nothing breaks it, or a red test would show nothing.
describeTransport(
  { name: 'memory behind a connection', create: () => networkedUnderTest() },
  { afterAll, describe, it },
);

/** What a defect leaves hanging is ended after this. */
const LIMIT = 2_000;

describe('A transport is found out that', () => {
  for (const { name, create } of allBroken)
    it(
      name,
      async () => {
        const seen = mustSee[name] ?? [];
        assert.ok(seen.length > 0, 'no guarantee is said to see it');
        await Promise.all(
          seen.map(async (wanted) => {
            const guarantee = guarantees.find((one) => one.name === wanted);
            assert.ok(guarantee, `no guarantee is called '${wanted}'`);
            const seesIt = await show(guarantee, create, LIMIT).then(
              () => false,
              () => true,
            );
            assert.ok(seesIt, `'${wanted}' does not see it`);
          }),
        );
      },
      60_000,
    );
});

describe('Each guarantee', () => {
  it('is called differently from every other', () => {
    const names = guarantees.map(({ name }) => name);
    assert.deepEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      [],
    );
  });

  it('is shown to fail by a defect at least', () => {
    const seen = new Set(Object.values(mustSee).flat());
    assert.deepEqual(
      guarantees.map(({ name }) => name).filter((name) => !seen.has(name)),
      [],
    );
  });

  it('has no defect said of it that does not exist', () => {
    const names = new Set(allBroken.map(({ name }) => name));
    assert.deepEqual(
      Object.keys(mustSee).filter((name) => !names.has(name)),
      [],
    );
  });
});
