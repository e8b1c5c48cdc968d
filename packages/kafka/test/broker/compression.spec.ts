import { expect } from '@jest/globals';
import { drivers, onEachDriver, until, type DriverName } from '../stage.js';

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const compressesZstd = major > 22 || (major === 22 && minor >= 15);

onEachDriver('What is published compressed', (test, driver) => {
  const others: readonly DriverName[] = drivers.filter(({ missing }) => !missing).map(({ name }) => name);
  for (const compression of codecs) {
    if (compression === 'zstd' && !compressesZstd) {
      test('with zstd is refused at the start, as this Node cannot', async ({ prepare }) => {
        const { transport } = prepare({ compression });
        await expect(transport.connect()).rejects.toMatchObject({
          code: 'CONFIGURATION',
          message: expect.stringMatching(/kafka\.compression is 'zstd'/),
        });
      });
      continue;
    }
    test(`with ${compression} is read by each driver as it was`, async ({ open }) => {
      const publisher = await open({ compression, partitions: 1 });
      const probes = await Promise.all(
        others.map(async (reader) =>
          (await open({ driver: reader })).subscribe('a', undefined, { group: reader, maxUnsettled: 100 }),
        ),
      );
      const bodies = Array.from({ length: 50 }, (_, n) => `${n} ${`from ${driver} `.repeat(200)}`);
      await Promise.all(
        bodies.map((body) => publisher.publish('a', body, { headers: { codec: compression } })),
      );
      for (const probe of probes) {
        await until(() => probe.seen.length === bodies.length, 'all of them');
        expect(new Set(probe.texts)).toEqual(new Set(bodies));
        expect(probe.seen[0]!.message.headers).toEqual({ codec: compression });
      }
    });
  }
});
