/** SNS, SQS and S3 for tests, without Amazon: fauxqs, and moto for a second opinion. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeBinary } from '../runtimes/runtimes.mjs';
import { startPrivate } from './broker.mjs';
import { withLock } from './lock.mjs';
import { freePorts } from './ports.mjs';
import { end, isRunning, startDetached } from './processes.mjs';
import { run, tail } from './run.mjs';
import * as shared from './shared.mjs';

/**
 * @typedef {import('./broker.mjs').Broker} Broker
 * @typedef {import('./broker.mjs').Way} Way
 * @typedef {import('./broker.mjs').State} State
 */

const installWithin = 10 * 60_000;

/** What one process that serves everything on one port has in common with another. */
const oneProcess = {
  /** @param {State} state */
  async stop(state) {
    await end(state.node, { signal: 'SIGTERM', within: 10_000 });
  },

  /** @param {State} state */
  async kill(state) {
    await end(state.node, { signal: 'SIGKILL' });
  },

  /** @param {State} state */
  async remove(state) {
    // What a gentle end would write is thrown away next.
    await end(state.node, { signal: 'SIGKILL' });
  },

  /** @param {State} state */
  async isRunning(state) {
    return isRunning(state.node);
  },

  /** @param {State} state */
  async lastWords({ directory }) {
    const log = join(directory, 'output.log');
    return (existsSync(log) && tail(readFileSync(log, 'utf8'), 15)) || '(none)';
  },

  /** @returns {Promise<string>} */
  async control() {
    throw new Error('An emulator of AWS has no command-line tool: use the SDK.');
  },
};

/**
 * @param {string} way
 * @param {string} directory
 * @param {import('./broker.mjs').Options} options
 */
async function withPort(way, directory, { config }) {
  if (config) throw new Error('An emulator of AWS reads no configuration.');
  const [port] = await freePorts(1);
  return { way, directory, url: `http://127.0.0.1:${port}` };
}

/** Its data stay through `stop` and `kill`, except for what it remembers of deduplication. @type {Way} */
const fauxqs = {
  ...oneProcess,
  name: 'fauxqs',

  async missing(say) {
    return (await nodeMissing(say)) ?? (await fauxqsMissing(say));
  },

  async prepare(directory, options) {
    return withPort(fauxqs.name, directory, options);
  },

  async start(state) {
    if (isRunning(state.node)) return;
    const { directory } = state;
    const program = fileURLToPath(new URL('./aws/fauxqs/serve.mjs', import.meta.url));
    const args = ['--no-warnings=ExperimentalWarning', program, new URL(state.url).port];
    state.node = await startDetached(await nodeForFauxqs(), [...args, join(directory, 'data')], {
      env: withoutOptions(),
      cwd: directory,
      log: join(directory, 'output.log'),
    });
  },
};

/** In memory: its data go with `stop` and `kill`. Slow, and written by others than fauxqs. @type {Way} */
const moto = {
  ...oneProcess,
  name: 'moto',

  missing: motoMissing,

  async prepare(directory, options) {
    return {
      ...(await withPort(moto.name, directory, options)),
      program: join(venv(), 'bin', 'python'),
    };
  },

  async start(state) {
    if (isRunning(state.node)) return;
    const script = fileURLToPath(new URL('./aws/moto/serve.py', import.meta.url));
    const args = [script, '-H', '127.0.0.1', '-p', new URL(state.url).port];
    state.node = await startDetached(state.program, args, {
      env: process.env,
      cwd: state.directory,
      log: join(state.directory, 'output.log'),
    });
  },
};

const emulators = [fauxqs, moto];

/** The name of the emulator that `up` starts. */
const choice = 'AWS_EMULATOR';

/** @type {Broker} */
export const aws = {
  name: 'aws',
  variable: 'AWS_ENDPOINT_URL',
  probe,
  // One emulator in place of another would change what the tests show, and nobody would know why.
  ways: emulators.map((way) => ({
    ...way,
    missing: async (say) => {
      const chosen = process.env[choice] || fauxqs.name;
      return chosen === way.name ? way.missing(say) : `${choice} would have to be ${way.name}`;
    },
  })),
};

/** @param {Parameters<typeof shared.up>[1]} [options] */
export const up = (options) => shared.up(aws, options);

/** @param {Parameters<typeof shared.down>[1]} [options] */
export const down = (options) => shared.down(aws, options);

/** Kills the shared emulator as `kill -9` does. Disturbs every test that uses it: see `startAws`. */
export const kill = () => shared.sharedInstance(aws).kill();

/** Starts the shared emulator again on its old data and address. */
export const restart = () => shared.sharedInstance(aws).start();

/**
 * An emulator of the calling test's own, which it may kill and start again. In the end it calls `remove`. There is no
 * `control`, and no `config`.
 * @param {Parameters<typeof startPrivate>[1] & { by?: 'fauxqs' | 'moto' }} [options] `by`: default fauxqs, which keeps its data through `kill`; moto does not
 */
export const startAws = ({ by = 'fauxqs', ...options } = {}) =>
  startPrivate({ ...aws, ways: emulators.filter(({ name }) => name === by) }, options);

