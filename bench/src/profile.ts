import { Session, type Profiler } from 'node:inspector';
import { cpus } from 'node:os';

/** Whose code runs. */
export const OWNERS = {
  client: 'Client library',
  transport: 'Transport',
  engine: 'Engine, Nest layer',
  json: 'JSON',
  gc: 'Garbage collector',
  promises: 'Promises',
  system: 'Calls of the system',
  benchmark: 'Benchmark',
} as const;

export type Owner = keyof typeof OWNERS;

/** Where processor time went, in microseconds. */
export interface Profile {
  /** Of this process, on all cores: more than its one thread's. */
  readonly cpu: number;
  /** Of all else that ran on the machine: where nothing does, of the broker. */
  readonly others: number;
  /** Of this process's thread, as the profiler samples it. */
  readonly owners: Readonly<Partial<Record<Owner, number>>>;
}

type Frame = Pick<Profiler.ProfileNode['callFrame'], 'functionName' | 'url'>;

/** By the file that a function is in, the first that fits. */
const FILES: readonly (readonly [RegExp, Owner])[] = [
  [/\/secure-json-parse\//, 'json'],
  [/\/node_modules\/(@nestjs|rxjs|reflect-metadata)\//, 'engine'],
  [/\/node_modules\//, 'client'],
  [/\/packages\/(rabbitmq|kafka|aws)\//, 'transport'],
  [/\/packages\/core\/dist\/memory\//, 'transport'],
  [/\/packages\/core\/dist\/engine\/codec\.js$/, 'json'],
  [/\/packages\//, 'engine'],
  [/\/bench\/dist\//, 'benchmark'],
  [/^node:.*(async_|task_queues|promises|timers)/, 'promises'],
  [/^node:.*(net|stream|http|tls|dgram|dns)/, 'system'],
];

/** By their names, those that are in no file. */
const BUILT_IN: readonly (readonly [RegExp, Owner])[] = [
  [/^\((garbage collector)\)$/, 'gc'],
  [/^\((program|root)\)$/, 'system'],
  [/^(runMicrotasks|then|resolve|reject|queueMicrotask)$/, 'promises'],
  [/^(writev|write(Buffer|Utf8String|Latin1String)|shutdown|readStart|readStop)$/, 'system'],
];

/** @param callers from the function itself outwards: what belongs to nobody, as a copy of bytes, is its caller's */
export function ownerOf(callers: readonly Frame[]): Owner {
  for (const { functionName, url } of callers) {
    const found =
      url === ''
        ? BUILT_IN.find(([name]) => name.test(functionName))
        : FILES.find(([file]) => file.test(url));
    if (found) return found[1];
  }
  return 'system';
}

/** Microseconds between samples. */
const INTERVAL = 200;
/** What a sample may stand for: the profiler itself takes long to begin, and no sample is taken of a thread that is not run. */
const LONGEST = 5_000;

/** Microseconds for each owner; what was idle is nobody's. */
export function sumUp({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Profile['owners'] {
  const callers = new Map<number, readonly Frame[]>();
  // A node comes before its children.
  for (const node of nodes) {
    const mine = [node.callFrame, ...(callers.get(node.id) ?? [])];
    callers.set(node.id, mine);
    for (const child of node.children ?? []) callers.set(child, mine);
  }
  const owners: Partial<Record<Owner, number>> = {};
  samples.forEach((id, at) => {
    const mine = callers.get(id) ?? [];
    if (mine[0]?.functionName === '(idle)') return;
    const owner = ownerOf(mine);
    owners[owner] = (owners[owner] ?? 0) + Math.min(timeDeltas[at]!, LONGEST);
  });
  return owners;
}

/** Microseconds that all processors were busy, since the machine began. */
const busy = (): number =>
  cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) * 1_000;

/** @returns what ends it, given this process's processor time since then */
export function startProfile(): (cpu: number) => Profile {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
  session.post('Profiler.start');
  const before = busy();
  return (cpu) => {
    const others = Math.max(0, busy() - before - cpu);
    let owners: Profile['owners'] = {};
    // In the same thread the answer is there when it returns.
    session.post('Profiler.stop', (error, stopped) => {
      if (error) throw error;
      owners = sumUp(stopped.profile);
    });
    session.disconnect();
    return { cpu, others, owners };
  };
}

/** What one of so many messages took of it. */
export const perMessage = ({ cpu, others, owners }: Profile, count: number): Profile => ({
  cpu: cpu / count,
  others: others / count,
  owners: Object.fromEntries(Object.entries(owners).map(([owner, value]) => [owner, value / count])),
});
