import {
  describeSubscription,
  MessagingError,
  RegistrationError,
  subscriptionName,
  type Capabilities,
  type Destination,
  type EventContract,
  type Subscription,
  type SubscriptionId,
} from '../contract/index.js';
import {
  resolveHandlerOptions,
  subscriptionOf,
  type HandlerDefaults,
  type HandlerOptions,
  type ResolvedHandlerOptions,
} from './handler-options.js';
import { unmet, type Refusal } from './requirements.js';

/** What a handler says of itself. */
export interface HandlerDeclaration {
  /** Class and method, for messages to people. */
  readonly label: string;
  readonly source: Destination;
  readonly contract?: EventContract<any, any>;
  readonly options: HandlerOptions;
  /** Group where the options name none. */
  readonly defaultGroup?: string;
}

/** A handler's subscription, with every default filled in. */
export interface Admitted {
  /** No other handler has it. */
  readonly key: string;
  readonly id: SubscriptionId;
  readonly options: ResolvedHandlerOptions;
  readonly subscription: Subscription;
}

export interface Verdict {
  /** Undefined where its options or its name cannot be used. */
  readonly admitted?: Admitted;
  /** Every reason for which it cannot be served; none where it can. */
  readonly refusals: readonly Refusal[];
}

export interface AdmissionParts {
  readonly transport: { readonly name: string; readonly capabilities: Capabilities };
  readonly service: string;
  readonly namespace?: string;
  readonly defaults: readonly (HandlerDefaults | undefined)[];
}

const asError = (error: unknown): MessagingError => {
  if (error instanceof MessagingError) return error;
  throw error;
};

/** Says of one handler after the other whether it can be served beside those before it. */
export function createAdmission({
  transport,
  service,
  namespace,
  defaults,
}: AdmissionParts): (handler: HandlerDeclaration) => Verdict {
  const taken = new Map<string, HandlerDeclaration>();

  const rivalry = (rival: HandlerDeclaration, handler: HandlerDeclaration, id: SubscriptionId): string => {
    if (rival.source.kind !== handler.source.kind)
      return `${rival.label} and ${handler.label} would share the name '${subscriptionName(namespace, id)}' on the broker: rename the queue or the group`;
    if (rival.label === handler.label)
      return `${handler.label} is provided in two Nest modules, and would handle ${describeSubscription(id)} twice: provide the class in one, and export it`;
    return `${rival.label} and ${handler.label} both handle ${describeSubscription(id)}: only one would get each message; ${
      handler.source.kind === 'queue'
        ? 'remove one of them; for more workers raise its concurrency or start another process'
        : 'give one of them { group: … }'
    }`;
  };

  const admit = ({ source }: HandlerDeclaration, options: ResolvedHandlerOptions): Admitted => {
    const id = { source, group: options.group };
    const name = subscriptionName(namespace, id);
    return {
      key: options.broadcast ? `${name} broadcast ${taken.size}` : name,
      id,
      options,
      subscription: subscriptionOf(source, options),
    };
  };

  return (handler) => {
    const { label, source, contract, defaultGroup } = handler;
    const refusals: Refusal[] = [];
    try {
      const options = resolveHandlerOptions(
        handler.options,
        {
          group: defaultGroup ?? service,
          ordered: contract?.ordered ?? false,
          transport: transport.name,
          label,
        },
        ...defaults,
      );
      if (source.kind === 'queue' && handler.options.group !== undefined)
        refusals.push({
          error: new RegistrationError(
            `${label} gives group '${handler.options.group}' to queue '${source.name}': all workers of a queue share it; remove the group`,
          ),
        });
      refusals.push(...unmet({ label, source, contract, options }, transport.name, transport.capabilities));
      const admitted = admit(handler, options);
      const rival = taken.get(admitted.key);
      if (rival) refusals.push({ error: new RegistrationError(rivalry(rival, handler, admitted.id)) });
      else taken.set(admitted.key, handler);
      return { admitted, refusals };
    } catch (error) {
      return { refusals: [...refusals, { error: asError(error) }] };
    }
  };
}
