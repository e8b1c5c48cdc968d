import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from 'kafkajs';
import { subscriptionNames } from '../../../packages/kafka/src/topology.js';
import { startKafka } from '../../../scripts/brokers/kafka.mjs';
import { freePorts } from '../../../scripts/brokers/ports.mjs';
import type { BrokerConfig } from '../application.js';
import { openDoor } from '../door.js';
import type { Conflict, Deed, Rights, Tls } from '../ground.js';

/** Brokers to be told to clients, and options beside them. */
type Config = (brokers: string, more: object) => BrokerConfig;

type Plain = ReturnType<typeof plain>;

/** A client that has never heard of the module, and whom nothing is forbidden. */
const plain = (url: string): Kafka => new Kafka({ brokers: [url], logLevel: logLevel.NOTHING });

async function arranging<T>(
  kafka: Plain,
  arrange: (admin: ReturnType<Plain['admin']>) => Promise<T>,
): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await arrange(admin);
  } finally {
    await admin.disconnect();
  }
}

const SCRAM = 'SCRAM-SHA-256';

/** Of a broker that asks for logins, which other rows have no use for. */
export async function kafkaRights(config: Config, namespace: string): Promise<Rights> {
  const [port, advertised] = (await freePorts(2)) as [number, number];
  const { control, url, remove } = await startKafka({
    detour: { port, advertised },
    config: [
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users=User:ANONYMOUS',
      'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:SASL_PLAINTEXT',
      `listener.name.detour.sasl.enabled.mechanisms=${SCRAM}`,
      `listener.name.detour.${SCRAM.toLowerCase()}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`,
    ].join('\n'),
  });
  const door = await openDoor(`127.0.0.1:${port}`, advertised);
  const user = 'someone';
  const kafka = plain(url);
  const at = (password: string): BrokerConfig =>
    config(`127.0.0.1:${advertised}`, {
      sasl: { mechanism: SCRAM.toLowerCase(), username: user, password },
    });
  const password = (given: string): Promise<unknown> =>
    control(
      'kafka-configs',
      '--alter',
      '--entity-type',
      'users',
      '--entity-name',
      user,
      '--add-config',
      `${SCRAM}=[password=${given}]`,
    );
  const about = (resourceType: AclResourceTypes, resourceName: string) => ({
    principal: `User:${user}`,
    host: '*',
    resourceType,
    resourceName,
  });
  await arranging(kafka, (admin) =>
    admin.createAcls({
      acl: [AclResourceTypes.TOPIC, AclResourceTypes.GROUP].map((kind) => ({
        ...about(kind, namespace),
        resourcePatternType: ResourcePatternTypes.PREFIXED,
        operation: AclOperationTypes.ALL,
        permissionType: AclPermissionTypes.ALLOW,
      })),
    }),
  );
  await password('right-s3cret');

  const forbid = (kind: AclResourceTypes, name: string, operation: AclOperationTypes): Promise<unknown> =>
    arranging(kafka, (admin) =>
      admin.createAcls({
        acl: [
          {
            ...about(kind, name),
            resourcePatternType: ResourcePatternTypes.LITERAL,
            operation,
            permissionType: AclPermissionTypes.DENY,
          },
        ],
      }),
    );
  const grant = async (): Promise<void> => {
    await password('right-s3cret');
    await arranging(kafka, (admin) =>
      admin.deleteAcls({
        filters: [
          {
            resourceType: AclResourceTypes.ANY,
            resourcePatternType: ResourcePatternTypes.LITERAL,
            operation: AclOperationTypes.ANY,
            permissionType: AclPermissionTypes.DENY,
          },
        ],
      }),
    );
  };
  const denied = {
    publish: [AclResourceTypes.TOPIC, `${namespace}.work`, AclOperationTypes.WRITE],
    consume: [AclResourceTypes.GROUP, `${namespace}.shop.work`, AclOperationTypes.READ],
    declare: [AclResourceTypes.TOPIC, `${namespace}.fresh--queue`, AclOperationTypes.CREATE],
  } as const satisfies Partial<Record<Deed, unknown>>;
  return {
    broker: at('right-s3cret'),
    mistaken: at('wrong-s3cret'),
    secrets: ['s3cret'],
    deeds: ['log in', 'publish', 'consume', 'declare'],
    async deny(deed) {
      if (deed === 'log in') {
        await password('other-s3cret');
        // Who is in stays in.
        return door.cut();
      }
      const [kind, name, operation] = denied[deed];
      await forbid(kind, name, operation);
    },
    grant,
    async forbidden(_, subscription) {
      const { dead } = subscriptionNames({ namespace }, subscription);
      await forbid(AclResourceTypes.TOPIC, dead, AclOperationTypes.WRITE);
      return grant;
    },
    asked: () => ({ connections: door.came, packets: door.packets }),
    async end() {
      await door.close();
      await remove();
    },
  };
}

/** Of a broker that tells its clients to come where TLS is spoken. */
export async function kafkaTls(config: Config, advertised: number): Promise<Tls> {
  const [port] = (await freePorts(1)) as [number];
  const { remove } = await startKafka({ detour: { port, advertised } });
  return {
    plain: `127.0.0.1:${port}`,
    broker: (host, ca) =>
      config(`${host}:${advertised}`, {
        // The broker itself goes by its number, which is none of the names in the certificate.
        tls: { ...(ca !== undefined && { ca }), ...(host === 'localhost' && { servername: host }) },
      }),
    end: remove,
  };
}

/** Kafka takes what exists as it is, however many partitions it has; but for its name. */
export function kafkaConflicts(url: string, namespace: string): readonly Conflict[] {
  const kafka = plain(url);
  const topic = `${namespace}_work`;
  return [
    {
      resource: `topic '${namespace}.work'`,
      argument: topic,
      async make() {
        await arranging(kafka, (admin) => admin.createTopics({ topics: [{ topic, numPartitions: 2 }] }));
        const producer = kafka.producer();
        await producer.connect();
        await producer.send({ topic, messages: [{ value: 'precious' }] });
        await producer.disconnect();
      },
      look: () =>
        arranging(kafka, async (admin) => {
          const { resources } = await admin.describeConfigs({
            includeSynonyms: false,
            resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
          });
          const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
          const records = await admin.fetchTopicOffsets(topic);
          return { configs: resources.map(({ configEntries }) => configEntries), topics, records };
        }),
      remove: () => arranging(kafka, (admin) => admin.deleteTopics({ topics: [topic] })),
    },
  ];
}
