import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { join } from 'node:path';
import { cleanUp, install, pack, read, run } from './harness.js';
import type { Packed } from './harness.js';

/** What would be published, in the applications that would install it. */

// The first of each kind downloads what it depends on.
jest.setTimeout(300_000);

const names = ['asyncapi', 'aws', 'cli', 'core', 'kafka', 'opentelemetry', 'rabbitmq', 'testing'];
let packages: Packed[];

beforeAll(async () => {
  packages = await pack(names);
});

afterAll(cleanUp);

describe.each(names)('the package of %s', (name) => {
  const packed = () => packages.find((one) => one.name === name)!;

  it('holds what it exports, with types, its licence and its manual, and nothing else', () => {
    const { files } = packed();
    const others = files.filter((file) => !/^dist\/.+\.(js|d\.ts)$/.test(file));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
    const { exports } = JSON.parse(read(packed(), 'package.json'));
    for (const entry of Object.values<any>(exports)) {
      if (typeof entry === 'string') continue;
      expect(files).toContain(entry.default.slice(2));
      expect(files).toContain(entry.types.slice(2));
    }
  });

  it('holds no tests and no reference to a source map', () => {
    const { files } = packed();
    expect(files.filter((file) => /\.spec\.|\/test\//.test(file))).toEqual([]);
    for (const file of files) expect(read(packed(), file)).not.toContain('sourceMappingURL');
  });

  it('has docstrings in its types', () => {
    const types = packed().files.filter((file) => file.endsWith('.d.ts'));
    expect(types.filter((file) => read(packed(), file).includes('/**')).length).toBeGreaterThan(0);
  });

  it('tells the registry what it is', () => {
    const about = JSON.parse(read(packed(), 'package.json'));
    expect(about).toMatchObject({
      name: `@nest-messaging/${name}`,
      description: expect.stringMatching(/.{20}/),
      license: 'MIT',
      type: 'module',
      engines: { node: '>=20.19' },
      publishConfig: { access: 'public' },
    });
    expect(about.scripts).toBeUndefined();
  });
});

const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
const commandLine = join('node_modules', '@nest-messaging', 'cli', 'dist', 'main.js');
const explained = {
  code: 0,
  output: expect.stringMatching(
    /Shipping\.\w+ +topic order\.placed +shop +shop\.order\.placed +.*retries: native/,
  ),
};
const handled = { code: 0, output: 'handled o-1 at attempt 1\nclosed\n' };

describe('the packed packages run', () => {
  it('in an empty application, on what npm installs with them', async () => {
    const application = await install('node-esm', packages);
    expect(await run(process.execPath, ['src/main.js'], application)).toEqual(handled);
  });

  it('in an ESM application of Nest 12', async () => {
    const application = await install('nest-12-esm', packages);
    expect(await run(process.execPath, [tsc, '-p', '.'], application)).toEqual({ code: 0, output: '' });
    expect(await run(process.execPath, ['dist/main.js'], application)).toEqual(handled);
    expect(
      await run(process.execPath, [commandLine, 'explain', '--app', 'dist/app.module.js'], application),
    ).toEqual(explained);
  });

  it('in a CommonJS application of Nest 11', async () => {
    const application = await install('nest-11-commonjs', packages);
    expect(await run(process.execPath, [tsc, '-p', '.'], application)).toEqual({ code: 0, output: '' });
    expect(await run(process.execPath, ['dist/main.js'], application)).toEqual(handled);
    expect(
      await run(process.execPath, [commandLine, 'explain', '--app', 'dist/app.module.js'], application),
    ).toEqual(explained);
  });

  it('in tests with Jest, as the CommonJS starter of Nest 11 has it', async () => {
    const application = await install('nest-11-jest', packages);
    const { code, output } = await run(process.execPath, ['node_modules/jest/bin/jest.js'], application);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('1 passed, 1 total') });
  });

  it('in tests with vitest, as the starter of Nest 12 has it', async () => {
    const application = await install('nest-12-vitest', packages);
    const { code, output } = await run(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run'],
      application,
    );
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/Tests\s+1 passed \(1\)/) });
  });
});
