import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Dependencies point one way; the linter's configuration says so for each folder. A rule that no longer matches its
 * folder would be silent, so each is shown files that break it, and files that do not, in a copy of the layout.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const copy = mkdtempSync(join(tmpdir(), 'dependency-direction-'));

interface Folder {
  folder: string;
  forbidden: Record<string, string[]>;
  /** What may be imported as types, which are gone when it runs. */
  typesAlone?: Record<string, string[]>;
  allowed: string[];
}

const nest = [
  '@nestjs/common',
  '@nestjs/core/injector/module.js',
  'rxjs',
  'rxjs/operators',
  'reflect-metadata',
];
const clients = ['amqplib', 'kafkajs', '@platformatic/kafka', '@aws-sdk/client-sqs'];
const telemetry = ['@opentelemetry/api', '@opentelemetry/sdk-trace-node'];
const noTelemetry = 'Core knows no OpenTelemetry: what traces and measures is given to it.';
const transports = ['@nest-messaging/rabbitmq', '@nest-messaging/kafka', '@nest-messaging/aws'];

const folders: Folder[] = [
  {
    folder: 'packages/core/src/contract',
    forbidden: {
      'The contract knows no Nest.': nest,
      'The contract knows no broker.': clients,
      'The contract stands on nothing else of this repository.': [
        ...transports,
        '../engine/index.js',
        '../index.js',
        '../../../rabbitmq/src/index.js',
      ],
    },
    allowed: ['./beside.js', 'node:crypto', '@standard-schema/spec'],
  },
  {
    folder: 'packages/core/src/engine',
    forbidden: {
      'The engine knows no Nest.': nest,
      'The engine knows no broker.': clients,
      [noTelemetry]: telemetry,
      'The engine stands on the contract alone.': [
        ...transports,
        '../nest/index.js',
        '../memory/index.js',
        '../index.js',
        '../../../rabbitmq/src/index.js',
      ],
    },
    allowed: ['./beside.js', '../contract/index.js', 'secure-json-parse'],
  },
  {
    folder: 'packages/core/src/memory',
    forbidden: {
      'A transport knows no Nest.': nest,
      'This transport is the embedded one.': clients,
      'A transport stands on the contract alone.': [
        ...transports,
        '../nest/index.js',
        '../engine/index.js',
        '../index.js',
        '../../../rabbitmq/src/index.js',
      ],
    },
    allowed: ['./beside.js', '../contract/index.js'],
  },
  {
    folder: 'packages/core/src/nest',
    forbidden: {
      'No broker in core: each has a package of its own.': clients,
      [noTelemetry]: telemetry,
      'Core stands on no other package of this repository.': [
        ...transports,
        '../../../rabbitmq/src/index.js',
      ],
    },
    allowed: ['./beside.js', '../contract/index.js', '../engine/index.js', '../memory/index.js', ...nest],
  },
  {
    folder: 'packages/core/src',
    forbidden: {
      'No broker in core: each has a package of its own.': clients,
      [noTelemetry]: telemetry,
      'Core stands on no other package of this repository.': [...transports, '../../rabbitmq/src/index.js'],
    },
    allowed: ['./nest/index.js', './contract/index.js'],
  },
  ...['rabbitmq', 'kafka', 'aws'].map((name) => ({
    folder: `packages/${name}/src`,
    forbidden: {
      'A transport knows no Nest.': nest,
      'A transport stands on @nest-messaging/core/contract alone.': [
        '@nest-messaging/core',
        '@nest-messaging/core/engine',
        '@nest-messaging/testing',
        '@nest-messaging/other',
        '../../core/src/contract/index.js',
      ],
    },
    allowed: ['./beside.js', '@nest-messaging/core/contract', ...clients],
  })),
  {
    folder: 'packages/aws/src/lambda',
    forbidden: {
      'boots the application, and knows no more of Nest than that.': ['@nestjs/testing', 'rxjs'],
      'A transport stands on @nest-messaging/core/contract alone.': [
        '@nest-messaging/core',
        '@nest-messaging/testing',
        '../../../core/src/contract/index.js',
      ],
    },
    allowed: [
      './beside.js',
      '../intake.js',
      '@nest-messaging/core/contract',
      '@nestjs/common',
      '@nestjs/core',
    ],
  },
  {
    folder: 'packages/opentelemetry/src',
    forbidden: {
      'What follows an engine knows no Nest.': nest,
      'What follows an engine knows no broker.': clients,
      "A library knows OpenTelemetry's API alone: the SDK is the application's.": [
        '@opentelemetry/sdk-trace-node',
      ],
      'What follows an engine stands on engine and contract alone.': [
        ...transports,
        '@nest-messaging/core',
        '../../core/src/engine/index.js',
      ],
    },
    allowed: [
      './beside.js',
      '@nest-messaging/core/engine',
      '@nest-messaging/core/contract',
      '@opentelemetry/api',
    ],
  },
  {
    folder: 'packages/testing/src',
    forbidden: {
      'What tests every transport knows none of them.': clients,
      'Of this repository, testing stands on core alone.': [...transports, '../../core/src/index.js'],
    },
    allowed: ['./beside.js', '@nest-messaging/core', '@nest-messaging/core/contract', '@nestjs/testing'],
  },
  {
    folder: 'packages/asyncapi/src',
    forbidden: {
      'What documents every broker knows none of them.': clients,
      'Of this repository, asyncapi stands on core alone.': [
        ...transports,
        '@nest-messaging/cli',
        '../../core/src/index.js',
      ],
    },
    allowed: ['./beside.js', '@nest-messaging/core', '@nest-messaging/core/contract', '@nestjs/swagger'],
  },
  {
    folder: 'packages/cli/src',
    forbidden: {
      'What works with every broker knows none of them.': clients,
      'Of this repository, the command line stands on core and asyncapi alone.': [
        ...transports,
        '@nest-messaging/testing',
        '../../core/src/index.js',
      ],
    },
    typesAlone: {
      'It loads Nest, for most of a second': [
        '@nest-messaging/core',
        '@nest-messaging/asyncapi',
        '@nestjs/common',
      ],
    },
    allowed: ['./beside.js', '@nest-messaging/core/engine', '@nest-messaging/core/broker-url', 'commander'],
  },
  {
    folder: 'sample-app/src',
    forbidden: {
      'The sample application imports packages as every application does: by name.': [
        '../../packages/core/src/index.js',
      ],
    },
    allowed: ['./beside.js', '@nest-messaging/core', ...transports, ...nest],
  },
];

