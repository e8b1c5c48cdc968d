/** Apache Kafka for tests: one node that is both broker and controller (KRaft). */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackage } from './apt.mjs';
import { startPrivate } from './broker.mjs';
import * as compose from './compose.mjs';
import { freePorts } from './ports.mjs';
import { end, isRunning, startDetached } from './processes.mjs';
import { run, tail } from './run.mjs';
import * as shared from './shared.mjs';

/**
 * @typedef {import('./broker.mjs').Broker} Broker
 * @typedef {import('./broker.mjs').Way} Way
 * @typedef {import('./broker.mjs').State} State
 */

/** Of Kafka 4. */
const oldestJava = 17;

/** Enough for 3000 partitions on which tests work. */
const heap = '-Xmx512m';

/** The broker's own tools, by the names that its distribution gives their scripts. */
const tools = {
  'kafka-acls': 'org.apache.kafka.tools.AclCommand',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-groups': 'org.apache.kafka.tools.GroupsCommand',
  'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'kafka-metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
};

/** @type {Way} */
const inContainer = {
  ...compose,
  async prepare(directory, { config = '', detour }) {
    if (detour) throw new Error('In a container Kafka has no second address.');
    const [port, controller] = await freePorts(2);
    const folder = join(directory, 'config');
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'server.properties'),
      // The same port inside as outside, since clients go on to where the broker says that it is: the tools in the
      // container, too.
      properties({ host: '0.0.0.0', port, controller, data: '/var/lib/kafka/data/log', config }),
    );
    const variables = { KAFKA_PORT: String(port), KAFKA_CONFIG: folder };
    return {
      way: compose.name,
      directory,
      url: address(port),
      ...compose.project('kafka', directory, variables),
    };
  },

  async lastWords(state) {
    return tail(withoutTraces(await compose.lastWords(state, 100)), 15);
  },

  async control(state, [tool = '', ...args], input) {
    // One that is unknown where the broker runs from its jars is unknown here.
    mainClass(tool);
    const to = ['--bootstrap-server', state.url];
    return compose.execute(state, [`/opt/kafka/bin/${tool}.sh`, ...to, ...args], input);
  },
};

/** @type {Way} */
const fromJars = {
  name: 'its jars by Maven',

  async missing(say) {
    return (await javaMissing(say)) ?? (await jarsMissing(say));
  },

  async prepare(directory, { config = '', detour }) {
    const [port, controller] = await freePorts(2);
    const data = join(directory, 'data');
    for (const folder of ['log', 'tmp']) mkdirSync(join(directory, folder));
    writeFileSync(
      join(directory, 'server.properties'),
      properties({ host: '127.0.0.1', port, controller, data, config, detour }),
    );
    return {
      way: fromJars.name,
      directory,
      url: address(port),
      jars: jars(),
      ports: { controller },
    };
  },

  async start(state) {
    if (isRunning(state.node)) return;
    const { directory } = state;
    const file = join(directory, 'server.properties');
    // A node starts only on storage that bears the name of a cluster: once it does, this file is there.
    if (!existsSync(join(directory, 'data', 'meta.properties'))) {
      const cluster = randomBytes(16).toString('base64url');
      const format = ['format', `--cluster-id=${cluster}`, `--config=${file}`];
      await runJava(state, 'kafka.tools.StorageTool', format);
    }
    state.node = await startDetached(java(), [heap, ...options(state), '-Dlevel=WARN', 'kafka.Kafka', file], {
      env: process.env,
      cwd: directory,
      log: join(directory, 'log', 'output.log'),
    });
  },

  async stop(state) {
    await end(state.node, { signal: 'SIGTERM' });
  },

  async kill(state) {
    await end(state.node, { signal: 'SIGKILL' });
  },

  async remove(state) {
    // What a gentle end would write is thrown away next.
    await end(state.node, { signal: 'SIGKILL' });
  },

  async isRunning(state) {
    return isRunning(state.node);
  },

  async lastWords({ directory }) {
    const log = join(directory, 'log', 'output.log');
    return existsSync(log) ? tail(withoutTraces(readFileSync(log, 'utf8')), 15) : '(none)';
  },

  async control(state, [tool = '', ...args], input) {
    return runJava(state, mainClass(tool), ['--bootstrap-server', state.url, ...args], input);
  },
};

