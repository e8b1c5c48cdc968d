import { expect, it } from '@jest/globals';
import type { Client, Joined, Membership } from '../../src/driver/driver.js';
import { eventually, failure, onEachDriver, until, type Stage } from './stage.js';

const protocol = 'test';
const stranger = { memberId: 'nobody', generation: 1 };

onEachDriver('Groups', (stage) => {
  it('two members join, agree on the assignment, beat and leave', async () => {
    const group = await groupOf(stage());
    const [one, two] = [await stage().client(), await stage().client()];
    const first = await eventually(() => join(one, group, 'one'));
    expect(first.members).toEqual([{ memberId: first.memberId, metadata: Buffer.from('one') }]);
    const only = membership(group, first);
    expect(
      String(await one.sync({ ...only, protocol }, new Map([[first.memberId, Buffer.from('all')]]))),
    ).toBe('all');
    await one.heartbeat(only);
    expect(await one.members(group)).toBe(1);

    const joining = join(two, group, 'two');
    const rebalance = await waitForFailure(() => one.heartbeat(only));
    expect(rebalance).toMatchObject({ code: 'REBALANCE_IN_PROGRESS', retryable: true });
    const [again, second] = await Promise.all([join(one, group, 'one', first.memberId), joining]);
    expect(again.generation).toBe(second.generation);
    expect(again.memberId).toBe(first.memberId);
    expect(second.members).toEqual([]);
    expect(again.members.map(({ metadata }) => String(metadata)).sort()).toEqual(['one', 'two']);

    // The follower's sync is held back until the leader has spoken.
    const following = two.sync({ ...membership(group, second), protocol }, new Map());
    const assignments = new Map([
      [again.memberId, Buffer.from('half')],
      [second.memberId, Buffer.from('other half')],
    ]);
    expect(String(await one.sync({ ...membership(group, again), protocol }, assignments))).toBe('half');
    expect(String(await following)).toBe('other half');
    expect(await two.members(group)).toBe(2);

    expect(await failure(two.heartbeat({ ...membership(group, second), generation: 99 }))).toMatchObject({
      code: 'ILLEGAL_GENERATION',
    });
    expect(await failure(two.heartbeat({ group, ...stranger }))).toMatchObject({ code: 'UNKNOWN_MEMBER_ID' });
    expect(await failure(two.leave({ group, ...stranger }))).toMatchObject({ code: 'UNKNOWN_MEMBER_ID' });

    await two.leave(membership(group, second));
    expect(await waitForFailure(() => one.heartbeat(membership(group, again)))).toMatchObject({
      code: 'REBALANCE_IN_PROGRESS',
    });
    await one.leave(membership(group, again));
    expect(await one.members(group)).toBe(0);
  });

  it('members with another protocol are refused', async () => {
    const group = await groupOf(stage());
    const [one, two] = [await stage().client(), await stage().client()];
    const joined = await eventually(() => join(one, group, 'one'));
    const error = await failure(
      two.join({
        group,
        memberId: '',
        sessionTimeout: 10_000,
        rebalanceTimeout: 10_000,
        protocol: 'another',
        metadata: Buffer.alloc(0),
      }),
    );
    expect(error).toMatchObject({ code: 'INCONSISTENT_GROUP_PROTOCOL', retryable: false });
    await one.leave(membership(group, joined));
  });

  it('a group without members takes commits, and gives them back with their metadata', async () => {
    const group = await groupOf(stage());
    const topic = await stage().topic({ partitions: 3 });
    const other = await stage().topic();
    const client = await stage().client();
    expect(await eventually(() => client.committed(group, [topic]))).toEqual([]);
    expect(
      await client.commit({ group, memberId: '', generation: -1 }, [
        { topic, partition: 0, offset: 7, metadata: 'what was said: é' },
        { topic, partition: 2, offset: 2 ** 40 },
        { topic: other, partition: 0, offset: 1 },
      ]),
    ).toEqual([undefined, undefined, undefined]);
    expect((await client.committed(group, [topic])).toSorted((a, b) => a.partition - b.partition)).toEqual([
      { topic, partition: 0, offset: 7, metadata: 'what was said: é' },
      { topic, partition: 2, offset: 2 ** 40, metadata: '' },
    ]);
    expect(await client.committed(group, [other, `${topic}-missing`])).toHaveLength(1);
    expect(await client.commit({ group, memberId: '', generation: -1 }, [])).toEqual([]);
    await client.deleteGroup(group);
    await client.deleteGroup(group);
    expect(await client.committed(group, [topic, other])).toEqual([]);
  });

  it('a group with members takes commits from them alone', async () => {
    const group = await groupOf(stage());
    const topic = await stage().topic();
    const client = await stage().client();
    const joined = await eventually(() => join(client, group, 'one'));
    const member = membership(group, joined);
    await client.sync({ ...member, protocol }, new Map([[joined.memberId, Buffer.from('all')]]));
    const position = { topic, partition: 0, offset: 3, metadata: 'mine' };
    expect(await client.commit(member, [position])).toEqual([undefined]);
    expect(await client.committed(group, [topic])).toEqual([position]);
    const refused = [
      { group, memberId: '', generation: -1 },
      { group, ...stranger },
    ];
    for (const who of refused) {
      expect(await client.commit(who, [{ ...position, offset: 9 }])).toEqual([
        expect.objectContaining({ code: 'UNKNOWN_MEMBER_ID', retryable: false }),
      ]);
    }
    expect(await client.commit({ ...member, generation: 99 }, [{ ...position, offset: 9 }])).toEqual([
      expect.objectContaining({ code: 'ILLEGAL_GENERATION' }),
    ]);
    expect(await client.committed(group, [topic])).toEqual([position]);
    expect(await failure(client.deleteGroup(group))).toMatchObject({ code: 'NON_EMPTY_GROUP' });
    await client.leave(member);
  });

  it('a commit is refused of each partition by itself, and kept of the others', async () => {
    const group = await groupOf(stage());
    const topic = await stage().topic();
    const other = await stage().topic();
    const client = await stage().client();
    await eventually(() => client.committed(group, [topic]));
    const metadata = 'x'.repeat(5_000);
    const outcomes = await client.commit({ group, memberId: '', generation: -1 }, [
      { topic, partition: 5, offset: 1 },
      { topic, partition: 0, offset: 2 },
      { topic: `${topic}-missing`, partition: 0, offset: 3 },
      { topic: other, partition: 0, offset: 4, metadata },
    ]);
    expect(outcomes.map((error) => error?.code)).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      undefined,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'OFFSET_METADATA_TOO_LARGE',
    ]);
    expect(outcomes[0]!.message).toContain('partition 5');
    expect(await client.committed(group, [topic, other])).toEqual([
      expect.objectContaining({ topic, partition: 0, offset: 2 }),
    ]);
  });

  it('a group that nobody has heard of has no members, and is as good as deleted', async () => {
    const client = await stage().client();
    const group = `${stage().mark}-unheard`;
    expect(await eventually(() => client.members(group))).toBe(0);
    await client.deleteGroup(group);
  });

  it('other requests of a client are answered while its join is held back', async () => {
    const group = await groupOf(stage());
    const topic = await stage().topic();
    const [one, two] = [await stage().client(), await stage().client({ requestTimeout: 3_000 })];
    const joined = await eventually(() => join(one, group, 'one'));
    await one.sync(
      { ...membership(group, joined), protocol },
      new Map([[joined.memberId, Buffer.from('all')]]),
    );
    const joining = join(two, group, 'two');
    await waitForFailure(() => one.heartbeat(membership(group, joined)));
    expect((await two.leaders([topic])).get(topic)).toHaveLength(1);
    expect(await two.offsets(topic, 'latest')).toEqual([0]);
    // Of the group, too: whoever joins again goes on with what it has, and may want to leave.
    expect(await two.committed(group, [topic])).toEqual([]);
    await one.leave(membership(group, joined));
    const second = await joining;
    await two.leave(membership(group, second));
  });
});

/** One of its own, gone in the end. */
async function groupOf(stage: Stage): Promise<string> {
  const group = `${stage.mark}-group`;
  const client = await stage.client();
  stage.after(async () => {
    await until(async () => (await client.members(group)) === 0, 'the members to be gone', 15_000);
    await client.deleteGroup(group);
  });
  return group;
}

function join(client: Client, group: string, metadata: string, memberId = ''): Promise<Joined> {
  return client.join({
    group,
    memberId,
    sessionTimeout: 6_000,
    rebalanceTimeout: 6_000,
    protocol,
    metadata: Buffer.from(metadata),
  });
}

function membership(group: string, { memberId, generation }: Joined): Membership {
  return { group, memberId, generation };
}

/** Beats on until the broker says something else. */
async function waitForFailure(ask: () => Promise<void>): Promise<unknown> {
  let error: unknown;
  await until(async () => {
    error = await ask().catch((thrown: unknown) => thrown);
    return error !== undefined;
  }, 'the broker to refuse');
  return error;
}
