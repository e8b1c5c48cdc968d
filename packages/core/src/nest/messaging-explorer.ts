import type { ModulesContainer } from '@nestjs/core';
import {
  ConfigurationError,
  type Destination,
  type EventContract,
  type ExaminationOptions,
  type Finding,
  type MessagingError,
} from '../contract/index.js';
import { refusalOf, type Engine, type HandlerDeclaration } from '../engine/index.js';
import { findHandlers } from './discovery.js';
import type { Explanation } from './explanation.js';
import { diagramOf } from './explanation-diagram.js';
import { tableOf } from './explanation-table.js';
import { featuresOf } from './messaging-feature.module.js';
import type { MessagingModuleOptions } from './module-options.js';
import { payloadIndex } from './parameters.js';
import { publicationsOf, type Published } from './published.js';
import type { inPlaceOf } from './retired.js';
import { DEFAULT_CONNECTION, engineNamed, type Engines } from './runtime.js';

/** What is known of the payload of a topic or queue. */
export interface ExplainedPayload {
  readonly connection: string;
  readonly direction: 'publishes' | 'handles';
  readonly destination: Destination;
  /** Class and method of a handler. */
  readonly handler?: string;
  readonly group?: string;
  readonly contract?: EventContract<any, any>;
  /** Class of the handler's parameter, as TypeScript has emitted it. */
  readonly type?: Function;
}

/** What was found on one connection's broker. */
export interface ExaminedConnection {
  readonly connection: string;
  readonly broker: string;
  readonly findings: readonly Finding[];
}

interface Declared {
  readonly connection: string;
  readonly declaration: HandlerDeclaration;
  readonly type?: Function;
}

/** What would keep the application from starting, and what it is about. */
interface Refused {
  readonly of: string;
  readonly error: MessagingError;
}

/**
 * Explains the application's messaging without its brokers: what is handled and published, under which names on the
 * broker, and how each need of each handler is met there, or why not. On an application that was created and never
 * started, too.
 */
export class MessagingExplorer {
  readonly #engines: Engines;
  readonly #options: MessagingModuleOptions;
  readonly #modules: ModulesContainer;
  readonly #retired: readonly ReturnType<typeof inPlaceOf>[];

  /** @internal */
  constructor(
    engines: Engines,
    options: MessagingModuleOptions,
    modules: ModulesContainer,
    retired: readonly ReturnType<typeof inPlaceOf>[],
  ) {
    this.#engines = engines;
    this.#options = options;
    this.#modules = modules;
    this.#retired = retired;
  }

