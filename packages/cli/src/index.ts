export { EXIT, type ExitCode } from './exit.js';
export { run } from './run.js';
export type { Terminal } from './terminal.js';
