/** RabbitMQ for tests. */
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, delimiter, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { installPackage } from './apt.mjs';
import { startPrivate } from './broker.mjs';
import * as compose from './compose.mjs';
import { enterRoot, rootMissing } from './debian-root.mjs';
import { freePorts } from './ports.mjs';
import { address, onNode } from './rabbitmq-node.mjs';
import * as shared from './shared.mjs';
import { readState } from './state.mjs';
import { until } from './until.mjs';

/**
 * @typedef {import('./broker.mjs').Broker} Broker
 * @typedef {import('./broker.mjs').Way} Way
 */

/** @param {string} image @returns {Way} */
const inContainer = (image) => ({
  ...compose,
  async prepare(directory, { config = '' }) {
    const [port] = await freePorts(1);
    const file = join(directory, 'more.conf');
    writeFileSync(file, config);
    const variables = { RABBITMQ_IMAGE: image, RABBITMQ_PORT: String(port), RABBITMQ_CONFIG: file };
    return {
      way: compose.name,
      directory,
      url: address(port),
      ...compose.project('rabbitmq', directory, variables),
    };
  },
  control: (state, args) => compose.execute(state, ['rabbitmqctl', ...args]),
});

/** The machine's own. */
const fromPackage = onNode({
  name: "the system's own package",

  async missing(say) {
    if (server()) return undefined;
    const problem = await installPackage(
      'rabbitmq-server',
      ['rabbitmq-server', 'epmd.socket', 'epmd.service'],
      say,
    );
    return (
      problem ??
      (server() ? undefined : 'rabbitmq-server was installed, but its program is not where it was looked for')
    );
  },

  server: () => server() ?? 'rabbitmq-server',
  enter: (_, ...command) => command,
});

/** Another Debian's, beside the machine's own. @param {'bookworm' | 'trixie'} suite */
const fromRoot = (suite) =>
  onNode({
    name: `Debian's package in a root of ${suite}`,
    missing: (say) => rootMissing(suite, ['rabbitmq-server'], say),
    server: () => '/usr/lib/rabbitmq/bin/rabbitmq-server',
    enter: (directory, ...command) => enterRoot(suite, directory, command),
  });

/** How each release that tests can ask for is had: those of Debian 12 and of Debian 13. */
const releases = {
  '3.10': [inContainer('rabbitmq:3.10'), only('3.10', fromPackage), fromRoot('bookworm')],
  '4.0': [inContainer('rabbitmq:4.0'), only('4.0', fromPackage), fromRoot('trixie')],
};

/** @type {Broker} */
export const rabbitmq = {
  name: 'rabbitmq',
  variable: 'RABBITMQ_URL',
  probe,
  ways: [inContainer('rabbitmq:4'), fromPackage],
  more: Object.values(releases).flat(),
};

/** @param {Parameters<typeof shared.up>[1]} [options] */
export const up = (options) => shared.up(rabbitmq, options);

/** @param {Parameters<typeof shared.down>[1]} [options] */
export const down = (options) => shared.down(rabbitmq, options);

/** Kills the shared broker as `kill -9` does. Disturbs every test that uses it: see `startRabbitmq`. */
export const kill = () => shared.sharedInstance(rabbitmq).kill();

/** Starts the shared broker again on its old data and address. */
export const restart = () => shared.sharedInstance(rabbitmq).start();

/**
 * A RabbitMQ of the calling test's own, which it may kill and start again. In the end it calls `remove`.
 * @param {Parameters<typeof startPrivate>[1] & { release?: keyof typeof releases }} [options] `release`: default whichever is at hand
 */
export const startRabbitmq = ({ release, ...options } = {}) =>
  startPrivate(release === undefined ? rabbitmq : { ...rabbitmq, ways: releases[release] }, options);

/**
 * A way, where it leads to this release and to no other.
 * @param {string} release
 * @param {Way} way
 * @returns {Way}
 */
function only(release, way) {
  return {
    ...way,
    async missing(say) {
      const problem = await way.missing(say);
      if (problem) return problem;
      const version = await packageVersion();
      return version.startsWith(`${release}.`) ? undefined : `it is RabbitMQ ${version}`;
    },
  };
}

/** Of the program that {@link server} finds; it stands in the path that its link leads to. */
async function packageVersion() {
  const path = realpathSync(server() ?? '');
  return /rabbitmq_server-(\d+\.\d+\.\d+)/.exec(path)?.[1] ?? 'of an unknown version';
}

/**
 * Resolves once the quorum queues of these names would outlive `kill`. A node writes the name of a new one about a
 * second after it was declared; killed before that (seen on 3.10), it keeps the queue and never finds its data again:
 * every use of the queue then fails with INTERNAL_ERROR after a minute. Tests wait for this between declaring and
 * killing, since it is no fault they are about.
 * @param {{ directory: string }} instance
 * @param {string[]} names
 */
export async function quorumQueuesWritten({ directory }, names) {
  const written = await until(
    async () => {
      const onDisk = await namesOnDisk(directory);
      return names.every((name) => onDisk.includes(`_${name}`));
    },
    { within: 30_000 },
  );
  if (!written) throw new Error(`Not all of these became quorum queues on disk: ${names.join(', ')}.`);
}

/** @param {string} directory */
async function namesOnDisk(directory) {
  const state = readState(directory);
  if (state?.way === compose.name) {
    return compose.execute(state, ['sh', '-c', 'cat /var/lib/rabbitmq/mnesia/*/quorum/*/names.dets']);
  }
  const data = join(directory, 'data');
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' });
  const file = files.find((path) => path.includes('quorum') && basename(path) === 'names.dets');
  return file ? readFileSync(join(data, file), 'latin1') : '';
}

/**
 * The program itself. Debian's command of the same name is a wrapper that runs it as another user, who may not write
 * to our directories; so the real one is looked for first.
 * @returns {string | undefined}
 */
function server() {
  const directories = [
    '/usr/lib/rabbitmq/bin',
    ...(process.env.PATH ?? '').split(delimiter),
    '/opt/homebrew/sbin',
    '/usr/local/sbin',
  ];
  return directories.map((directory) => join(directory, 'rabbitmq-server')).find((file) => existsSync(file));
}

/**
 * An open port is not enough, since a container's proxy opens it before the broker is there: a broker that serves
 * answers the protocol's greeting with Connection.Start.
 * @param {string} url
 * @returns {Promise<string | undefined>}
 */
function probe(url) {
  if (!URL.canParse(url) || !/^amqps?:$/.test(new URL(url).protocol)) {
    return Promise.resolve('it is not an address like amqp://host:5672');
  }
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === 'amqps:';
  const to = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 5671 : 5672) };
  return new Promise((resolve) => {
    // Whether the certificate can be trusted is for the clients to judge.
    const socket = secure
      ? connectTls({ ...to, servername: hostname, rejectUnauthorized: false })
      : connect(to);
    /** @param {string} [problem] */
    const finish = (problem) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(5_000, () => finish('nothing answered within 5 s'));
    socket.once('error', (error) =>
      finish(`connecting failed (${/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message})`),
    );
    socket.once('close', () => finish('the connection was closed without an answer'));
    socket.write('AMQP\x00\x00\x09\x01', 'latin1');
    let answer = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length < 11) return;
      const greeting = answer[0] === 1 && answer.readUInt16BE(7) === 10 && answer.readUInt16BE(9) === 10;
      finish(greeting ? undefined : 'what answered does not speak AMQP 0-9-1');
    });
  });
}
