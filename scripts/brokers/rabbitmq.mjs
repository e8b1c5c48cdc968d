/** RabbitMQ for tests. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, delimiter, dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { installPackage } from './apt.mjs';
import { startPrivate } from './broker.mjs';
import * as compose from './compose.mjs';
import { freePorts } from './ports.mjs';
import { end, isRunning, startDetached } from './processes.mjs';
import { run, tail } from './run.mjs';
import * as shared from './shared.mjs';
import { readState } from './state.mjs';
import { until } from './until.mjs';

/**
 * @typedef {import('./broker.mjs').Broker} Broker
 * @typedef {import('./broker.mjs').Way} Way
 * @typedef {import('./broker.mjs').State} State
 */

/** @type {Way} */
const inContainer = {
  ...compose,
  async prepare(directory, { config = '' }) {
    const [port] = await freePorts(1);
    const file = join(directory, 'more.conf');
    writeFileSync(file, config);
    const variables = { RABBITMQ_PORT: String(port), RABBITMQ_CONFIG: file };
    return {
      way: compose.name,
      directory,
      url: address(port),
      ...compose.project('rabbitmq', directory, variables),
    };
  },
  control: (state, args) => compose.execute(state, ['rabbitmqctl', ...args]),
};

/** @type {Way} */
const fromPackage = {
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

  async prepare(directory, { config = '' }) {
    const [port, distribution, epmd] = await freePorts(3);
    mkdirSync(join(directory, 'log'));
    writeFileSync(
      join(directory, 'rabbitmq.conf'),
      [
        `listeners.tcp.local = 127.0.0.1:${port}`,
        // A broker for tests may fill what the machine has left; the default wants more free than some machines have.
        'disk_free_limit.absolute = 50MB',
        config,
        '',
      ].join('\n'),
    );
    return {
      way: fromPackage.name,
      directory,
      url: address(port),
      server: server(),
      ports: { distribution, epmd },
    };
  },

  async start(state) {
    const { directory } = state;
    // Started by us rather than by the node: then it is ours to stop, and listens on loopback alone.
    if (!isRunning(state.epmd)) {
      const args = ['-port', String(state.ports.epmd), '-address', '127.0.0.1'];
      state.epmd = await startDetached('epmd', args, {
        env: environment(state),
        cwd: directory,
        log: join(directory, 'log', 'epmd.log'),
      });
    }
    if (isRunning(state.node)) return;
    const log = join(directory, 'log', 'output.log');
    state.node = await startDetached(state.server, [], { env: environment(state), cwd: directory, log });
  },

  async stop(state) {
    await end(state.node, { signal: 'SIGTERM' });
  },

  async kill(state) {
    await end(state.node, { signal: 'SIGKILL' });
  },

  async remove(state) {
    await end(state.node, { signal: 'SIGTERM', within: 10_000 });
    await end(state.epmd, { signal: 'SIGTERM' });
  },

  async isRunning(state) {
    return isRunning(state.node);
  },

  async lastWords({ directory }) {
    const log = join(directory, 'log', 'output.log');
    return existsSync(log) ? tail(readFileSync(log, 'utf8'), 15) : '(none)';
  },

  async control(state, args) {
    const tool = join(dirname(state.server), 'rabbitmqctl');
    const { ok, output } = await run(tool, args, { env: environment(state), timeout: 60_000 });
    if (!ok) throw new Error(`rabbitmqctl ${args[0]} failed: ${tail(output)}`);
    return output;
  },
};

/** @type {Broker} */
export const rabbitmq = {
  name: 'rabbitmq',
  variable: 'RABBITMQ_URL',
  probe,
  ways: [inContainer, fromPackage],
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
 * @param {Parameters<typeof startPrivate>[1]} [options]
 */
export const startRabbitmq = (options) => startPrivate(rabbitmq, options);

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

/** The default user of every RabbitMQ, which may log in from loopback only. @param {number | undefined} port */
function address(port) {
  return `amqp://guest:guest@127.0.0.1:${port}`;
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
 * Everything a node would otherwise share with others of this machine, or put in the system's directories.
 * @param {State} state
 * @returns {NodeJS.ProcessEnv}
 */
function environment({ directory, ports }) {
  return {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    // Erlang keeps its cookie here, the secret by which nodes know one another.
    HOME: directory,
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // `localhost` keeps the name resolvable, and the same, wherever the machine's own name leads.
    RABBITMQ_NODENAME: `nest-messaging-${ports.distribution}@localhost`,
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, 'advanced.config'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'rabbitmq-env.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_LOGS: join(directory, 'log', 'node.log'),
    RABBITMQ_PID_FILE: join(directory, 'node.pid'),
    // Makes the start script become the node instead of guarding it, so that the pid we know is the node's.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
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
