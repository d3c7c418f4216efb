#!/usr/bin/env node
/**
 * Stands for a Python that has vLLM: a server process with a child of its own, which answers /health and says how it was started.
 * With `--fail TEXT` it prints the text and ends.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

const args = process.argv.slice(2);
const after = (flag) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
if (args.includes('--fail')) {
  console.error(after('--fail'));
  process.exit(1);
}
if (args[0] === '-c') {
  // Asked for the versions of packages.
  console.log(JSON.stringify({ torch: '1', transformers: '1', peft: '1', safetensors: '1', vllm: '1.2.3' }));
  process.exit();
}
// It has no PyTorch: a rank ends as soon as it has started, with the error that it is to have.
if (args[1] === 'selm_torch') {
  console.error(process.env.STAND_IN_ERROR ?? '');
  process.exit(1);
}
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
const { pid, env } = process;
const told = JSON.stringify({ pid, child: child.pid, args, key: env.VLLM_API_KEY, env: Object.keys(env) });
createServer((_, response) => response.end(told)).listen(Number(after('--port')), '127.0.0.1');
// As a server that crashes while it ends: its child is left.
process.on('SIGTERM', () => process.exit());
