import { describe, expect, it } from '@jest/globals';
import { DriverError } from '../../src/driver/driver-error.js';
import type {
  Client,
  JoinRequest,
  Joined,
  Membership as Ticket,
  Partition,
} from '../../src/driver/driver.js';
import { createMembership, type Membership } from '../../src/group/membership.js';
import { decodeMember, encodeAssignment, encodeMember } from '../../src/group/protocol.js';
import { virtualClock, type VirtualClock } from '../../../testing/src/virtual-clock.js';

const failure = (code: string, retryable = false): DriverError =>
  new DriverError(code, `as the test wants it: ${code}`, { retryable });
const of = (...partitions: number[]): Partition[] =>
  partitions.map((partition) => ({ topic: 't', partition }));

interface Play {
  readonly clock: VirtualClock;
  readonly membership: Membership;
  /** What happened, in its order. */
  readonly log: string[];
  readonly joins: JoinRequest[];
  readonly warnings: string[];
  /** What the broker does next; each may be set by the test. */
  readonly broker: {
    assignment: Partition[];
    join: () => Error | undefined;
    /** Joins wait for it. */
    gate: Promise<void>;
    sync: () => Error | undefined;
    heartbeat: (ticket: Ticket) => Error | undefined;
    commit: () => DriverError | undefined;
    partitions: number;
    topics: string[];
    leader: boolean;
    /** Topics that are not there. */
    gone: string[];
  };
  /** Lets the holder finish what it was told to give up. */
  finish(partition: number): void;
  /** What lets it finish the time it was told last. */
  finisher(partition: number): () => void;
}

const SESSION = 10_000;
const REBALANCE = 20_000;
const DISCOVERY = 5_000;

/** A member of a group whose broker is the test. */
function play(): Play {
  const clock = virtualClock(0);
  const log: string[] = [];
  const joins: JoinRequest[] = [];
  const warnings: string[] = [];
  const finishing = new Map<number, () => void>();
  let generation = 0;
  const broker: Play['broker'] = {
    assignment: of(0, 1),
    join: () => undefined,
    gate: Promise.resolve(),
    sync: () => undefined,
    heartbeat: () => undefined,
    commit: () => undefined,
    partitions: 2,
    topics: ['t'],
    leader: false,
    gone: [],
  };
  const orThrow = (error: Error | undefined): void => {
    if (error) throw error;
  };
  const client = {
    async join(request: JoinRequest): Promise<Joined> {
      joins.push(request);
      orThrow(broker.join());
      await broker.gate;
      generation++;
      log.push(`join ${generation}`);
      const members = broker.leader
        ? [
            { memberId: 'me', metadata: request.metadata },
            { memberId: 'other', metadata: encodeMember({ topics: ['t'], owned: [], generation: -1 }) },
          ]
        : [];
      return { memberId: 'me', generation, members };
    },
    async sync(ticket: Ticket, assignments: ReadonlyMap<string, Buffer>): Promise<Buffer> {
      orThrow(broker.sync());
      return broker.leader ? assignments.get(ticket.memberId)! : encodeAssignment(broker.assignment);
    },
    async heartbeat(ticket: Ticket): Promise<void> {
      orThrow(broker.heartbeat(ticket));
    },
    async leave({ memberId }: Ticket): Promise<void> {
      log.push(`leave ${memberId}`);
    },
    async leaders(topics: readonly string[]): Promise<Map<string, number[]>> {
      const there = topics.filter((topic) => !broker.gone.includes(topic));
      return new Map(there.map((topic) => [topic, Array.from({ length: broker.partitions }, () => 1)]));
    },
    async commit({ generation: at }: Ticket, positions: readonly unknown[]) {
      log.push(`commit in ${at}`);
      return positions.map(() => broker.commit());
    },
  } as unknown as Client;
  const membership = createMembership({
    client,
    group: 'g',
    topics: async () => broker.topics,
    sharing: 'even',
    sessionTimeout: SESSION,
    rebalanceTimeout: REBALANCE,
    discovery: DISCOVERY,
    clock,
    warn: (message) => warnings.push(message),
    holder: {
      assigned: (partitions) => log.push(`assigned ${partitions.map(({ partition }) => partition).join()}`),
      giveUp: ({ partition }) => {
        log.push(`give up ${partition}`);
        return new Promise((resolve) => finishing.set(partition, resolve));
      },
      lost: (partitions) => log.push(`lost ${partitions.map(({ partition }) => partition).join()}`),
    },
  });
  return {
    clock,
    membership,
    log,
    joins,
    warnings,
    broker,
    finish: (partition) => finishing.get(partition)!(),
    finisher: (partition) => finishing.get(partition)!,
  };
}