/** @type {Broker} */
export const kafka = {
  name: 'kafka',
  variable: 'KAFKA_BROKERS',
  probe,
  ways: [inContainer, fromJars],
};

/** @param {Parameters<typeof shared.up>[1]} [options] */
export const up = (options) => shared.up(kafka, options);

/** @param {Parameters<typeof shared.down>[1]} [options] */
export const down = (options) => shared.down(kafka, options);

/** Kills the shared broker as `kill -9` does. Disturbs every test that uses it: see `startKafka`. */
export const kill = () => shared.sharedInstance(kafka).kill();

/** Starts the shared broker again on its old data and address. */
export const restart = () => shared.sharedInstance(kafka).start();

/**
 * A Kafka of the calling test's own, which it may kill and start again. In the end it calls `remove`. Its
 * `control('kafka-topics', '--list')` runs the broker's own tool, which is told the address.
 * @param {Parameters<typeof startPrivate>[1]} [options] `config`: lines for server.properties, stronger than ours
 */
export const startKafka = (options) => startPrivate(kafka, options);

/** @param {number | undefined} port */
function address(port) {
  return `127.0.0.1:${port}`;
}

/**
 * A node for tests: small, quick to notice, and with nothing made by accident. Of settings that are given twice, the
 * last counts.
 * @param {{ host: string, port: number | undefined, controller: number | undefined, data: string, config: string, detour?: import('./broker.mjs').Detour }} node
 */
function properties({ host, port, controller, data, config, detour }) {
  /** @param {(detour: import('./broker.mjs').Detour) => number} port */
  const more = (port) => (detour ? `,DETOUR://127.0.0.1:${port(detour)}` : '');
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `listeners=PLAINTEXT://${host}:${port},CONTROLLER://127.0.0.1:${controller}${more(({ port }) => port)}`,
    `advertised.listeners=PLAINTEXT://${address(port)}${more(({ advertised }) => advertised)}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT',
    'controller.listener.names=CONTROLLER',
    `controller.quorum.voters=1@127.0.0.1:${controller}`,
    `log.dirs=${data}`,
    'auto.create.topics.enable=false',
    // There is one broker to hold what Kafka keeps for itself.
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=4',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    'share.coordinator.state.topic.num.partitions=1',
    // The controller lets a killed broker back in only once its session has ended: 9 s by default.
    'broker.session.timeout.ms=3000',
    'broker.heartbeat.interval.ms=500',
    // Groups form at once, and notice soon that a member has died; the defaults wait 3 s, and refuse less than 6 s.
    'group.initial.rebalance.delay.ms=0',
    'group.min.session.timeout.ms=1000',
    'group.max.session.timeout.ms=3600000',
    'group.consumer.min.session.timeout.ms=1000',
    'group.consumer.min.heartbeat.interval.ms=200',
    // What is deleted or has expired goes soon.
    'log.initial.task.delay.ms=1000',
    'log.retention.check.interval.ms=2000',
    'log.segment.delete.delay.ms=1000',
    'log.cleaner.backoff.ms=2000',
    // Each partition sets aside two files of this size, 10 MB by default.
    'log.index.size.max.bytes=100000',
    // 128 MB of the heap by default.
    'log.cleaner.dedupe.buffer.size=8388608',
    'num.network.threads=2',
    'num.io.threads=4',
    config,
    '',
  ].join('\n');
}

/** @param {string} tool */
function mainClass(tool) {
  if (Object.hasOwn(tools, tool)) return tools[/** @type {keyof typeof tools} */ (tool)];
  throw new Error(`"${tool}" is none of the broker's tools known here: ${Object.keys(tools).join(', ')}.`);
}

/**
 * One of the programs in the jars, to its end. What it printed.
 * @param {State} state
 * @param {string} main its main class
 * @param {string[]} args
 * @param {string} [input]
 */
async function runJava(state, main, args, input) {
  const { ok, output } = await run(java(), [...options(state), '-Dlevel=ERROR', main, ...args], {
    cwd: state.directory,
    timeout: 60_000,
    input,
  });
  if (!ok) throw new Error(`${main} ${args.join(' ')} failed: ${tail(withoutTraces(output))}`);
  return output;
}

/** What went wrong stands above twenty lines of where in Kafka it did. @param {string} text */
function withoutTraces(text) {
  return text.replaceAll(/^\s+(at |\.\.\. \d+ more).*\n?/gm, '');
}

