import { expect, it } from '@jest/globals';
import { eventually, onEachDriver } from './stage.js';

onEachDriver('What a user may do', (stage) => {
  it('is all where there are no rights, of what exists and of what does not', async () => {
    const client = await stage().client();
    const topics = [await stage().topic({ partitions: 3 }), `${stage().mark}-missing`];
    const permitted = await client.topicOperations(topics);
    const all = ['Read', 'Write', 'Create', 'Delete', 'Describe'];
    expect(permitted).toEqual(new Map(topics.map((topic) => [topic, all])));
    expect(await eventually(() => client.groupOperations(`${stage().mark}-missing`))).toEqual([
      'Read',
      'Delete',
      'Describe',
    ]);
    expect(await client.topicOperations([])).toEqual(new Map());
    expect(await client.topics()).not.toContain(topics[1]);
  });

  it('is told of a group with members, too', async () => {
    const [client, other] = [await stage().client(), await stage().client()];
    const group = `${stage().mark}-group`;
    const joined = await eventually(() =>
      client.join({
        group,
        memberId: '',
        sessionTimeout: 10_000,
        rebalanceTimeout: 10_000,
        protocol: 'x',
        metadata: Buffer.from('x'),
      }),
    );
    expect(await other.groupOperations(group)).toContain('Read');
    await client.leave({ group, ...joined });
    await other.deleteGroup(group);
  });

  it('creating topics is tried without making them', async () => {
    const client = await stage().client();
    const name = `${stage().mark}-tried`;
    const outcomes = await client.tryTopics([
      { name, partitions: 1, replicas: 1, config: {} },
      { name: `${stage().mark}-many`, partitions: 1, replicas: 99, config: {} },
    ]);
    expect(outcomes.map((error) => error?.code)).toEqual([undefined, 'INVALID_REPLICATION_FACTOR']);
    expect(await client.tryTopics([])).toEqual([]);
    expect(await client.topics()).not.toContain(name);
  });
});
