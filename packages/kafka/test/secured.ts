import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startKafka } from '../../../scripts/brokers/kafka.mjs';
import { freePorts } from '../../../scripts/brokers/ports.mjs';
import { run } from '../../../scripts/brokers/run.mjs';

/** A Kafka that asks for TLS and logins, beside a listener for whoever arranges things. */
export interface SecuredKafka {
  /** For a super user, without TLS and login. */
  readonly url: string;
  /** TLS without login; the certificate says `localhost`. */
  readonly tls: string;
  /** Login within TLS. */
  readonly login: string;
  /** What the certificate is signed by. */
  readonly ca: string;
  remove(): Promise<void>;
}

/** Users by mechanism; `limited` may do nothing that is not granted. */
export const PASSWORDS = { alice: 'right-s3cret', limited: 'limited-s3cret' } as const;

async function openssl(directory: string, ...args: string[]): Promise<void> {
  const { ok, output } = await run('openssl', args, { cwd: directory, timeout: 30_000 });
  if (!ok) throw new Error(`openssl ${args[0]} failed: ${output}`);
}

/** Certificates of this run alone: one that signs, and one for `localhost` that it signed. */
async function makeCertificates(directory: string): Promise<{ ca: string; keystore: string }> {
  mkdirSync(directory);
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    directory,
    'req',
    '-x509',
    ...fresh,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '30',
    '-subj',
    '/CN=tests',
  );
  await openssl(
    directory,
    'req',
    ...fresh,
    '-keyout',
    'own.key',
    '-out',
    'own.csr',
    '-subj',
    '/CN=localhost',
  );
  writeFileSync(join(directory, 'names'), 'subjectAltName=DNS:localhost\n');
  await openssl(
    directory,
    'x509',
    '-req',
    '-in',
    'own.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'own.pem',
    '-days',
    '30',
    '-extfile',
    'names',
  );
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  const keystore = join(directory, 'keystore.pem');
  writeFileSync(keystore, read('own.key') + read('own.pem'));
  return { ca: read('ca.pem'), keystore };
}

/**
 * Answers why there is none where the broker runs in a container, which cannot be given more ports afterwards.
 *
 * Where a broker listens is known once it was started; so it is started anew with more.
 */
export async function startSecuredKafka(): Promise<SecuredKafka | string> {
  const broker = await startKafka({
    config: [
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users=User:ANONYMOUS;User:alice',
    ].join('\n'),
  });
  try {
    const file = join(broker.directory, 'server.properties');
    if (!existsSync(file)) {
      await broker.remove();
      return 'the broker runs in a container';
    }
    const [tls, login] = await freePorts(2);
    const { ca, keystore } = await makeCertificates(join(broker.directory, 'certificates'));
    const properties = readFileSync(file, 'utf8');
    const given = (name: string): string =>
      properties
        .split('\n')
        .findLast((line) => line.startsWith(`${name}=`))!
        .slice(name.length + 1);
    const more = `,TLS://localhost:${tls},LOGIN://localhost:${login}`;
    const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
    const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
    const users = Object.entries(PASSWORDS).map(([name, password]) => `user_${name}="${password}"`);
    writeFileSync(
      file,
      [
        properties,
        `listeners=${given('listeners')}${more}`,
        `advertised.listeners=${given('advertised.listeners')}${more}`,
        `listener.security.protocol.map=${given('listener.security.protocol.map')},TLS:SSL,LOGIN:SASL_SSL`,
        'ssl.keystore.type=PEM',
        `ssl.keystore.location=${keystore}`,
        'listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        `listener.name.login.plain.sasl.jaas.config=${plain} ${users.join(' ')};`,
        `listener.name.login.scram-sha-256.sasl.jaas.config=${scram}`,
        `listener.name.login.scram-sha-512.sasl.jaas.config=${scram}`,
        '',
      ].join('\n'),
    );
    await broker.stop();
    await broker.start();
    await Promise.all(
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((mechanism) =>
        broker.control(
          'kafka-configs',
          '--alter',
          '--entity-type',
          'users',
          '--entity-name',
          'alice',
          '--add-config',
          `${mechanism}=[password=${PASSWORDS.alice}]`,
        ),
      ),
    );
    return {
      url: broker.url,
      tls: `localhost:${tls}`,
      login: `localhost:${login}`,
      ca,
      remove: () => broker.remove(),
    };
  } catch (error) {
    await broker.remove();
    throw error;
  }
}
