import type { INestApplicationContext, ModuleMetadata } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

/** A module whose imports and providers are known only when it runs. */
export function moduleOf(metadata: ModuleMetadata): new () => object {
  @Module(metadata)
  class Application {}
  return Application;
}

/** An application without HTTP, whose errors are seen. */
export const application = (metadata: ModuleMetadata): Promise<INestApplicationContext> =>
  NestFactory.createApplicationContext(moduleOf(metadata), {
    logger: ['error'],
    abortOnError: false,
  });
