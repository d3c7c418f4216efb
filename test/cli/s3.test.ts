/** A run whose artifacts are in an S3 bucket: what one machine has made, another does not make again. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunStatus } from '../../workflows/status.ts';
import { credentials, startVersitygw, type S3Server } from '../artifacts/versitygw.ts';
import { selm, summaryOf } from '../command.ts';
import { freePort } from '../free-port.ts';
import { jsonl } from '../jsonl.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyModel, tinyPrompts } from '../tiny-model.ts';

const folder = temporaryFolder();
const config = join(folder, 'shared.yaml');
let server: S3Server;

const machine = (name: string) => ({
  SELM_HOME: join(folder, name),
  SELM_STORE: 's3://selm/team',
  AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${server.port}`,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
});

beforeAll(async () => {
  server = await startVersitygw(folder, ['selm']);
  tinyModel(join(folder, 'model'));
  writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(40)));
  const sample = { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 12 };
  const optimize = { learningRate: 1e-3, batchSize: 8 };
  const prompts = { train: './train.jsonl', heldOut: 8 };
  writeFileSync(
    config,
    stringify({
      name: 'shared',
      model: './model',
      prompts,
      rounds: 1,
      sample,
      optimize,
      evaluate: { maxNewTokens: 12 },
      output: './policy',
    }),
  );
});
afterAll(() => server.stop());

const adapter = () => readFileSync(join(folder, 'policy', 'adapter_model.safetensors'));

it('reuses the artifacts of another machine, byte for byte', async () => {
  const first = await selm(['run', config, '--json'], machine('a'));
  expect(first.code, first.stderr).toBe(0);
  const made = adapter();
  rmSync(join(folder, 'a'), { recursive: true });
  rmSync(join(folder, 'policy'), { recursive: true });

  const second = await selm(['run', config, '--json'], machine('b'));
  expect(second.code, second.stderr).toBe(0);
  expect(summaryOf<RunStatus>(second)).toEqual({ ...summaryOf<RunStatus>(first), gpuSeconds: 0 });
  expect(adapter().equals(made)).toBe(true);
  expect(existsSync(join(folder, 'b', 'artifacts'))).toBe(false);
  const policies = await selm(['policies', '--json'], machine('c'));
  expect(summaryOf<{ name: string; version: number }[]>(policies)).toMatchObject([{ name: 'shared', version: 1 }]);
});

it('a bucket that is not there, or refuses the credentials, is told in one sentence without secrets', async () => {
  const missing = await selm(['policies'], { ...machine('c'), SELM_STORE: 's3://nowhere' });
  expect(missing.code).toBe(2);
  expect(missing.stderr).toMatch(
    /^selm: The artifact store s3:\/\/nowhere does not answer as it should \(.*\)\. Check SELM_STORE and the AWS credentials, region and endpoint\.\n$/,
  );
  const refused = await selm(['policies'], { ...machine('c'), AWS_SECRET_ACCESS_KEY: 'not-the-secret' });
  expect(refused.code).toBe(2);
  const run = await selm(['run', config], { ...machine('c'), SELM_STORE: 's3://nowhere' });
  expect([run.code, run.stderr]).toEqual([2, missing.stderr]);
  expect(refused.stderr).toMatch(/^selm: The artifact store s3:\/\/selm\/team does not answer as it should/);
  expect(refused.stderr).not.toContain('not-the-secret');
});

it('a store that does not answer is a failure, not bad input', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const down = await selm(['policies'], { ...machine('c'), AWS_ENDPOINT_URL_S3: nobody });
  expect(down.code).toBe(1);
  expect(down.stderr).toMatch(
    /^selm: The artifact store s3:\/\/selm\/team does not answer as it should \(.*ECONNREFUSED.*\)\.\n$/,
  );
});