  /** Collects all that would keep the application from starting, where starting tells the first alone. */
  explain(): Explanation {
    const { handlers, refused } = this.#declared();
    const connections = [...this.#engines.values()].map((engine) =>
      engine.explain(
        declarationsOf(handlers, engine.connection),
        publicationsOf(this.#published(engine.connection)),
      ),
    );
    const refusals = [
      ...refused.map(({ of, error }) => refusalOf(of, error)),
      ...connections.flatMap(({ handlers: explained, publications }) =>
        [...explained, ...publications].flatMap((part) => part.refusals),
      ),
    ];
    return { connections, refusals };
  }

  /**
   * Makes on the brokers what {@link explain} tells, as topology `create` does, whatever the application has; takes no
   * message, and needs no started application. What is published from then on waits for its handlers.
   *
   * @param connection that alone. @default all of them
   * @throws {MessagingError} whatever would keep the application from starting, and whatever the broker refuses
   */
  async establish(connection?: string): Promise<void> {
    const {
      handlers,
      refused: [first],
    } = this.#declared();
    if (first) throw first.error;
    for (const engine of this.#chosen(connection, 'MessagingExplorer.establish'))
      await engine.establish(
        declarationsOf(handlers, engine.connection),
        publicationsOf(this.#published(engine.connection)),
      );
  }

  /**
   * Looks at the live brokers on the application's behalf, which need not have started: whether they can be reached,
   * whether all it needs is there and as it should be, and what is there of subscriptions that it no longer has. Makes
   * nothing, and takes no message.
   *
   * @param connection that alone. @default all of them
   */
  async examine(connection?: string, options?: ExaminationOptions): Promise<readonly ExaminedConnection[]> {
    const { handlers } = this.#declared();
    const examined: ExaminedConnection[] = [];
    for (const engine of this.#chosen(connection, 'MessagingExplorer.examine'))
      examined.push({
        connection: engine.connection,
        broker: engine.transport,
        findings: await engine.examine(
          declarationsOf(handlers, engine.connection),
          publicationsOf(this.#published(engine.connection)),
          options,
        ),
      });
    return examined;
  }

  /**
   * @internal
   * @throws {MessagingError} where something is said to be published that cannot be; handlers are refused as they register
   */
  refusePublished(): void {
    for (const { connection = DEFAULT_CONNECTION } of featuresOf(this.#modules))
      engineNamed(this.#engines, connection, 'MessagingModule.forFeature');
    for (const engine of this.#engines.values())
      engine.check([], publicationsOf(this.#published(engine.connection)));
  }

  /** {@link explain} for people, at a terminal. */
  table(): string {
    return tableOf(this.explain());
  }

  /** {@link explain} as a flowchart. @see https://mermaid.js.org/syntax/flowchart.html */
  mermaid(): string {
    return diagramOf(this.explain());
  }

  /** What is known of the payloads of all that is handled and published. */
  payloads(): readonly ExplainedPayload[] {
    const published = [...this.#engines.keys()].flatMap((connection) =>
      publicationsOf(this.#published(connection)).map(({ destination, contract }): ExplainedPayload => ({
        connection,
        direction: 'publishes',
        destination,
        contract,
      })),
    );
    const handled = this.#declared().handlers.map(({ connection, declaration, type }): ExplainedPayload => {
      const { label, source, options, defaultGroup, contract } = declaration;
      return {
        connection,
        direction: 'handles',
        destination: source,
        handler: label,
        group: options.group ?? defaultGroup,
        contract,
        type,
      };
    });
    return [...published, ...handled];
  }

  #chosen(connection: string | undefined, label: string): readonly Engine[] {
    return connection === undefined
      ? [...this.#engines.values()]
      : [engineNamed(this.#engines, connection, label)];
  }

  #named(connection: string, label: string, refused: Refused[]): boolean {
    try {
      engineNamed(this.#engines, connection, label);
      return true;
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      refused.push({ of: label, error });
      return false;
    }
  }

  /** The handlers whose connections there are, and what is refused that is of no connection. */
  #declared(): { readonly handlers: readonly Declared[]; readonly refused: readonly Refused[] } {
    const refused: Refused[] = [];
    const found = findHandlers(this.#modules).map(({ label, metadata, host, defaultGroup, flaw }) => {
      if (flaw) refused.push({ of: label, error: flaw });
      return {
        connection: metadata.options.connection ?? DEFAULT_CONNECTION,
        declaration: { label, ...metadata, defaultGroup },
        type: payloadType(host.wrapper.metatype as Function | null, host.methodName),
      };
    });
    const retired = this.#retired.map(({ connection, spec }) => ({ connection, declaration: spec }));
    const handlers = [...found, ...retired].filter(({ connection, declaration }) =>
      this.#named(connection, declaration.label, refused),
    );
    for (const { connection = DEFAULT_CONNECTION } of featuresOf(this.#modules))
      this.#named(connection, 'MessagingModule.forFeature', refused);
    return { handlers, refused };
  }

  #published(connection: string): Published[] {
    const own = connection === DEFAULT_CONNECTION ? this.#options : this.#options.connections?.[connection];
    const features = featuresOf(this.#modules).filter(
      ({ connection: named = DEFAULT_CONNECTION }) => named === connection,
    );
    return [...(own ? [own] : []), ...features];
  }
}

const declarationsOf = (handlers: readonly Declared[], connection: string): HandlerDeclaration[] =>
  handlers.flatMap((one) => (one.connection === connection ? [one.declaration] : []));

/** Types that say nothing of a payload's shape. */
const SHAPELESS: readonly unknown[] = [Object, String, Number, Boolean, Array, Promise];

/** Class of the parameter that is the payload. */
function payloadType(metatype: Function | null, methodName: string): Function | undefined {
  const prototype = metatype?.prototype as object | undefined;
  const index = metatype ? payloadIndex(metatype, methodName) : undefined;
  if (!prototype || index === undefined) return undefined;
  const types = (Reflect.getMetadata('design:paramtypes', prototype, methodName) ?? []) as unknown[];
  const type = types[index];
  return typeof type === 'function' && !SHAPELESS.includes(type) ? type : undefined;
}
