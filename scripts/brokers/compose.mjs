/** Brokers in containers, by Docker Compose: each instance is a project of its own over one service of compose.yaml. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { run, tail } from './run.mjs';

/** @typedef {import('./broker.mjs').State} State */

const file = fileURLToPath(new URL('./compose.yaml', import.meta.url));

export const name = 'Docker Compose';

/** A first start pulls the image. */
const pullWithin = 10 * 60_000;

/** What Docker Compose lacks here, or nothing. @returns {Promise<string | undefined>} */
export async function missing() {
  const daemon = await run('docker', ['info'], { timeout: 15_000 });
  if (!daemon.ok) return `no Docker daemon answers (docker info: ${tail(daemon.output, 1)})`;
  const compose = await run('docker', ['compose', 'version']);
  return compose.ok
    ? undefined
    : `Docker answers, but has no Compose (docker compose version: ${tail(compose.output, 1)})`;
}

/**
 * @param {string} service
 * @param {string} directory
 * @param {Record<string, string>} variables what compose.yaml leaves open
 */
export function project(service, directory, variables) {
  // The same directory gives the same name, so that what was started can be found again.
  const id = createHash('sha256').update(directory).digest('hex').slice(0, 12);
  return { service, project: `nest-messaging-${service}-${id}`, variables };
}

/** @param {State} state */
export async function start(state) {
  await compose(state, ['up', '--detach', '--no-recreate', state.service], { timeout: pullWithin });
}

/** @param {State} state */
export async function stop(state) {
  await compose(state, ['stop', state.service], { timeout: 60_000 });
}

/** @param {State} state */
export async function kill(state) {
  await compose(state, ['kill', state.service]);
}

/** @param {State} state */
export async function remove(state) {
  await compose(state, ['down', '--volumes', '--timeout', '10'], { timeout: 60_000 });
}

/** @param {State} state */
export async function isRunning(state) {
  return (await compose(state, ['ps', '--status', 'running', '--quiet', state.service])) !== '';
}

/** @param {State} state @param {number} [lines] */
export async function lastWords(state, lines = 15) {
  return compose(state, ['logs', '--no-color', '--no-log-prefix', '--tail', String(lines), state.service]);
}

/** @param {State} state @param {string[]} args @param {string} [input] */
export async function execute(state, args, input) {
  return compose(state, ['exec', '--no-TTY', state.service, ...args], { input });
}

/**
 * @param {State} state
 * @param {string[]} args
 * @param {{ timeout?: number, input?: string }} [options]
 */
async function compose(state, args, options) {
  const env = { ...process.env, ...state.variables };
  const { ok, output } = await run(
    'docker',
    ['compose', '--project-name', state.project, '--file', file, ...args],
    { env, ...options },
  );
  if (!ok) throw new Error(`docker compose ${args[0]} failed: ${tail(output)}`);
  return output;
}
