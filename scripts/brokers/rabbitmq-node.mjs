/** A RabbitMQ node without a container: from the programs of a package, wherever they are. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePorts } from './ports.mjs';
import { end, isRunning, startDetached } from './processes.mjs';
import { run, tail } from './run.mjs';

/**
 * @typedef {import('./broker.mjs').State} State
 *
 * @typedef {object} Place where the programs are
 * @property {string} name
 * @property {import('./broker.mjs').Way['missing']} missing
 * @property {() => string} server the program `rabbitmq-server`, as it is called there
 * @property {(directory: string, command: string, ...args: string[]) => string[]} enter the command that runs another one there, where the directory is to be seen
 */

/** @param {Place} place @returns {import('./broker.mjs').Way} */
export function onNode({ name, missing, server, enter }) {
  /** @param {State} state @param {string} command @param {string[]} args @param {string} log */
  const startThere = async (state, command, args, log) => {
    const { directory } = state;
    const [program = '', ...rest] = enter(directory, command, ...args);
    return startDetached(program, rest, {
      env: environment(state),
      cwd: directory,
      log: join(directory, 'log', log),
    });
  };

  return {
    name,
    missing,

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
      return { way: name, directory, url: address(port), server: server(), ports: { distribution, epmd } };
    },

    async start(state) {
      // Started by us rather than by the node: then it is ours to stop, and listens on loopback alone.
      if (!isRunning(state.epmd)) {
        const args = ['-port', String(state.ports.epmd), '-address', '127.0.0.1'];
        state.epmd = await startThere(state, 'epmd', args, 'epmd.log');
      }
      if (isRunning(state.node)) return;
      state.node = await startThere(state, state.server, [], 'output.log');
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
      const [program = '', ...rest] = enter(state.directory, tool, ...args);
      const { ok, output } = await run(program, rest, { env: environment(state), timeout: 60_000 });
      if (!ok) throw new Error(`rabbitmqctl ${args[0]} failed: ${tail(output)}`);
      return output;
    },
  };
}

/** The default user of every RabbitMQ, which may log in from loopback only. @param {number | undefined} port */
export function address(port) {
  return `amqp://guest:guest@127.0.0.1:${port}`;
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
