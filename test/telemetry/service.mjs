// One of two services as compiled code and a process of its own, run by two-processes.spec.ts with the real SDK of
// OpenTelemetry: `web` takes a request, publishes, and handles what `billing` publishes in turn. Each span that ends and
// each handler that runs is a line of JSON on standard output.
import 'reflect-metadata';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { NestFactory } from '@nestjs/core';
import { EventBus, MessagingModule, OnEvent } from '@nest-messaging/core';
import { openTelemetry } from '@nest-messaging/opentelemetry';
import { aws } from '@nest-messaging/aws';
import { kafka } from '@nest-messaging/kafka';
import { rabbitmq } from '@nest-messaging/rabbitmq';

/** @typedef {import('@nest-messaging/core').MessageContext} MessageContext */

const { SERVICE = '', NAMESPACE, BROKER = 'rabbitmq', BROKER_OPTIONS = '{}' } = process.env;

/** @param {object} told */
const tell = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);

// Before Nest creates anything.
new NodeTracerProvider({
  spanProcessors: [
    new SimpleSpanProcessor({
      export(spans, done) {
        for (const span of spans) {
          const { traceId, spanId } = span.spanContext();
          const { name, kind, attributes, parentSpanContext, links } = span;
          tell({
            told: 'span',
            service: SERVICE,
            name,
            kind,
            attributes,
            traceId,
            spanId,
            parent: parentSpanContext?.spanId,
            links: links.map((link) => link.context.spanId),
          });
        }
        done({ code: 0 });
      },
      shutdown: async () => {},
    }),
  ],
}).register();

class Billing {
  /** @param {EventBus} bus */
  constructor(bus) {
    this.bus = bus;
  }

  /** @param {unknown} order @param {MessageContext} about */
  async bill(order, { attempt, headers }) {
    tell({ told: 'handled', by: 'billing', attempt, headers });
    if (attempt === 1) throw new TypeError('once more');
    await this.bus.publish('order.billed', order);
  }
}

class Web {
  /** @param {unknown} _order @param {MessageContext} about */
  confirm(_order, { headers }) {
    const baggage = propagation.getActiveBaggage()?.getEntry('tenant')?.value;
    tell({ told: 'handled', by: 'web', baggage, headers });
  }
}

/** @param {Function} type @param {string} method @param {(...args: any[]) => void} decorate */
const decorated = (type, method, decorate) =>
  decorate(type.prototype, method, Object.getOwnPropertyDescriptor(type.prototype, method));
decorated(
  Billing,
  'bill',
  OnEvent('order.placed', { retry: { attempts: 3, backoff: { initial: 1, max: 1 } } }),
);
decorated(Web, 'confirm', OnEvent('order.billed'));
Reflect.defineMetadata('design:paramtypes', [EventBus], Billing);

const makers = { aws, kafka, rabbitmq };

class AppModule {}
Reflect.defineMetadata(
  'imports',
  [
    MessagingModule.forRoot({
      service: SERVICE,
      namespace: NAMESPACE,
      broker: makers[/** @type {keyof typeof makers} */ (BROKER)](JSON.parse(BROKER_OPTIONS)),
      telemetry: openTelemetry(),
    }),
  ],
  AppModule,
);
Reflect.defineMetadata('providers', [SERVICE === 'web' ? Web : Billing], AppModule);

const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
app.enableShutdownHooks();

// As the instrumentation of HTTP does it: the request's own trace and baggage, and a span around all that it leads to.
const tracer = trace.getTracer('http');
app.use(
  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  (request, response) => {
    const brought = propagation.extract(context.active(), request.headers);
    const span = tracer.startSpan('POST /orders', { kind: SpanKind.SERVER }, brought);
    const headers = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`own-${n}`, String(n)]));
    const placing = context.with(trace.setSpan(brought, span), () =>
      app.get(EventBus).publish('order.placed', { id: 1 }, { headers }),
    );
    placing.then(
      () => {
        span.end();
        response.end();
      },
      (error) => {
        response.statusCode = 500;
        response.end(String(error));
      },
    );
  },
);
await app.listen(0, '127.0.0.1');
tell({ told: 'ready', url: await app.getUrl() });
