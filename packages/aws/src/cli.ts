#!/usr/bin/env node
import { parseArgs } from 'node:util';
import type { SubscriptionId, Topology } from '@nest-messaging/core/contract';
import { iamPolicy } from './iam-policy.js';

const HELP = `nest-messaging-aws policy: prints the least IAM policy that an application needs.

  --service NAME           of the application; required
  --namespace NAME         as it is configured
  --topology MODE          create, validate or none; create if it is left out
  --publish EVENT          that it publishes            (as often as need be, as all that follow)
  --enqueue QUEUE          that it sends tasks to
  --handle EVENT[@GROUP]   that it handles, or a pattern; the group is the service if it is left out
  --work QUEUE             whose tasks it handles
  --broadcast EVENT        that each of its processes handles
  --delay                  it publishes with delays
  --bucket NAME            of its large payloads
  --region, --account, --partition
                           of the resources; any, any and aws if they are left out
`;

const MODES: readonly string[] = ['create', 'validate', 'none'] satisfies Topology[];

function main(args: readonly string[]): string {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      service: { type: 'string' },
      namespace: { type: 'string' },
      topology: { type: 'string', default: 'create' },
      publish: { type: 'string', multiple: true, default: [] },
      enqueue: { type: 'string', multiple: true, default: [] },
      handle: { type: 'string', multiple: true, default: [] },
      work: { type: 'string', multiple: true, default: [] },
      broadcast: { type: 'string', multiple: true, default: [] },
      delay: { type: 'boolean', default: false },
      bucket: { type: 'string' },
      region: { type: 'string' },
      account: { type: 'string' },
      partition: { type: 'string' },
    },
  });
  if (values.help) return HELP;
  const [command, ...rest] = positionals;
  if (command !== 'policy' || rest.length > 0)
    throw new Error(`expected the command policy, found ${positionals.join(' ') || 'none'}: see --help`);
  const { service, namespace, topology, bucket, region, account, partition } = values;
  if (service === undefined) throw new Error('--service is missing: the name that forRoot is given');
  if (!MODES.includes(topology))
    throw new Error(`--topology ${topology}: expected one of ${MODES.join(', ')}`);
  const subscription = (text: string): SubscriptionId => {
    const [name = '', group = service] = text.split('@');
    return { group, source: { kind: 'topic', name } };
  };
  const policy = iamPolicy({
    service,
    ...(namespace === undefined ? {} : { namespace }),
    topology: topology as Topology,
    publishes: values.publish,
    enqueues: values.enqueue,
    handles: [
      ...values.handle.map(subscription),
      ...values.work.map((name): SubscriptionId => ({ group: service, source: { kind: 'queue', name } })),
    ],
    broadcasts: values.broadcast.map(subscription),
    delays: values.delay,
    ...(bucket === undefined ? {} : { bucket }),
    ...(region === undefined ? {} : { region }),
    ...(account === undefined ? {} : { account }),
    ...(partition === undefined ? {} : { partition }),
  });
  return `${JSON.stringify(policy, null, 2)}\n`;
}

try {
  process.stdout.write(main(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
