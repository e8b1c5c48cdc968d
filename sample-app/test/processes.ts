import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Compiles what the shop runs; quick where that has been done. */
export function build(): void {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-b', 'sample-app'],
    { cwd: root },
  );
  if (status !== 0) throw new Error(`the sample application does not compile:\n${String(stdout)}`);
}

/** Waits for what a test observes: bounded, never for a fixed time. */
export async function until<T>(
  find: () => T | undefined | false | Promise<T | undefined | false>,
  what: () => string,
): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`waited 30 s for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A process of the shop, as a person at the terminal has it. */
export class ShopProcess {
  output = '';
  private readonly child: ChildProcess;
  private readonly exit: Promise<unknown>;

  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    private readonly heard: (line: string) => void = () => undefined,
  ) {
    const { BROKER_URL: _, FORCE_COLOR: __, ...inherited } = process.env;
    this.child = spawn(process.execPath, ['sample-app/dist/main.js', ...args], {
      cwd: root,
      env: { ...inherited, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      createInterface(stream).on('line', (line) => {
        this.output += `${line}\n`;
        this.heard(line);
      });
    this.exit = once(this.child, 'close');
  }

  private get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Once handlers run. */
  async ready(): Promise<void> {
    await until(
      () => this.ended || /^(The shop is open|At work): /m.test(this.output),
      () => `the process to be ready:\n${this.output}`,
    );
    if (this.ended) throw new Error(`the process ended instead of starting:\n${this.output}`);
  }

  get url(): string {
    return /The shop is open: (\S+)/.exec(this.output)![1]!;
  }

  /** Code, or the signal it ended by. */
  async ending(): Promise<number | NodeJS.Signals | null> {
    await this.exit;
    return this.child.exitCode ?? this.child.signalCode;
  }

  async stop(): Promise<number | NodeJS.Signals | null> {
    this.child.kill('SIGTERM');
    return this.ending();
  }

  /** For the end of a test: nothing it started lives on. */
  async kill(): Promise<void> {
    if (!this.ended) this.child.kill('SIGKILL');
    await this.exit;
  }
}
