import {
  BadRequestException,
  Body,
  Controller,
  Get,
  HttpCode,
  Inject,
  Post,
  ServiceUnavailableException,
  UseGuards,
  type CanActivate,
  type Type,
} from '@nestjs/common';
import * as v from 'valibot';
import { checkOptions, ClosedError, ConfigurationError, ConnectionError } from '../contract/index.js';
import type { SubscriptionSource } from './subscription-source.js';
import { Subscriptions, type SubscriptionInfo } from './subscriptions.js';

/** As `SubscriptionSource`, with names alone: a contract is nothing that a request can hold. */
const sourceSchema = v.pipe(
  v.strictObject({
    topic: v.optional(v.string()),
    queue: v.optional(v.string()),
    group: v.optional(v.string()),
    connection: v.optional(v.string()),
  }),
  v.check(
    ({ topic, queue, group }) => (topic === undefined) !== (queue === undefined) && !(queue && group),
    'a topic, with or without a group, or a queue',
  ),
) as v.GenericSchema<SubscriptionSource>;

const sourceOf = (body: unknown): SubscriptionSource => checkOptions(sourceSchema, body, 'the body');

/** What the caller can mend is said to be so; all else is Nest's to say. */
async function answering<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ConfigurationError) throw new BadRequestException(error.message, { cause: error });
    if (error instanceof ClosedError || error instanceof ConnectionError)
      throw new ServiceUnavailableException(error.message, { cause: error });
    throw error;
  }
}

/** A controller class of its own for each module that asks for one, since its path and guards are known only then. */
export function controllerAt(path: string, guards: readonly (Type<CanActivate> | CanActivate)[]): Type {
  @Controller(path)
  @UseGuards(...guards)
  class SubscriptionsController {
    constructor(@Inject(Subscriptions) private readonly subscriptions: Subscriptions) {}

    @Get('subscriptions')
    list(): SubscriptionInfo[] {
      return this.subscriptions.list();
    }

    @Post('subscriptions/pause')
    @HttpCode(200)
    pause(@Body() body: unknown): Promise<SubscriptionInfo[]> {
      return this.#change(() => this.subscriptions.pause(sourceOf(body)));
    }

    @Post('subscriptions/resume')
    @HttpCode(200)
    resume(@Body() body: unknown): Promise<SubscriptionInfo[]> {
      return this.#change(() => this.subscriptions.resume(sourceOf(body)));
    }

    @Post('subscriptions/concurrency')
    @HttpCode(200)
    setConcurrency(@Body() body: Readonly<Record<string, unknown>>): Promise<SubscriptionInfo[]> {
      return this.#change(() => {
        const { concurrency, ...source } = { ...body };
        return this.subscriptions.setConcurrency(sourceOf(source), concurrency as number);
      });
    }

    #change(run: () => Promise<void>): Promise<SubscriptionInfo[]> {
      return answering(async () => {
        await run();
        return this.subscriptions.list();
      });
    }
  }
  return SubscriptionsController;
}
