import { beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['packages/aws/dist/cli.js', ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

beforeAll(() => {
  const tsc = ['node_modules/typescript/bin/tsc', '-b', 'packages/aws'];
  expect(spawnSync(process.execPath, tsc, { cwd: root }).status).toBe(0);
}, 120_000);

describe('nest-messaging-aws', () => {
  it('prints the policy of an application', () => {
    const needs =
      'policy --topology none --namespace shop --service billing --account 123456789012 --bucket bodies ' +
      '--handle order.placed --handle order.*@audit --work invoices';
    const { status, stdout } = run(...needs.split(' '));
    expect(status).toBe(0);
    const { Statement } = JSON.parse(stdout) as { Statement: { Sid: string; Resource: string[] }[] };
    expect(Statement.map(({ Sid }) => Sid)).toEqual([
      'Anywhere',
      'Handle',
      'DeadLetters',
      'Delays',
      'LoadPayloads',
      'MissPayloads',
    ]);
    expect(Statement[1]!.Resource).toContain('arn:aws:sqs:*:123456789012:shop_audit_order_--one');
  });

  it('says what it takes', () => {
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--handle') });
  });

  it.each([
    [['polcy', '--service', 's'], 'expected the command policy, found polcy'],
    [['policy'], '--service is missing'],
    [
      ['policy', '--service', 's', '--topology', 'all'],
      '--topology all: expected one of create, validate, none',
    ],
    [['policy', '--service', 's', '--handel', 'x'], '--handel'],
  ])('refuses %j, and says why', (args, why) => {
    expect(run(...args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(why) });
  });
});