interface Finding {
  code: string;
  message: string;
  help?: string;
  filename: string;
}

let findings: Finding[] = [];

function write(file: string, text: string) {
  mkdirSync(dirname(join(copy, file)), { recursive: true });
  writeFileSync(join(copy, file), text);
}

const forms: Record<string, (from: string) => string> = {
  value: (from) => `import * as it from '${from}';\nexport const used = it;\n`,
  type: (from) => `import type * as it from '${from}';\nexport type Used = typeof it;\n`,
  passed: (from) => `export * from '${from}';\n`,
};

/** Each import stands in a file of its own; the name tells which. */
function fileFor(folder: string, from: string, form: string) {
  return `${folder}/${form}--${from.replace(/[^a-z-]+/g, '-')}.ts`;
}

function lint() {
  return new Promise<Finding[]>((resolve, reject) => {
    const oxlint = join(root, 'node_modules', '.bin', 'oxlint');
    const options = { cwd: copy, maxBuffer: 64 * 1024 * 1024 };
    execFile(
      oxlint,
      ['--type-aware', '--format=json', 'packages', 'sample-app'],
      options,
      (_, stdout, stderr) => {
        try {
          resolve(JSON.parse(stdout).diagnostics);
        } catch {
          reject(new Error(`oxlint gave no report: ${stdout}${stderr}`));
        }
      },
    );
  });
}

beforeAll(async () => {
  copyFileSync(join(root, '.oxlintrc.json'), join(copy, '.oxlintrc.json'));
  copyFileSync(join(root, 'tsconfig.json'), join(copy, 'tsconfig.json'));
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const { folder, forbidden, typesAlone = {}, allowed } of folders) {
    for (const from of [...Object.values({ ...forbidden, ...typesAlone }).flat(), ...allowed]) {
      for (const [form, source] of Object.entries(forms)) write(fileFor(folder, from, form), source(from));
    }
  }
  write(
    'packages/core/src/contract/hen.ts',
    "import { egg } from './egg.js';\nexport const hen = () => egg;\n",
  );
  write(
    'packages/core/src/contract/egg.ts',
    "import { hen } from './hen.js';\nexport const egg = () => hen;\n",
  );
  write(
    'packages/core/src/broker-url.ts',
    "export * from './nest/index.js';\nexport * from '@nestjs/common';\nexport * from './contract/index.js';\n",
  );
  write(
    'packages/core/src/engine/floating.ts',
    'export const later = async () => 1;\nexport function forget() {\n  later();\n}\n',
  );
  findings = await lint();
}, 60_000);

afterAll(() => rmSync(copy, { recursive: true }));

/** What the linter says of the imports in a file, in its configuration's own words. */
function saidOf(file: string) {
  return findings
    .filter(({ filename, code }) => filename === file && code.includes('no-restricted-imports'))
    .map(({ message, help }) => `${message} ${help ?? ''}`);
}

const casesOf = (list: Record<string, string[]> = {}) =>
  Object.entries(list).flatMap(([reason, all]) => all.map((from) => [from, reason] as const));

describe.each(folders)('$folder', ({ folder, forbidden, typesAlone, allowed }) => {
  const isSaid = (from: string, reason: string, among: readonly string[]): void => {
    for (const form of among) {
      expect({ form, said: saidOf(fileFor(folder, from, form)) }).toEqual({
        form,
        said: expect.arrayContaining([expect.stringContaining(reason)]),
      });
    }
  };

  it.each(casesOf(forbidden))('may not import %s', (from, reason) => {
    isSaid(from, reason, Object.keys(forms));
  });

  if (typesAlone)
    it.each(casesOf(typesAlone))('may import no more than types of %s', (from, reason) => {
      isSaid(from, reason, ['value', 'passed']);
      expect(saidOf(fileFor(folder, from, 'type'))).toEqual([]);
    });

  it('may import what it stands on', () => {
    for (const from of allowed) {
      for (const form of Object.keys(forms)) expect(saidOf(fileFor(folder, from, form))).toEqual([]);
    }
  });
});

describe('the linter', () => {
  it('keeps Nest from who has no more than the URL of a broker', () => {
    expect(saidOf('packages/core/src/broker-url.ts')).toEqual([
      expect.stringContaining("'./nest/index.js' import is restricted"),
      expect.stringContaining("'@nestjs/common' import is restricted"),
    ]);
  });

  it('finds cycles', () => {
    const inCycle = findings.filter(({ code }) => code.includes('no-cycle')).map(({ filename }) => filename);
    expect(inCycle.sort()).toEqual([
      'packages/core/src/contract/egg.ts',
      'packages/core/src/contract/hen.ts',
    ]);
  });

  it('knows types: a promise that nobody waits for is an error', () => {
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: expect.stringContaining('no-floating-promises'),
        severity: 'error',
        filename: 'packages/core/src/engine/floating.ts',
      }),
    );
  });
});
