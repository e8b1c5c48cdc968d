import {
  checkName,
  describeSubscription,
  isPattern,
  MessagingError,
  type Destination,
  type EventContract,
  type Means,
  type PlannedResource,
  type Publication,
  type Rights,
  type Subscription,
  type SubscriptionPlan,
  TopologyError,
  type Topology,
  type Transport,
  type Usage,
} from '../contract/index.js';
import { createAdmission, type Admitted, type HandlerDeclaration } from './admission.js';
import { retriesInPlace, type HandlerDefaults, type ResolvedHandlerOptions } from './handler-options.js';
import { LONGEST_DELAY } from './publisher.js';
import { minutes, type Need, type Refusal } from './requirements.js';
import { longestWait } from './retry-policy.js';

/** How a need of a handler, or of whoever publishes, is met. */
export interface ExplainedNeed {
  readonly need: Need;
  /**
   * By the broker's own means, by emulation on or beside it, or not: then the application does not start, or, where it
   * did not ask for it, has to live without.
   */
  readonly given: 'native' | 'emulated' | 'refused' | 'not given';
  /** In a few words. */
  readonly how: string;
}

/** A reason for which the application would not start. */
export interface ExplainedRefusal {
  /** Class and method, or whatever else it is about. */
  readonly of: string;
  /** Of the error, such as `UNSUPPORTED`. */
  readonly code: string;
  /** The error's own words. */
  readonly message: string;
}

/** A handler and its subscription. */
export interface ExplainedHandler {
  /** Class and method. */
  readonly handler: string;
  /** The topic, pattern or queue. */
  readonly source: Destination;
  readonly group: string;
  /** Its name on the broker; undefined where it cannot be made. */
  readonly subscription?: string;
  /** Version of the contract, where it has one. */
  readonly version?: string;
  readonly needs: readonly ExplainedNeed[];
  readonly resources: readonly PlannedResource[];
  readonly refusals: readonly ExplainedRefusal[];
}

/** A topic that the application says it publishes to, or a queue. */
export interface ExplainedPublication {
  readonly destination: Destination;
  readonly ordered: boolean;
  readonly version?: string;
  readonly needs: readonly ExplainedNeed[];
  readonly resources: readonly PlannedResource[];
  readonly refusals: readonly ExplainedRefusal[];
}

/** All that an application is on one connection. */
export interface ExplainedConnection {
  readonly connection: string;
  /** Its transport, such as `rabbitmq`. */
  readonly broker: string;
  readonly service: string;
  readonly namespace?: string;
  readonly topology: Topology;
  readonly handlers: readonly ExplainedHandler[];
  readonly publications: readonly ExplainedPublication[];
  /** What the application's own delayed messages pass; nothing where it publishes nothing. */
  readonly delays: readonly PlannedResource[];
  /** The least that a user of the broker must be allowed, under each `topology`. */
  readonly rights: Readonly<Record<Topology, Rights>>;
}

/** What an application says it publishes to. */
export interface PublicationDeclaration extends Publication {
  readonly contract?: EventContract<any, any>;
}

export interface ExplanationParts {
  readonly transport: Pick<Transport, 'name' | 'capabilities' | 'planner'>;
  readonly connection: string;
  readonly service: string;
  readonly namespace?: string;
  readonly topology: Topology;
  readonly defaults: readonly (HandlerDefaults | undefined)[];
}

export const refusalOf = (of: string, { code, message }: MessagingError): ExplainedRefusal => ({
  of,
  code,
  message,
});

/** What is explained, and what refuses it, for whoever has to throw that. */
interface Judged<T> {
  readonly explained: T;
  readonly errors: readonly MessagingError[];
}

/** Answers what `plan` does, or undefined, and its error among the refusals. */
function planned<T>(refusals: Refusal[], plan: () => T): T | undefined {
  try {
    return plan();
  } catch (error) {
    if (!(error instanceof MessagingError)) throw error;
    refusals.push({ error });
    return undefined;
  }
}

const by = (need: Need, { support, how }: Means): ExplainedNeed => ({
  need,
  given: support || 'not given',
  how,
});

const DAY = 24 * 60 * 60 * 1_000;

/** What a publish may ask for, and how its message waits. */
function delayBy({ support, how }: Means, { capabilities }: ExplanationParts['transport']): ExplainedNeed {
  const longest = Math.min(LONGEST_DELAY, capabilities.maxDelay);
  const limit = longest < DAY ? minutes(longest) : `${Math.floor(longest / DAY)} days`;
  return by('delay', { support, how: support ? `${how}; ${limit} at most` : how });
}

/** Needs that handlers of this kind have, each with how it is met where nothing refuses it. */
function needsOf(
  { source }: HandlerDeclaration,
  options: ResolvedHandlerOptions,
  { means }: SubscriptionPlan,
  transport: ExplanationParts['transport'],
): ExplainedNeed[] {
  const { ordered, broadcast, batch, retry } = options;
  const needs: ExplainedNeed[] = [];
  if (ordered) needs.push(by('order', means.ordered));
  if (isPattern(source.name)) needs.push(by('pattern', means.patterns));
  if (broadcast) needs.push(by('broadcast', means.broadcast));
  if (batch)
    needs.push({
      need: 'batch',
      given: 'emulated',
      how: `${batch.size} are gathered in the process for ${batch.wait} ms at most, and each is settled by itself`,
    });
  needs.push(delayBy(means.delays, transport));
  if (retry.attempts > 1)
    needs.push(
      retriesInPlace(options)
        ? {
            need: 'retries',
            given: 'emulated',
            how: `${retry.attempts} attempts within ${Math.ceil(longestWait(retry) / 1_000)} s, in the process that has the message${ordered ? ', which holds up its key alone' : ''}`,
          }
        : { ...by('retries', means.delays), how: `${retry.attempts} attempts; ${means.delays.how}` },
    );
  needs.push(by('crashes', means.deaths));
  return needs;
}

