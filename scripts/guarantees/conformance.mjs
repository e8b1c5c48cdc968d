import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from './markdown.mjs';

/** @typedef {{ concern: string, name: string, kept: 'native' | 'emulated' | 'refused' | 'meaningless', reason?: string }} Result */
/** @typedef {{ name: string, results: Result[] }} Transport */

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, '.tmp', 'guarantees');

/** In the order in which the brokers came to the module. */
const COLUMNS = ['memory', 'rabbitmq', 'kafka', 'kafka-platformatic', 'aws'];
/** @type {{ [name: string]: string }} */
const TITLES = {
  memory: 'memory',
  rabbitmq: 'RabbitMQ',
  kafka: 'Kafka (kafkajs)',
  'kafka-platformatic': 'Kafka (platformatic)',
  aws: 'AWS',
};

/** @returns {Transport[]} those that have a conformance test; a table with one of them left out would tell nothing */
export function readConformance() {
  const names = COLUMNS.filter((name) => existsSync(join(root, 'test', 'conformance', `${name}.spec.ts`)));
  return names.map((name) => {
    const file = join(folder, `${name}.json`);
    if (!existsSync(file))
      throw new Error(
        `test/conformance/${name}.spec.ts has not shown all of its guarantees: run it (or \`npm run test:all\`) first`,
      );
    return { name, results: /** @type {Result[]} */ (JSON.parse(readFileSync(file, 'utf8'))) };
  });
}

/** @param {Result} result */
function cell({ kept }) {
  return { native: '✓', emulated: 'emulated', refused: 'refused', meaningless: '–' }[kept];
}

/**
 * One cell for the guarantees of a concern.
 * @param {Result[]} results
 */
function summary(results) {
  /** @param {Result['kept']} kept */
  const count = (kept) => results.filter((result) => result.kept === kept).length;
  const [kept, emulated, refused] = [
    count('native') + count('emulated'),
    count('emulated'),
    count('refused'),
  ];
  if (kept + refused === 0) return '–';
  if (kept === 0) return 'refused';
  const notes = [emulated && `${emulated} emulated`, refused && `${refused} refused`].filter(Boolean);
  return `✓ ${kept}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
}

/** @param {Transport[]} transports */
function concerns(transports) {
  const [first] = transports;
  return [...new Set(first?.results.map(({ concern }) => concern))];
}

/** @param {Transport[]} transports */
export function short(transports) {
  const rows = concerns(transports).map((concern) => [
    concern,
    ...transports.map(({ results }) => summary(results.filter((result) => result.concern === concern))),
  ]);
  return `${table([['', ...transports.map(({ name }) => TITLES[name] ?? name)], ...rows])}

✓ with the number of guarantees shown; refused: the application does not start, and the error says why; – has no
meaning there. Broker by broker: [docs/guarantees.md](docs/guarantees.md).

<details>
<summary>Every guarantee by name</summary>

${byName(transports)}

</details>`;
}

/** @param {Transport[]} transports */
function byName(transports) {
  return concerns(transports)
    .map((concern) => {
      const of = transports[0]?.results.filter((result) => result.concern === concern) ?? [];
      return `**${concern}**\n\n${of.map(({ name }) => `- ${name}${refusals(transports, name)}`).join('\n')}`;
    })
    .join('\n\n');
}

/**
 * @param {Transport[]} transports
 * @param {string} guarantee
 */
function refusals(transports, guarantee) {
  const refusing = transports.filter(({ results }) =>
    results.some(({ name, kept }) => name === guarantee && kept === 'refused'),
  );
  return refusing.length > 0
    ? ` (refused on ${refusing.map(({ name }) => TITLES[name] ?? name).join(', ')})`
    : '';
}

/** @param {Transport[]} transports */
export function long(transports) {
  const titles = transports.map(({ name }) => TITLES[name] ?? name);
  const sections = concerns(transports).map((concern) => {
    const of = transports.map(({ results }) => results.filter((result) => result.concern === concern));
    const rows = (of[0] ?? []).map(({ name }, i) => [
      name,
      ...of.map((results) => {
        const result = results[i];
        if (result?.name !== name)
          throw new Error(`'${name}' was not shown on every broker: run all of test/conformance`);
        return cell(result);
      }),
    ]);
    return `### ${concern}\n\n${table([['', ...titles], ...rows])}`;
  });
  const reasons = transports.flatMap(({ name, results }) =>
    [...new Set(results.flatMap(({ reason }) => (reason === undefined ? [] : [reason])))].map(
      (reason) => `- ${TITLES[name] ?? name}: ${reason}`,
    ),
  );
  return `✓ kept · emulated: kept, by means of the module's own · refused: the application does not start, and the error says why ·
– has no meaning there${reasons.length > 0 ? `:\n\n${reasons.join('\n')}` : ''}

${sections.join('\n\n')}`;
}