/** @param {State} state */
function options({ directory, jars: folder }) {
  return [
    // Nothing of ours outside of the directory: libraries are unpacked here, and a node that is killed leaves them.
    `-Djava.io.tmpdir=${join(directory, 'tmp')}`,
    '-XX:-UsePerfData',
    // Starts sooner, and with fewer threads, on the few cores that tests are given.
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    `-Dlog4j2.configurationFile=${fileURLToPath(new URL('./kafka/log4j2.xml', import.meta.url))}`,
    '-classpath',
    join(folder, '*'),
  ];
}

function java() {
  return process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java';
}

/** @param {import('./broker.mjs').Say} say @returns {Promise<string | undefined>} */
async function javaMissing(say) {
  let found = await javaVersion();
  // Another Java would not be looked at where somebody has said which.
  if (found === undefined && !process.env.JAVA_HOME) {
    const problem = await installPackage('default-jre-headless', [], say);
    if (problem) return problem;
    found = await javaVersion();
  }
  if (found !== undefined && found >= oldestJava) return undefined;
  return (
    `Kafka 4 needs Java ${oldestJava} or later, and ${java()} is ${found ? `Java ${found}` : 'none'}: ` +
    `install one, or set JAVA_HOME to one`
  );
}

/** The major version of the Java that is found, if any. */
async function javaVersion() {
  const { ok, output } = await run(java(), ['-version']);
  const version = ok ? /version "(\d+)/.exec(output)?.[1] : undefined;
  return version === undefined ? undefined : Number(version);
}

const pom = fileURLToPath(new URL('./kafka/pom.xml', import.meta.url));

/** Where the jars are kept for all that is started here; another version has another folder. */
function jars() {
  const id = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12);
  return fileURLToPath(new URL(`../../.tmp/kafka-${id}`, import.meta.url));
}

/** @param {import('./broker.mjs').Say} say @returns {Promise<string | undefined>} */
async function jarsMissing(say) {
  if (existsSync(jars())) return undefined;
  if (!(await run('mvn', ['--version'])).ok) {
    const problem = await installPackage('maven', [], say);
    if (problem) return problem;
  }
  say('Fetching Apache Kafka with Maven …');
  // Whole or not at all: a download may be ended half-way.
  const draft = `${jars()}-${process.pid}`;
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${draft}`];
  const { ok, output } = await run('mvn', ['--quiet', '--batch-mode', `--file=${pom}`, ...goal], {
    timeout: 10 * 60_000,
  });
  try {
    // The first line of its errors tells what is wrong, the last ones how to ask for more of them.
    if (!ok) return `Maven could not fetch it: ${output.split('\n').find((line) => line.includes('ERROR'))}`;
    if (!existsSync(jars())) renameSync(draft, jars());
    return undefined;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/**
 * @param {string} url host:port, or several with commas between; one that serves is enough, as it is for clients
 * @returns {Promise<string | undefined>}
 */
async function probe(url) {
  const problems = await Promise.all(url.split(',').map(probeOne));
  return problems.every((problem) => problem !== undefined) ? [...new Set(problems)].join('; ') : undefined;
}

/** Metadata (3) in version 4, correlation 1, of the client "probe", about no topic, and none is to be made. */
const request = Buffer.from('00030004' + '00000001' + '000570726f6265' + '00000000' + '00', 'hex');

/**
 * An open port is not enough, since it opens long before: a broker counts itself among those that it tells of once its
 * controller has let it in, and from then on topics can be made. The answer is a length, the correlation, a time of
 * throttling and the number of brokers, each in four bytes, and the brokers.
 * @param {string} hostAndPort
 * @returns {Promise<string | undefined>}
 */
function probeOne(hostAndPort) {
  const [, host, port] = /^\[?([^@/\s]+?)\]?:(\d+)$/.exec(hostAndPort) ?? [];
  if (!host || !(Number(port) <= 65_535))
    return Promise.resolve('it is not an address like host:9092,host:9092');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
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
    const length = Buffer.alloc(4);
    length.writeInt32BE(request.length);
    socket.write(Buffer.concat([length, request]));
    let answer = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length < 16) return;
      if (answer.readInt32BE(4) !== 1) finish("what answered does not speak Kafka's protocol without TLS");
      else finish(answer.readInt32BE(12) > 0 ? undefined : 'its controller has not let it in yet');
    });
  });
}
