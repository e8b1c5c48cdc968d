import { beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });

beforeAll(() => {
  const built = node('node_modules/typescript/bin/tsc', '-b', 'packages/cli', 'packages/rabbitmq');
  expect(built).toMatchObject({ status: 0 });
}, 120_000);

describe('The program', () => {
  it('ends by itself, with what a script can rely on', () => {
    const explain = ['packages/cli/dist/main.js', 'explain', '--app'];
    const fine = node(...explain, 'packages/cli/test/fixtures/application.mjs', '--json');
    expect(fine).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(fine.stdout)).toMatchObject({ refusals: [] });
    expect(node(...explain, 'packages/cli/test/fixtures/application.mjs#demanding')).toMatchObject({
      status: 1,
    });
    expect(node(...explain, 'nowhere.js')).toMatchObject({ status: 2, stdout: '' });
  });

  // Jest shows more of CommonJS than Node's lexer sees.
  it.each(['default-export.cjs', 'bundle.cjs', 'bundle.cjs#AppModule'])(
    'finds the root module of %s as Node imports it',
    (app) => {
      const ended = node(
        'packages/cli/dist/main.js',
        'explain',
        '--app',
        `packages/cli/test/fixtures/${app}`,
      );
      expect(ended).toMatchObject({ status: 0, stderr: '' });
      expect(ended.stdout).toMatch(/^connection default: memory, service billing/);
    },
  );
});
