#!/usr/bin/env node
// The entry of the command. In a checkout tsx runs the TypeScript sources; the installed package has their compiled form in dist/.
import { existsSync } from 'node:fs';

if (existsSync(new URL('main.ts', import.meta.url))) {
  const { register } = await import('tsx/esm/api');
  register();
  await import('./main.ts');
} else {
  await import('../dist/cli/main.js');
}
