/**
 * `npm run unused`: code that nothing uses, and, with --production, code that only tests use. An export that tests and its own file use
 * is in use.
 */
import type { KnipConfig } from 'knip';

/** Files that are run, in patterns. Their imports are in use. */
const PROGRAMS = [
  'cli/main.ts',
  'workers/main.ts',
  'engine/process/child.ts',
  'workflows/index.ts',
  'cdk/app.ts',
  'cdk/images/check.js',
  'web/assets/*.js',
  'docs/*.ts',
  'bench/**/main.ts',
  'bench/gpu/round.ts',
  'bench/peers/*.{ts,mjs}',
];
/** Without --production knip finds these itself. */
const FURTHER_PROGRAMS = ['build.ts', 'cdk/images/refresh.ts', 'examples/encryption/codec.mjs'];
const TESTS = [
  'test/**/*.test.ts',
  'test/**/{main,child}.ts',
  'test/ci/*.{ts,mjs}',
  'test/tools/*.ts',
  'test/images/{*.check,vitest.config}.ts',
  'test/vllm/{*.check,setup,vitest.config}.ts',
  'test/engine/vllm/{parent.ts,stand-in.mjs}',
  'test/faults/work-log.mjs',
];
const BINARIES = ['apt-get', 'go', 'losetup', 'mount', 'nvidia-smi', 'openssl', 'script', 'umount', 'unshare'];

const config: KnipConfig = ({ production = false }) => ({
  // With --production, knip reads only the patterns that end in an exclamation mark.
  entry: [...(production ? [...PROGRAMS, ...FURTHER_PROGRAMS].map((pattern) => `${pattern}!`) : PROGRAMS), ...TESTS],
  project: ['**/*.{ts,js,mjs}!', '!test/**!'],
  ignoreExportsUsedInFile: production,
  ignoreDependencies: ['aws-cdk', '@temporalio/proto'],
  ignoreBinaries: production ? [...BINARIES, 'tsx'] : BINARIES,
});

export default config;
