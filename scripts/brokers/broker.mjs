/**
 * What a broker's file tells about its broker, and how one instance of it is provided, stopped and started again.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { saveState, stateDirectory } from './state.mjs';
import { until } from './until.mjs';

/**
 * @typedef {import('./state.mjs').State} State
 *
 * @typedef {object} Broker
 * @property {string} name
 * @property {string} variable the environment variable that holds its address
 * @property {(url: string) => Promise<string | undefined>} probe tells what is wrong, or nothing where clients are served
 * @property {Way[]} ways in the order in which they are tried
 * @property {Way[]} [more] ways that a private instance alone can be started by, where a test asks for one
 *
 * @typedef {object} Way
 * @property {string} name
 * @property {(say: Say) => Promise<string | undefined>} missing tells what this way lacks here, or nothing; may install it
 * @property {(directory: string, options: Options) => Promise<State>} prepare chooses ports, writes configuration, starts nothing
 * @property {(state: State) => Promise<void>} start on the same data and address each time; need not wait until clients are served
 * @property {(state: State) => Promise<void>} stop gently; the data stay
 * @property {(state: State) => Promise<void>} kill at once; the data stay
 * @property {(state: State) => Promise<void>} remove ends all that runs, and removes what is kept outside the directory
 * @property {(state: State) => Promise<boolean>} isRunning
 * @property {(state: State) => Promise<string>} lastWords the end of its log, for the person who asks why it did not start
 * @property {(state: State, args: string[], input?: string) => Promise<string>} control the broker's own command-line tool
 *
 * @typedef {object} Options
 * @property {string} [config] more lines for the broker's configuration file
 * @property {Detour} [detour] where clients also reach it, of a broker that tells them where it is
 *
 * @typedef {object} Detour
 * @property {number} port where it listens
 * @property {number} advertised where those who come there are told that it is: a proxy
 *
 * @typedef {(line: string) => void} Say
 */

/** In milliseconds; a broker that does not serve by then will not. */
const startWithin = 120_000;

/**
 * A broker of one process's own, which it may kill and start again without disturbing others. One that its process
 * leaves behind is removed by the next command about brokers, unless its directory is elsewhere.
 * @param {Broker} broker
 * @param {Options & { directory?: string, say?: Say }} [options] `directory`: emptied first; default: a new one among the brokers' state
 */
export async function startPrivate(
  broker,
  { directory = ownDirectory(broker), say = () => {}, ...options } = {},
) {
  return instance(broker, await provide(broker, directory, { say, owner: process.pid, ...options }));
}

/** @param {Broker} broker */
function ownDirectory(broker) {
  return join(stateDirectory(), `${broker.name}-${process.pid}-${Date.now().toString(36)}`);
}

/**
 * Walks the ways in their order until one has a broker serving.
 * @param {Broker} broker
 * @param {string} directory
 * @param {Options & { say: Say, owner?: number }} options
 * @returns {Promise<State>}
 */
export async function provide(broker, directory, { say, owner, ...options }) {
  const tried = [];
  for (const way of broker.ways) {
    const missing = await way.missing(say);
    if (missing) {
      say(`${broker.name}: not by ${way.name}: ${missing}.`);
      tried.push(`${way.name}: ${missing}`);
      continue;
    }
    say(`${broker.name}: starting (${way.name}) …`);
    try {
      const state = await start(broker, way, directory, { owner, ...options });
      say(`${broker.name}: up at ${withoutCredentials(state.url)} (${way.name}).`);
      return state;
    } catch (error) {
      tried.push(`${way.name}: ${/** @type {Error} */ (error).message}`);
    }
  }
  throw new Error(
    [
      `${broker.name}: no broker could be provided. Tried, in this order:`,
      `  - an address in ${broker.variable}: it is not set`,
      ...tried.map((line) => `  - ${line.replaceAll('\n', '\n    ')}`),
      `Mend one of these, or start a broker yourself and set ${broker.variable} to its address.`,
    ].join('\n'),
  );
}

/**
 * @param {Broker} broker
 * @param {Way} way
 * @param {string} directory
 * @param {Options & { owner?: number }} options
 */
async function start(broker, way, directory, { owner, ...options }) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const state = { ...(await way.prepare(directory, options)), ...(owner && { owner }) };
  try {
    await startAndWait(broker, state);
    return state;
  } catch (error) {
    await discard(broker, state);
    throw error;
  }
}

/** @param {Broker} broker @param {State} state */
async function startAndWait(broker, state) {
  const way = wayOf(broker, state);
  await way.start(state);
  // Written down before it is waited for: if this process is ended now, `down` still finds what runs.
  saveState(state);
  /** @type {string | undefined} */
  let problem;
  const decided = await until(
    async () => {
      problem = await broker.probe(state.url);
      return !problem || !(await way.isRunning(state));
    },
    { within: startWithin },
  );
  if (!problem) return;
  const what = decided
    ? 'it ended while starting'
    : `it did not serve within ${startWithin / 1000} s: ${problem}`;
  throw new Error(`${what}. Its last words:\n${await way.lastWords(state)}`);
}

/** Ends the instance, whatever state it is in, and removes all that it kept. @param {Broker} broker @param {State} state */
export async function discard(broker, state) {
  await wayOf(broker, state).remove(state);
  rmSync(state.directory, { recursive: true, force: true });
}

/** @param {Broker} broker @param {State} state */
export function instance(broker, state) {
  const way = wayOf(broker, state);
  return {
    url: state.url,
    directory: state.directory,
    /** At once, as `kill -9` does. The data stay. */
    kill: () => way.kill(state),
    /** Gently. The data stay. */
    stop: () => way.stop(state),
    /** On the same address and data as before. Resolves once clients are served. */
    start: () => startAndWait(broker, state),
    /** The broker's own command-line tool, here. Resolves with what it printed. @param {string[]} args */
    control: (...args) => way.control(state, args),
    /** The same, with something to read on its standard input. @param {string} input @param {string[]} args */
    controlWith: (input, ...args) => way.control(state, args, input),
    /** Ends it for good and removes its data. */
    remove: () => discard(broker, state),
  };
}

/** @param {Broker} broker @param {State} state */
function wayOf(broker, state) {
  const way = [...broker.ways, ...(broker.more ?? [])].find(({ name }) => name === state.way);
  if (!way)
    throw new Error(`${broker.name}: ${state.directory} was started by an unknown way (${state.way}).`);
  return way;
}

/** @param {string} url */
export function withoutCredentials(url) {
  // host:port, or several with commas between, has no room for them.
  if (!/[@/]/.test(url)) return url;
  if (!url.includes('://') || !URL.canParse(url)) return 'an address that is no URL';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
