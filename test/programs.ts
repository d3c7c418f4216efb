/**
 * Makes what tests start and what takes long to build or to fetch, before they run: a test does not wait for it, and a machine that
 * misses a compiler or a registry is told so at once. `npm test` runs it; a test file that runs alone makes what it needs itself.
 */
import { findTemporal } from '../workers/dev-server/temporal-binary.ts';
import { findVersitygw } from './artifacts/versitygw.ts';
import { findCfnLint } from './cdk/cfn-lint.ts';
import { findChromium } from './chromium.ts';
import { findBusyBox } from './debian-packages.ts';
import { findMoto } from './moto.ts';
import { findNode24 } from './node-24.ts';
import { findLlamaServer } from './openai/client/llama-server.ts';
import { harnessPython } from './openai/server/harness.ts';
import { findPostgres } from './postgres.ts';
import { smollm2 } from './smollm2/model.ts';
import { findTemporalServer } from './temporal-server.ts';
import { findTestServer } from './time-skipping.ts';

await findTemporal(console.error);
for (const find of [
  findVersitygw,
  findTemporalServer,
  findTestServer,
  findNode24,
  findMoto,
  findCfnLint,
  harnessPython,
  smollm2,
  findLlamaServer,
  findChromium,
  findPostgres,
  findBusyBox,
])
  await find();
