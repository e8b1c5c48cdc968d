import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));
const scratch = join(root, 'test', 'docs', '.tmp', String(process.pid));

/** What git would commit. */
const documents = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));

interface Snippet {
  /** Document and line, as an editor opens it. */
  readonly title: string;
  readonly file: string;
  readonly code: string;
}

function snippetsOf(path: string): Snippet[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length;
    const title = `${path}:${line}`;
    return { title, file: join(scratch, `${title.replaceAll(/[/.:]/g, '-')}.ts`), code: match[1]! };
  });
}

const snippets = documents.flatMap(snippetsOf);

beforeAll(() => {
  mkdirSync(scratch, { recursive: true });
  for (const { file, code } of snippets) writeFileSync(file, code);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('the snippets of the documentation', () => {
  it('compile', () => {
    const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
    const { options } = ts.parseJsonConfigFileContent({ ...config.config, include: [] }, ts.sys, root);
    const program = ts.createProgram(
      snippets.map(({ file }) => file),
      { ...options, noUnusedLocals: false },
    );
    const errors = ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
      const title = snippets.find((snippet) => snippet.file === file?.fileName)?.title ?? file?.fileName;
      return `${title}, line ${(file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1} of the snippet: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    expect(errors).toEqual([]);
  }, 60_000);

  it.each(snippets)('$title runs', async ({ file }) => {
    await import(pathToFileURL(file).href);
  });
});

describe('the links of the documentation', () => {
  const links = documents.flatMap((path) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
      (match) => ({ path, target: match[1]! }),
    ),
  );

  it.each(links)('$path -> $target leads somewhere', ({ path, target }) => {
    expect(existsSync(resolve(root, dirname(path), target))).toBe(true);
  });
});
