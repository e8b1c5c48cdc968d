/** The one broker of each kind that all tests of this working tree share. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { discard, instance, provide, withoutCredentials } from './broker.mjs';
import { isAlive, withLock } from './lock.mjs';
import { readState, saveState, stateDirectory } from './state.mjs';

/**
 * @typedef {import('./broker.mjs').Broker} Broker
 * @typedef {import('./broker.mjs').Say} Say
 */

/**
 * Finds the broker, or starts it.
 * @param {Broker} broker
 * @param {{ say?: Say, holder?: number }} [options] `holder`: pid of a process that calls `release` in the end; without it the broker stays until `down`
 * @returns {Promise<string>} its address
 */
export async function up(broker, { say = () => {}, holder } = {}) {
  const given = process.env[broker.variable];
  if (given) return useGiven(broker, given, say);
  return locked(broker, async (directory) => {
    const state = (await findStarted(broker, directory, say)) ?? (await provide(broker, directory, { say }));
    if (holder === undefined) state.kept = true;
    else state.holders = [...livingHolders(state), holder];
    saveState(state);
    return state.url;
  });
}

/**
 * Stops what `up` started, and nothing else.
 * @param {Broker} broker
 * @param {{ say?: Say }} [options]
 */
export async function down(broker, { say = () => {} } = {}) {
  await locked(broker, async (directory) => {
    const state = readState(directory);
    if (state) {
      await discard(broker, state);
      say(`${broker.name}: stopped the one at ${withoutCredentials(state.url)} (${state.way}).`);
    } else if (process.env[broker.variable]) {
      say(`${broker.name}: its address was given in ${broker.variable}, so it is not ours to stop.`);
    } else {
      say(`${broker.name}: none was started here.`);
    }
  });
}

/**
 * A holder has finished. If it was the last, and nobody said `up` besides, the broker stops.
 * @param {Broker} broker
 * @param {{ holder: number, say?: Say }} options
 */
export async function release(broker, { holder, say = () => {} }) {
  if (process.env[broker.variable]) return;
  await locked(broker, async (directory) => {
    const state = readState(directory);
    if (!state) return;
    state.holders = livingHolders(state).filter((pid) => pid !== holder);
    saveState(state);
    if (state.kept || state.holders.length > 0) return;
    await discard(broker, state);
    say(`${broker.name}: stopped.`);
  });
}

/**
 * @param {Broker} broker
 * @returns {Promise<{ url?: string, text: string }>} `url` only while clients are served there
 */
export async function status(broker) {
  const given = process.env[broker.variable];
  const state = given ? undefined : readState(join(stateDirectory(), broker.name));
  const url = given ?? state?.url;
  if (!url) return { text: `${broker.name}: down` };
  const where = `${withoutCredentials(url)} (${state ? state.way : `given in ${broker.variable}`})`;
  const problem = await broker.probe(url);
  return problem
    ? { text: `${broker.name}: not serving at ${where}: ${problem}` }
    : { url, text: `${broker.name}: up at ${where}` };
}

/** The broker that `up` started, to kill and start again. @param {Broker} broker */
export function sharedInstance(broker) {
  const state = process.env[broker.variable] ? undefined : readState(join(stateDirectory(), broker.name));
  if (state) return instance(broker, state);
  throw new Error(`${broker.name}: not started by this project, so not for it to stop.`);
}

/** @param {Broker} broker @param {string} url @param {Say} say */
async function useGiven(broker, url, say) {
  const problem = await broker.probe(url);
  if (!problem) {
    say(`${broker.name}: using the one at ${withoutCredentials(url)} (given in ${broker.variable}).`);
    return url;
  }
  throw new Error(
    `${broker.name}: ${broker.variable} is given as ${withoutCredentials(url)}, but ${problem}. ` +
      `Start that broker, correct the address, or unset ${broker.variable} to have one started.`,
  );
}

/** The one started earlier, if it still serves. @param {Broker} broker @param {string} directory @param {Say} say */
async function findStarted(broker, directory, say) {
  const state = readState(directory);
  if (!state) return undefined;
  if (!(await broker.probe(state.url))) {
    say(`${broker.name}: already up at ${withoutCredentials(state.url)} (${state.way}).`);
    return state;
  }
  say(`${broker.name}: the one started earlier no longer serves.`);
  await discard(broker, state);
  return undefined;
}

/** A test run that was killed could not release what it held. @param {import('./state.mjs').State} state */
function livingHolders(state) {
  return (state.holders ?? []).filter(isAlive);
}

/**
 * @template T
 * @param {Broker} broker
 * @param {(directory: string) => Promise<T>} work
 */
function locked(broker, work) {
  return withLock(join(stateDirectory(), `${broker.name}.lock`), async () => {
    await sweep(broker);
    return work(join(stateDirectory(), broker.name));
  });
}

/** Removes the private instances of processes that ended without doing so. @param {Broker} broker */
async function sweep(broker) {
  if (!existsSync(stateDirectory())) return;
  const directories = readdirSync(stateDirectory()).filter((name) => name.startsWith(`${broker.name}-`));
  for (const name of directories) {
    const state = readState(join(stateDirectory(), name));
    if (state?.owner !== undefined && !isAlive(state.owner)) await discard(broker, state);
  }
}