function explainHandler(
  handler: HandlerDeclaration,
  admitted: Admitted | undefined,
  refused: readonly Refusal[],
  transport: ExplanationParts['transport'],
  sharing: (subscription: string, admitted: Admitted) => MessagingError | undefined,
): Judged<ExplainedHandler> {
  const refusals = [...refused];
  const plan = admitted && planned(refusals, () => transport.planner.subscription(admitted.subscription));
  const shared = plan && !admitted.options.broadcast ? sharing(plan.name, admitted) : undefined;
  if (shared) refusals.push({ error: shared });
  const needs = plan ? needsOf(handler, admitted.options, plan, transport) : [];
  const unmet = refusals.flatMap(({ need, error }): ExplainedNeed[] =>
    need === undefined ? [] : [{ need, given: 'refused', how: error.message }],
  );
  const errors = refusals.map(({ error }) => error);
  const explained: ExplainedHandler = {
    handler: handler.label,
    source: handler.source,
    group: admitted?.options.group ?? handler.options.group ?? handler.defaultGroup ?? '',
    subscription: plan?.name,
    version: handler.contract?.version,
    needs: [...needs.filter(({ need }) => unmet.every((other) => other.need !== need)), ...unmet],
    resources: plan?.resources ?? [],
    refusals: errors.map((error) => refusalOf(handler.label, error)),
  };
  return { explained, errors };
}

function explainPublication(
  { contract, ...publication }: PublicationDeclaration,
  transport: ExplanationParts['transport'],
): Judged<ExplainedPublication> {
  const { planner } = transport;
  const { kind, name } = publication.destination;
  const refusals: Refusal[] = [];
  const resources = planned(refusals, () => {
    checkName(kind, name);
    return planner.publication(publication);
  });
  const errors = refusals.map(({ error }) => error);
  const explained: ExplainedPublication = {
    ...publication,
    version: contract?.version,
    needs: resources ? [delayBy(planner.delays(), transport)] : [],
    resources: resources ?? [],
    refusals: errors.map((error) => refusalOf(`${kind} '${name}'`, error)),
  };
  return { explained, errors };
}

export interface Survey {
  readonly handlers: readonly ExplainedHandler[];
  readonly publications: readonly ExplainedPublication[];
  /** Of what is not refused. */
  readonly usage: Usage;
  /** All that refuses one of them. */
  readonly errors: readonly MessagingError[];
}

/** Judges them one after the other. */
export function survey(
  parts: ExplanationParts,
  declarations: readonly HandlerDeclaration[],
  publications: readonly PublicationDeclaration[],
): Survey {
  const { transport } = parts;
  const admission = createAdmission(parts);
  const owners = new Map<string, string>();
  const accepted: Subscription[] = [];

  const sharing = (name: string, { id }: Admitted): MessagingError | undefined => {
    const what = describeSubscription(id);
    const other = owners.get(name) ?? what;
    owners.set(name, other);
    if (other === what) return undefined;
    return new TopologyError(
      `${what} and ${other} would share '${name}' on the broker: rename a group or a topic`,
    );
  };

  const handlers = declarations.map((handler) => {
    const { admitted, refusals } = admission(handler);
    const judged = explainHandler(handler, admitted, refusals, transport, sharing);
    if (admitted && judged.errors.length === 0) accepted.push(admitted.subscription);
    return judged;
  });
  const judged = publications.map((publication) => explainPublication(publication, transport));
  const published = judged.map(({ explained }) => explained);
  return {
    handlers: handlers.map(({ explained }) => explained),
    publications: published,
    usage: {
      subscriptions: accepted,
      publications: published.filter(({ refusals }) => refusals.length === 0),
      delays: published.length > 0,
    },
    errors: [...handlers, ...judged].flatMap(({ errors }) => errors),
  };
}

/**
 * What these handlers and publications are on the broker, and whether it can serve them: every reason against it, not
 * only the first. Asks the broker nothing.
 */
export function explainConnection(
  parts: ExplanationParts,
  declarations: readonly HandlerDeclaration[],
  published: readonly PublicationDeclaration[],
): ExplainedConnection {
  const { transport, connection, service, namespace, topology } = parts;
  const { handlers, publications, usage } = survey(parts, declarations, published);
  return {
    connection,
    broker: transport.name,
    service,
    namespace,
    topology,
    handlers,
    publications,
    delays: usage.delays ? transport.planner.delays().resources : [],
    rights: {
      create: transport.planner.rights(usage, 'create'),
      validate: transport.planner.rights(usage, 'validate'),
      none: transport.planner.rights(usage, 'none'),
    },
  };
}

/** What these do. @throws {MessagingError} whatever refuses one of them first */
export function usageOf(
  parts: ExplanationParts,
  declarations: readonly HandlerDeclaration[],
  published: readonly PublicationDeclaration[],
): Usage {
  const {
    usage,
    errors: [first],
  } = survey(parts, declarations, published);
  if (first) throw first;
  return usage;
}
