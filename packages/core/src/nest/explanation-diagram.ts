import { isPattern, matches, type Destination } from '../contract/index.js';
import type { ExplainedConnection } from '../engine/index.js';
import type { Explanation } from './explanation.js';

/** `#` and quotes mean something in Mermaid's labels. */
const label = (text: string): string => `"${text.replaceAll('#', '#35;').replaceAll('"', '#quot;')}"`;

/** Short names of nodes, each of one thing. */
function createIds(): (of: string) => string {
  const ids = new Map<string, string>();
  return (of) => {
    const id = ids.get(of) ?? `n${ids.size + 1}`;
    ids.set(of, id);
    return id;
  };
}

const keyOf = (connection: string, { kind, name }: Destination): string => `${connection} ${kind} ${name}`;

function linesOf(
  { connection, broker, service, handlers, publications }: ExplainedConnection,
  id: (of: string) => string,
): string[] {
  const destinations = new Map(
    [...publications.map(({ destination }) => destination), ...handlers.map(({ source }) => source)].map(
      (destination) => [keyOf(connection, destination), destination],
    ),
  );
  const place = (destination: Destination): string => id(keyOf(connection, destination));
  const within = [...destinations.values()].map((destination) =>
    destination.kind === 'queue'
      ? `    ${place(destination)}[(${label(`queue ${destination.name}`)})]`
      : `    ${place(destination)}([${label(destination.name)}])`,
  );
  const published = publications.map(({ destination, needs }) => {
    const how = ['publishes', ...needs.map(({ need, given }) => `${need} ${given}`)].join(', ');
    return `  ${id('application')} -- ${label(how)} --> ${place(destination)}`;
  });
  const patterns = [...destinations.values()].filter(({ name }) => isPattern(name));
  const covered = patterns.flatMap((pattern) =>
    [...destinations.values()]
      .filter(({ kind, name }) => kind === 'topic' && !isPattern(name) && matches(pattern.name, name))
      .map((topic) => `  ${place(topic)} -.-> ${place(pattern)}`),
  );
  const handled = handlers.flatMap(({ handler, source, group, refusals }, at) => {
    const node = id(`${connection} handler ${at} ${handler}`);
    return [
      `  ${node}[${label(handler)}]${refusals.length > 0 ? ':::refused' : ''}`,
      `  ${place(source)} -- ${source.kind === 'queue' ? 'one worker' : label(group)} --> ${node}`,
    ];
  });
  return [
    ...(publications.length > 0 ? [`  ${id('application')}[[${label(service)}]]`] : []),
    `  subgraph ${id(`connection ${connection}`)}[${label(`${connection}: ${broker}`)}]`,
    ...within,
    '  end',
    ...published,
    ...covered,
    ...handled,
  ];
}

/** An explanation as a Mermaid flowchart: who publishes what, and which handler gets it in which group. */
export function diagramOf({ connections }: Explanation): string {
  const id = createIds();
  const lines = connections.flatMap((connection) => linesOf(connection, id));
  return [
    'flowchart LR',
    ...lines,
    '  classDef refused stroke:#c00,stroke-width:3px,stroke-dasharray:4',
    '',
  ].join('\n');
}
