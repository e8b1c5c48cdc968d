#!/usr/bin/env node
import { run } from './run.js';

const code = await run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  directory: process.cwd(),
});
// An application that was never started may hold sockets and timers all the same: it is not waited for.
process.stdout.write('', () => process.exit(code));