/** Python with Amazon's own client in it, which comes with moto: for those who play a stranger. */
export async function pythonWithBoto3() {
  const missing = await motoMissing(() => {});
  if (missing) throw new Error(missing);
  return join(venv(), 'bin', 'python');
}

/** fauxqs keeps its data by node:sqlite, which is there without a flag since this version. */
const sqliteSince = [22, 13];

/** @param {import('./broker.mjs').Say} [say] */
function nodeForFauxqs(say = () => {}) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = sqliteSince;
  const suffices = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  return suffices ? Promise.resolve(process.execPath) : nodeBinary(24, say);
}

/** @param {import('./broker.mjs').Say} say @returns {Promise<string | undefined>} */
async function nodeMissing(say) {
  try {
    // `npm ci` writes its folder anew, so one at a time.
    await installing(() => nodeForFauxqs(say));
    return undefined;
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}

const fauxqsFolder = fileURLToPath(new URL('./aws/fauxqs', import.meta.url));

/** @param {import('./broker.mjs').Say} say @returns {Promise<string | undefined>} */
async function fauxqsMissing(say) {
  const wanted = version(join(fauxqsFolder, 'package.json'), ({ dependencies }) => dependencies?.fauxqs);
  const found = () => version(join(fauxqsFolder, 'node_modules', 'fauxqs', 'package.json'));
  if (found() === wanted) return undefined;
  return installing(async () => {
    if (found() === wanted) return undefined;
    say(`Installing fauxqs ${wanted} …`);
    const { ok, output } = await run('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: fauxqsFolder,
      timeout: installWithin,
    });
    return ok && found() === wanted ? undefined : `fauxqs could not be installed: ${tail(output)}`;
  });
}

/**
 * @param {string} file
 * @param {(content: { version?: string, dependencies?: Record<string, string> }) => string | undefined} [pick]
 */
function version(file, pick = (content) => content.version) {
  return existsSync(file) ? pick(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
}

const requirements = fileURLToPath(new URL('./aws/moto/requirements.txt', import.meta.url));

/** Where moto is kept for all that is started here; another version has another folder. */
function venv() {
  const id = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  return fileURLToPath(new URL(`../../.tmp/moto-${id}`, import.meta.url));
}

/** @param {import('./broker.mjs').Say} say @returns {Promise<string | undefined>} */
async function motoMissing(say) {
  // Written last of all, since a virtual environment cannot be moved to its place once it is whole.
  const proof = join(venv(), 'whole');
  if (existsSync(proof)) return undefined;
  return installing(async () => {
    if (existsSync(proof)) return undefined;
    say('Installing moto with pip …');
    rmSync(venv(), { recursive: true, force: true });
    const steps = [
      ['python3', '-m', 'venv', venv()],
      [join(venv(), 'bin', 'pip'), 'install', '--quiet', '--no-deps', '--requirement', requirements],
    ];
    for (const [command = '', ...args] of steps) {
      const { ok, output } = await run(command, args, { timeout: installWithin });
      if (!ok) return `moto could not be installed (${command} ${args[0]}): ${tail(output)}`;
    }
    writeFileSync(proof, '');
    return undefined;
  });
}

/** @template T @param {() => Promise<T>} work */
function installing(work) {
  return withLock(fileURLToPath(new URL('../../.tmp/aws.lock', import.meta.url)), work);
}

/** What is meant for the Node that runs the tests is not meant for this one. */
function withoutOptions() {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return env;
}

/** One request to each service, and how its answer begins. */
const questions = [
  {
    service: 'sqs',
    type: 'application/x-amz-json-1.0',
    headers: { 'x-amz-target': 'AmazonSQS.ListQueues' },
    body: '{"MaxResults":1}',
    answer: /^\{/,
  },
  {
    service: 'sns',
    type: 'application/x-www-form-urlencoded',
    headers: {},
    body: 'Action=ListTopics&Version=2010-03-31',
    answer: /^\s*(<\?xml[^>]*>\s*)?<ListTopicsResponse/,
  },
];

/**
 * @param {string} url
 * @returns {Promise<string | undefined>}
 */
async function probe(url) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    return 'it is not an address like http://host:4566';
  }
  for (const question of questions) {
    const problem = await ask(url, question);
    if (problem) return problem;
  }
  return undefined;
}

/** @param {string} url @param {typeof questions[number]} question @returns {Promise<string | undefined>} */
function ask(url, { service, type, headers, body, answer }) {
  // Nobody checks it; but by the service that it names, some tell which one is meant.
  const scope = `test/20260101/us-east-1/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
  const options = {
    method: 'POST',
    agent: false,
    timeout: 5_000,
    headers: { ...headers, authorization, 'content-type': type, 'content-length': body.length },
  };
  return new Promise((resolve) => {
    const send = url.startsWith('https:') ? secureRequest : plainRequest;
    const request = send(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.once('error', () => resolve('the connection was closed within an answer'));
      response.once('end', () => {
        const served = response.statusCode === 200 && answer.test(text);
        resolve(
          served ? undefined : `${service.toUpperCase()} does not answer there (${response.statusCode})`,
        );
      });
    });
    request.once('timeout', () => {
      resolve('nothing answered within 5 s');
      request.destroy();
    });
    request.once('error', (error) => {
      resolve(`connecting failed (${/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message})`);
    });
    request.end(body);
  });
}
