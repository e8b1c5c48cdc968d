import type { Finding } from '@nest-messaging/core/contract';
import type { ListedBinding } from './management.js';
import type { Arguments, Resource } from './topology.js';

type Binding = Extract<Resource, { kind: 'binding' }>;

const targetOf = ({ to }: Binding): readonly [kind: 'queue' | 'exchange', name: string] =>
  'queue' in to ? ['queue', to.queue] : ['exchange', to.exchange];

/** Whatever their order. */
const shown = (all: Arguments | ListedBinding['arguments'] = {}): string =>
  JSON.stringify(Object.entries(all).sort(([one], [other]) => (one < other ? -1 : 1)));

const keyOf = (binding: Binding): string =>
  [binding.from, ...targetOf(binding), binding.key, shown(binding.arguments)].join('\n');

const listedKey = (listed: ListedBinding): string =>
  [
    listed.source,
    listed.destination_type,
    listed.destination,
    listed.routing_key,
    shown(listed.arguments),
  ].join('\n');

/**
 * Each that is needed and not there, though both its ends are: where one is not, that is told of it.
 * @param there exchanges and queues, as `exchange orders`
 */
export function missingBindings(
  needed: readonly Binding[],
  listed: readonly ListedBinding[],
  there: ReadonlySet<string>,
): Finding[] {
  const bound = new Set(listed.map(listedKey));
  const missing = needed.filter(
    (binding) =>
      !bound.has(keyOf(binding)) &&
      there.has(`exchange ${binding.from}`) &&
      there.has(targetOf(binding).join(' ')),
  );
  return [...new Map(missing.map((binding) => [keyOf(binding), binding])).values()].map((binding) => {
    const { from, key, arguments: more } = binding;
    const by = more ? `'${key}' and ${JSON.stringify(more)}` : `'${key}'`;
    return {
      level: 'trouble',
      about: targetOf(binding).join(' '),
      message: `is not bound to exchange ${from} with key ${by}: what it should get from there is lost; bind it, as the application does at its next start with topology 'create'`,
    };
  });
}