/** Once, and then as usual. */
function once(error: Error): () => Error | undefined {
  let thrown = false;
  return () => (thrown ? undefined : ((thrown = true), error));
}

/** One that has joined, with partitions 0 and 1. */
async function joined(): Promise<Play> {
  const scene = play();
  await scene.membership.start();
  expect(scene.log.splice(0)).toEqual(['join 1', 'assigned 0,1']);
  return scene;
}

describe('A member of a group', () => {
  it('has joined when it knows what it has', async () => {
    const { membership, joins } = await joined();
    expect(membership.problem).toBeUndefined();
    expect(joins[0]).toMatchObject({
      group: 'g',
      memberId: '',
      sessionTimeout: SESSION,
      rebalanceTimeout: REBALANCE,
    });
    expect(decodeMember(joins[0]!.metadata)).toEqual({ topics: ['t'], owned: [], generation: -1 });
  });

  it('sends heartbeats while nothing else happens, ten in a session time-out', async () => {
    const { clock, broker } = await joined();
    let beats = 0;
    broker.heartbeat = () => void beats++ as undefined;
    await clock.advance(SESSION);
    expect(beats).toBeGreaterThanOrEqual(9);
    expect(beats).toBeLessThanOrEqual(10);
  });

  it('goes on with what it keeps while the group rebalances, and says what it has', async () => {
    const { clock, broker, log, joins } = await joined();
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    await clock.advance(1_000);
    expect(log).toEqual(['join 2', 'assigned 0,1']);
    expect(joins[1]!.memberId).toBe('me');
    expect(decodeMember(joins[1]!.metadata)).toEqual({ topics: ['t'], owned: of(0, 1), generation: 1 });
  });

  it('gives up what it no longer has, and only then joins again, so that another gets it', async () => {
    const { clock, broker, log, joins, finish } = await joined();
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    broker.assignment = of(0);
    await clock.advance(1_500);
    expect(log.splice(0)).toEqual(['join 2', 'assigned 0', 'give up 1']);
    await clock.advance(5_000);
    expect(log).toEqual([]);
    finish(1);
    await clock.advance(100);
    expect(log).toEqual(['lost 1', 'join 3', 'assigned 0']);
    expect(decodeMember(joins[2]!.metadata).owned).toEqual(of(0));
  });

  it('still has what it is giving up when the next rebalance gives it back', async () => {
    const { clock, broker, log, joins, finish } = await joined();
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    broker.assignment = of(0);
    await clock.advance(1_500);
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    broker.assignment = of(0, 1);
    await clock.advance(1_500);
    expect(decodeMember(joins[2]!.metadata).owned).toEqual(of(0, 1));
    finish(1);
    await clock.advance(1_500);
    expect(log).toEqual(['join 2', 'assigned 0', 'give up 1', 'join 3', 'assigned 0,1']);
  });

  it('that is to give up again what was given back has finished when the second time has', async () => {
    const { clock, broker, log, finish, finisher } = await joined();
    const rebalance = async (...assignment: number[]): Promise<void> => {
      broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
      broker.assignment = of(...assignment);
      await clock.advance(1_500);
    };
    await rebalance(0);
    const first = finisher(1);
    await rebalance(0, 1);
    await rebalance(0);
    log.splice(0);
    first();
    await clock.advance(100);
    expect(log).toEqual([]);
    finish(1);
    await clock.advance(100);
    expect(log).toEqual(['lost 1', 'join 5', 'assigned 0']);
  });

  it('gives up within the rebalance time-out what its handlers do not finish', async () => {
    const { clock, broker, log } = await joined();
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    broker.assignment = of(0);
    await clock.advance(1_500);
    await clock.advance(REBALANCE - 2_000);
    expect(log).not.toContain('lost 1');
    await clock.advance(2_000);
    expect(log.slice(3)).toEqual(['lost 1', 'join 3', 'assigned 0']);
  });

  it('that the broker no longer knows loses all it had, and joins as a new one', async () => {
    const { clock, broker, log, joins } = await joined();
    broker.heartbeat = once(failure('UNKNOWN_MEMBER_ID'));
    await clock.advance(1_000);
    expect(log).toEqual(['lost 0,1', 'join 2', 'assigned 0,1']);
    expect(joins[1]!.memberId).toBe('');
    expect(decodeMember(joins[1]!.metadata).owned).toEqual([]);
  });

  it('that the broker no longer knows says so until it has joined again, however long that takes', async () => {
    const { clock, broker, membership } = await joined();
    broker.heartbeat = once(failure('UNKNOWN_MEMBER_ID'));
    let meanwhile: string | undefined;
    broker.join = () => {
      meanwhile = membership.problem;
      return undefined;
    };
    await clock.advance(1_000);
    expect(meanwhile).toBe("consumer group 'g' does not know this process any more; it joins again");
    expect(membership.problem).toBeUndefined();
  });

  it('of an old generation loses all it had, and joins as the member that it is', async () => {
    const { clock, broker, log, joins } = await joined();
    broker.heartbeat = once(failure('ILLEGAL_GENERATION'));
    await clock.advance(1_000);
    expect(log).toEqual(['lost 0,1', 'join 2', 'assigned 0,1']);
    expect(joins[1]!.memberId).toBe('me');
    expect(decodeMember(joins[1]!.metadata).generation).toBe(-1);
  });

  it.each(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'])(
    'that is told %s as it joins does so anew at once, and loses what it had',
    async (code) => {
      const { clock, broker, log } = await joined();
      broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
      broker.sync = once(failure(code));
      await clock.advance(1_000);
      expect(log).toEqual(['join 2', 'lost 0,1', 'join 3', 'assigned 0,1']);
    },
  );

  it('whose connection is lost keeps what it has until its session is over, and then has nothing', async () => {
    const { clock, broker, log, membership } = await joined();
    broker.heartbeat = () => failure('CONNECTION', true);
    broker.join = () => failure('CONNECTION', true);
    await clock.advance(SESSION - 2_000);
    expect(membership.problem).toMatch(/CONNECTION/);
    expect(log).toEqual([]);
    await clock.advance(4_000);
    expect(log).toEqual(['lost 0,1']);
    broker.heartbeat = () => undefined;
    broker.join = () => undefined;
    await clock.advance(4_000);
    expect(log.slice(1)).toEqual(['join 2', 'assigned 0,1']);
    expect(membership.problem).toBeUndefined();
  });

  it('whose connection comes back in time goes on as if nothing had been', async () => {
    const { clock, broker, log, membership } = await joined();
    broker.heartbeat = () => failure('CONNECTION', true);
    await clock.advance(SESSION / 2);
    broker.heartbeat = () => undefined;
    await clock.advance(SESSION * 2);
    expect(log).toEqual([]);
    expect(membership.problem).toBeUndefined();
  });

  it('whose connection is lost while it joins again has nothing once its session is over', async () => {
    const { clock, broker, log } = await joined();
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    broker.join = () => failure('CONNECTION', true);
    await clock.advance(SESSION + 5_000);
    expect(log).toEqual(['lost 0,1']);
  });

  it.each([
    ['GROUP_AUTHORIZATION_FAILED', 'grant READ on it'],
    ['TOPIC_AUTHORIZATION_FAILED', 'grant READ on its topics'],
    ['INCONSISTENT_GROUP_PROTOCOL', 'members that are not of this module'],
    ['INVALID_SESSION_TIMEOUT', 'see kafka.sessionTimeout'],
  ])('that is refused with %s says at once what to do', async (code, mend) => {
    const { membership, broker, warnings } = play();
    broker.join = () => failure(code);
    await expect(membership.start()).rejects.toMatchObject({ code });
    expect(membership.problem).toContain(mend);
    expect(warnings).toHaveLength(1);
    await membership.leave();
  });

  it('that is refused later tries again, now and then, and warns once', async () => {
    const { clock, broker, log, joins, warnings, membership } = await joined();
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    broker.join = () => failure('GROUP_AUTHORIZATION_FAILED');
    await clock.advance(30_000);
    expect(joins.length).toBeLessThan(20);
    expect(warnings).toHaveLength(1);
    expect(membership.problem).toContain("may not use consumer group 'g'");
    broker.join = () => undefined;
    await clock.advance(4_000);
    expect(log.slice(-2)).toEqual(['join 2', 'assigned 0,1']);
  });

  it('that fails for another reason while it starts goes on trying', async () => {
    const { clock, membership, broker, log } = play();
    broker.join = () => failure('COORDINATOR_NOT_AVAILABLE', true);
    const started = membership.start();
    await clock.advance(5_000);
    expect(membership.problem).toContain('COORDINATOR_NOT_AVAILABLE');
    broker.join = () => undefined;
    await clock.advance(4_000);
    await started;
    expect(log).toEqual(['join 1', 'assigned 0,1']);
  });

  it('joins again for topics that are found', async () => {
    const { clock, broker, log, joins } = await joined();
    broker.topics = ['t', 'u'];
    await clock.advance(DISCOVERY + 1_000);
    expect(log).toEqual(['join 2', 'assigned 0,1']);
    expect(decodeMember(joins[1]!.metadata).topics).toEqual(['t', 'u']);
    await clock.advance(DISCOVERY * 3);
    expect(joins).toHaveLength(2);
  });

  it('that leads shares out, also what is added later', async () => {
    const scene = play();
    scene.broker.leader = true;
    await scene.membership.start();
    expect(scene.log.splice(0)).toEqual(['join 1', 'assigned 0']);
    scene.broker.partitions = 4;
    await scene.clock.advance(DISCOVERY + 1_000);
    expect(scene.log).toEqual(['join 2', 'assigned 0,1']);
  });

  it('leaves once, and nothing of it goes on', async () => {
    const { clock, log, joins, membership } = await joined();
    const start = clock.now();
    await Promise.all([membership.leave(), membership.leave()]);
    expect(clock.now() - start).toBeLessThan(SESSION);
    expect(log).toEqual(['leave me']);
    await clock.advance(SESSION * 3);
    expect(joins).toHaveLength(1);
    expect(clock.nextAt).toBeUndefined();
  });

  it.each(['named as it waits', 'given a name when others have come'])(
    'that leaves while it joins, %s, tells whoever waits for it to start',
    async (how) => {
      const { clock, membership, broker, log, joins } = play();
      let come = (): void => undefined;
      broker.gate = new Promise((resolve) => (come = resolve));
      const started = membership.start().catch((error: unknown) => error);
      await clock.advance(100);
      if (how.startsWith('named')) joins[0]!.named?.('me');
      const leaving = membership.leave();
      if (!how.startsWith('named')) come();
      await leaving;
      expect(log.at(-1)).toBe('leave me');
      come();
      expect(await started).toMatchObject({ code: 'CLOSED', message: expect.stringContaining("'g'") });
      expect(log.join()).not.toContain('assigned');
      await clock.advance(SESSION * 3);
      expect(joins).toHaveLength(1);
    },
  );

  it('commits in the generation that it is of', async () => {
    const { clock, broker, log, membership } = await joined();
    await membership.commit([]);
    broker.heartbeat = once(failure('REBALANCE_IN_PROGRESS', true));
    await clock.advance(1_000);
    await membership.commit([]);
    expect(log.filter((line) => line.startsWith('commit'))).toEqual(['commit in 1', 'commit in 2']);
  });

  it('whose positions are refused because it is none looks at once, and may keep them later', async () => {
    const { clock, broker, log, membership } = await joined();
    const position = { topic: 't', partition: 0, offset: 1 };
    broker.commit = () => failure('TOPIC_AUTHORIZATION_FAILED');
    expect(await membership.commit([position])).toEqual([
      expect.objectContaining({ code: 'TOPIC_AUTHORIZATION_FAILED' }),
    ]);
    broker.commit = () => failure('ILLEGAL_GENERATION');
    broker.heartbeat = once(failure('ILLEGAL_GENERATION'));
    await expect(membership.commit([position])).rejects.toMatchObject({
      code: 'ILLEGAL_GENERATION',
      retryable: true,
    });
    await clock.advance(0);
    expect(log.slice(2)).toEqual(['lost 0,1', 'join 2', 'assigned 0,1']);
  });

  it('says of a topic that it does not exist, if it is missing for longer than a moment', async () => {
    const { broker, membership, clock } = play();
    await membership.start();
    broker.gone = ['t'];
    await clock.advance(DISCOVERY);
    expect(membership.problem).toBeUndefined();
    await clock.advance(DISCOVERY);
    expect(membership.problem).toBe("topic 't' does not exist");
    broker.gone = [];
    await clock.advance(DISCOVERY);
    expect(membership.problem).toBeUndefined();
    await membership.leave();
  });
});
