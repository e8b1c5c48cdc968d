import { connect, type ConfirmChannel, type Options } from 'amqplib';
import type { startRabbitmq } from '../../../scripts/brokers/rabbitmq.mjs';
import type { BrokerConfig } from '../application.js';
import { openDoor } from '../door.js';
import type { Conflict, Deed, Rights } from '../ground.js';
import { until } from '../until.js';

type Broker = Awaited<ReturnType<typeof startRabbitmq>>;

/** As the module sets it, so that another argument is the one that does not fit. */
const MOST = 2_147_483_647;

/** RabbitMQ's rights are regular expressions of names: all but one. */
const allBut = (name: string): string => `^(?!${name.replaceAll('.', '\\.')}$)`;

export async function rabbitmqRights(
  { url, control }: Broker,
  config: (url: string) => BrokerConfig,
  namespace: string,
): Promise<Rights> {
  const door = await openDoor(new URL(url).host);
  const user = `user-${namespace}`;
  const at = (password: string): BrokerConfig => config(`amqp://${user}:${password}@127.0.0.1:${door.port}`);
  const may = ({ configure = '', write = '', read = '' } = {}): Promise<string> =>
    control('set_permissions', user, configure, write, read);
  const everything = { configure: '.*', write: '.*', read: '.*' };
  await control('add_user', user, 'right-s3cret');
  await may(everything);

  const denials: Readonly<Record<Deed, () => Promise<unknown>>> = {
    'log in': () => control('change_password', user, 'other-s3cret'),
    // A publish to an exchange of type topic is also judged by its routing key.
    publish: () => control('set_topic_permissions', user, namespace, allBut('work'), '.*'),
    consume: () => may({ ...everything, read: allBut(`${namespace}.shop.work`) }),
    declare: () => may({ ...everything, configure: allBut(`${namespace}.fresh`) }),
  };
  return {
    broker: at('right-s3cret'),
    mistaken: at('wrong-s3cret'),
    secrets: ['s3cret'],
    deeds: ['log in', 'publish', 'consume', 'declare'],
    async deny(deed) {
      await denials[deed]();
      // A channel remembers what it has been allowed, and a consumer stays.
      door.cut();
    },
    async grant() {
      await control('change_password', user, 'right-s3cret');
      await control('clear_topic_permissions', user);
      await may(everything);
    },
    asked: () => ({ connections: door.came, packets: door.packets }),
    async end() {
      await door.close();
      await control('delete_user', user);
    },
  };
}

/** Runs as a plain AMQP client, which has never heard of the module. */
async function plainly(url: string, run: (channel: ConfirmChannel) => Promise<unknown>): Promise<void> {
  const connection = await connect(url);
  try {
    const channel = await connection.createConfirmChannel();
    await run(channel);
    await channel.waitForConfirms();
  } finally {
    await connection.close();
  }
}

export function rabbitmqConflicts({ url, control }: Broker, namespace: string): readonly Conflict[] {
  const listed = async (name: string, what: string, ...columns: string[]): Promise<string[]> =>
    (await control(what, ...columns, '--silent', '--no-table-headers'))
      .split('\n')
      .filter((line) => line.split('\t').includes(name))
      .sort();
  /** The thing itself, and what was bound to it or from it. */
  const looking = (name: string) => async (): Promise<unknown> => ({
    queues: await listed(name, 'list_queues', 'name', 'type', 'durable', 'arguments', 'messages'),
    exchanges: await listed(name, 'list_exchanges', 'name', 'type', 'durable', 'arguments'),
    bindings: await listed(name, 'list_bindings', 'source_name', 'destination_name', 'routing_key'),
  });

  const name = `${namespace}.shop.work`;
  const queue = (argument: string, options: Options.AssertQueue): Conflict => ({
    resource: `queue '${name}'`,
    argument,
    async make() {
      await plainly(url, async (channel) => {
        await channel.assertQueue(name, options);
        channel.sendToQueue(name, Buffer.from('precious'), { persistent: true });
      });
      // A quorum queue counts its messages every few seconds.
      await until(
        async () => (await listed(name, 'list_queues', 'name', 'messages'))[0] === `${name}\t1`,
        'the message to be counted',
      );
    },
    look: looking(name),
    remove: () => plainly(url, (channel) => channel.deleteQueue(name)),
  });
  const quorum = { 'x-queue-type': 'quorum' };
  return [
    // First, since applications that are refused for a queue have made theirs.
    {
      resource: `exchange '${namespace}'`,
      argument: 'type',
      make: () => plainly(url, (channel) => channel.assertExchange(namespace, 'fanout')),
      look: looking(namespace),
      remove: () => plainly(url, (channel) => channel.deleteExchange(namespace)),
    },
    queue('x-queue-type', { arguments: { 'x-queue-type': 'classic' } }),
    queue('x-delivery-limit', { arguments: { ...quorum, 'x-delivery-limit': 3 } }),
    queue('x-max-length', { arguments: { ...quorum, 'x-max-length': 10, 'x-delivery-limit': MOST } }),
  ];
}
