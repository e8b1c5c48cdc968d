import type { ExplainedConnection, ExplainedNeed } from '../engine/index.js';
import type { Explanation } from './explanation.js';

type Row = readonly string[];

/** Columns as wide as their widest cell; the last one runs on. */
function columns(rows: readonly Row[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd(),
  );
}

const GIVEN: Readonly<Record<ExplainedNeed['given'], string>> = {
  native: 'native',
  emulated: 'emulated',
  refused: 'REFUSED',
  'not given': 'not given',
};

const inShort = (needs: readonly ExplainedNeed[]): string[] =>
  needs.map(({ need, given }) => `${need}: ${GIVEN[given]}`);

function handlersOf({ handlers }: ExplainedConnection): string[] {
  if (handlers.length === 0) return ['no handlers'];
  return columns([
    ['HANDLER', 'OF', 'GROUP', 'ON THE BROKER', 'NEEDS'],
    ...handlers.map(({ handler, source, group, subscription = '–', needs, refusals }) => [
      handler,
      `${source.kind} ${source.name}`,
      source.kind === 'queue' ? '–' : group,
      subscription,
      [
        ...inShort(needs),
        ...(refusals.length > 0 && needs.every(({ given }) => given !== 'refused') ? ['REFUSED'] : []),
      ].join(', '),
    ]),
  ]);
}

function publicationsOf({ publications }: ExplainedConnection): string[] {
  if (publications.length === 0) return ['nothing is said to be published'];
  return columns([
    ['PUBLISHES', 'ON THE BROKER', 'NEEDS'],
    ...publications.map(({ destination, needs, resources, refusals }) => [
      `${destination.kind} ${destination.name}`,
      refusals.length > 0
        ? 'REFUSED'
        : resources.map(({ kind, name }) => `${kind} ${name}`).join(', ') || 'nothing of its own',
      inShort(needs).join(', '),
    ]),
  ]);
}

/** How each need is met, said once. */
function meansOf({ handlers, publications }: ExplainedConnection): string[] {
  const lines = [...handlers, ...publications].flatMap(({ needs }) =>
    needs.flatMap(({ need, given, how }) => (given === 'refused' ? [] : [[need, GIVEN[given], how]])),
  );
  const distinct = [...new Map(lines.map((line) => [line.join(), line])).values()];
  return distinct.length === 0 ? [] : ['', ...columns([['NEED', 'GIVEN', 'HOW'], ...distinct])];
}

function sectionOf(connection: ExplainedConnection): string {
  const { connection: name, broker, service, namespace, topology } = connection;
  return [
    `connection ${name}: ${broker}, service ${service}${namespace === undefined ? '' : `, namespace ${namespace}`}, topology ${topology}`,
    '',
    ...handlersOf(connection),
    '',
    ...publicationsOf(connection),
    ...meansOf(connection),
  ].join('\n');
}

/** An explanation as text. */
export function tableOf({ connections, refusals }: Explanation): string {
  const verdict =
    refusals.length === 0
      ? 'Nothing is refused.'
      : [
          `Refused, so that the application does not start:`,
          ...refusals.map(({ code, message }) => `- ${code}: ${message}`),
        ].join('\n');
  return `${[...connections.map(sectionOf), verdict].join('\n\n')}\n`;
}
