/** The configuration of a deployment: its schema, which is also its reference, and how a file of it is read. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { readFailure } from '../data/file-errors.ts';
import { isDatasetId, isModelId } from '../data/hub.ts';
import { parseYaml } from '../data/yaml.ts';
import { describeProblem } from './problem.ts';
import { serverAddress } from '../openai/client/settings.ts';
import { loadConfig } from './run.ts';
import { PRICES, type PriceName } from './prices.ts';
import { publicUiSchema } from './public-ui.ts';

/** The CDK context's key of a deployment's configuration. */
export const CONTEXT_KEY = 'selm';

const positiveInt = z.int().positive();
const version = z.string().regex(/^[\w.-]{1,60}$/, 'expected letters, digits, ".", "_" and "-"');

const cloudSchema = z.strictObject({
  kind: z.literal('cloud'),
  address: z.string().describe('Host and port, such as `us-east-1.aws.api.temporal.io:7233`.'),
  namespace: z.string().describe('Namespace with its account, such as `selm.a1b2c`.'),
  apiKeySecret: z.string().describe('Name of the Secrets Manager secret that holds the API key as its text.'),
  privateLinkService: z
    .string()
    .optional()
    .describe("Name of Temporal Cloud's endpoint service in the region; without a NAT gateway it is required."),
});

const selfHostedSchema = z.strictObject({
  kind: z.literal('self-hosted'),
  namespace: z.string().default('default').describe('Namespace, created where there is none of that name.'),
  minAcu: z.number().min(0).max(128).default(0).describe('Least capacity of the database; 0 lets it pause.'),
  maxAcu: z.number().min(1).max(128).default(2).describe('Greatest capacity of the database.'),
  stopped: z
    .boolean()
    .default(false)
    .describe('Stops the server and all workers; the database then pauses and keeps what there is.'),
});

const gpuSchema = z.strictObject({
  capacity: z
    .enum(['managed-instances', 'auto-scaling-group'])
    .default('managed-instances')
    .describe('Who runs the instances: ECS, or an Auto Scaling group (for p5, capacity blocks, own machine images).'),
  accelerators: z
    .array(z.enum(['l4', 'a10g', 'l40s', 'a100', 'h100']))
    .min(1)
    .default(['l4', 'a10g', 'l40s'])
    .describe('Any of these GPUs, one a worker (managed instances).'),
  instanceType: z
    .string()
    .default('g6.xlarge')
    .describe('Type of the instances (Auto Scaling group), and of the cost estimate.'),
  capacityBlock: z
    .string()
    .regex(/^cr-\w+$/, 'expected the id of a capacity reservation, such as cr-0123')
    .optional()
    .describe('Capacity block to run in (Auto Scaling group).'),
  maxWorkers: positiveInt.max(50).default(4).describe('Most workers at a time.'),
  spot: z.boolean().default(true).describe('Spot instances, with on-demand instances while there are none.'),
  fallbackMinutes: positiveInt
    .default(15)
    .describe('Minutes of demand without any spot worker before on-demand ones come.'),
  idleMinutes: positiveInt.default(10).describe('Minutes without demand before the last worker goes.'),
  cpu: positiveInt.default(3584).describe('CPU units of a worker: 1024 a core.'),
  memoryMiB: positiveInt.default(13_312).describe('Memory of a worker.'),
  cacheGb: positiveInt.default(100).describe("Cache of artifacts, and as much of models, on a worker's local disk."),
  usdPerHour: z
    .number()
    .positive()
    .optional()
    .describe('Price of a worker, for the cost estimate. Default: that of `instanceType`.'),
});

const scheduleSchema = z.strictObject({
  cron: z.string().describe('When: five fields, as in crontab.'),
  timezone: z.string().default('UTC').describe('Of the expression, such as `Europe/Berlin`.'),
  overlap: z
    .enum(['skip', 'buffer-one', 'buffer-all'])
    .default('skip')
    .describe('A start while the run before goes on.'),
  run: z
    .union([z.string(), z.record(z.string(), z.unknown())], { error: "expected a run's YAML file" })
    .describe("A run's YAML file, relative to this one. Model and prompts are hub ids: workers share no folder."),
});

const drainingSchema = z.strictObject({
  version: version.describe('Version whose runs are not over.'),
  control: z.string().describe('Image of its control worker, as the stack told when it was current.'),
  gpu: z.string().describe('Image of its GPU worker.'),
});

/** What the estimate of costs can be told. */
const pricesSchema = z.strictObject(
  Object.fromEntries(Object.keys(PRICES).map((name) => [name, z.number().nonnegative().optional()])) as Record<
    PriceName,
    z.ZodOptional<z.ZodNumber>
  >,
);

export const deploySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,20}$/, 'expected at most 21 lower-case letters, digits and "-"')
    .default('selm')
    .describe('Name of the deployment: of its stacks, its Temporal worker deployment and its prefix in the bucket.'),
  version: version
    .default(packageVersion())
    .describe('Version of the workers: runs stay with the one that they began on.'),
  draining: z.array(drainingSchema).default([]).describe('Earlier versions that are kept until their runs are over.'),
  network: z
    .strictObject({
      natGateways: z.int().min(0).max(1).default(1).describe('1, or 0: then nothing outside of AWS is reached.'),
    })
    .prefault({})
    .describe('The network.'),
  temporal: z
    .discriminatedUnion('kind', [cloudSchema, selfHostedSchema])
    .prefault({ kind: 'self-hosted' })
    .describe('Temporal Cloud, or a server of your own.'),
  control: z
    .strictObject({
      cpu: z.union([z.literal(256), z.literal(512), z.literal(1024), z.literal(2048)]).default(512),
      memoryMiB: positiveInt.default(1024),
    })
    .prefault({})
    .describe('The control worker, on Fargate.'),
  gpu: gpuSchema.prefault({}).describe('The GPU workers: none while there is nothing to do.'),
  images: z
    .strictObject({ control: z.string().optional(), gpu: z.string().optional() })
    .prefault({})
    .describe('Images in a registry instead of those built from this checkout.'),
  vllm: z
    .strictObject({ image: z.string(), model: z.string(), arguments: z.array(z.string()).default([]) })
    .optional()
    .describe(
      "A vLLM server beside every GPU worker, at http://127.0.0.1:8000/v1, for a run's `sample.server` with `workers: gpu`; its image by digest.",
    ),
  secrets: z
    .record(z.string(), z.string())
    .default({})
    .describe('Environment variables of the workers from Secrets Manager, such as `HF_TOKEN: name-of-secret`.'),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe('Further environment variables of the workers; never a secret.'),
  otlpEndpoint: serverAddress.optional().describe('OTLP endpoint for traces.'),
  budget: z
    .strictObject({
      monthlyUsd: z
        .number()
        .positive()
        .describe(
          "US dollars a month: AWS tells at 80 and 100 %, and when they are foreseen. A run's own limit is its `budget`.",
        ),
      email: z.string().describe('Who is told.'),
    })
    .optional()
    .describe('When AWS tells what is spent.'),
  ui: z
    .union([z.boolean(), publicUiSchema], { error: 'expected true, false, or hostname, certificateArn and oidc' })
    .default(false)
    .describe('The web pages of `selm ui`: `true` for those inside of the network only, or how others sign in.'),
  prices: pricesSchema
    .prefault({})
    .describe('Prices of your region in US dollars, in place of those of config/prices.ts.'),
  alarmEmail: z.string().optional().describe('Who is told of alarms.'),
  schedules: z.array(scheduleSchema).default([]).describe('Runs by the clock.'),
});
export type DeployConfig = z.infer<typeof deploySchema>;
export type CloudConfig = z.infer<typeof cloudSchema>;
export type SelfHostedConfig = z.infer<typeof selfHostedSchema>;
export type GpuConfig = z.infer<typeof gpuSchema>;

export const isStopped = ({ temporal }: DeployConfig) => temporal.kind === 'self-hosted' && temporal.stopped;

/**
 * Reads a deployment's YAML file, with the runs of its schedules in it.
 * @throws InputError that names the file and the key
 */
export function loadDeployConfig(file: string): DeployConfig {
  const document: unknown = readYaml(file) ?? {};
  const config = checkDeployConfig(document, file);
  const schedules = config.schedules.map((schedule) => ({
    ...schedule,
    run: typeof schedule.run === 'string' ? loadRun(resolve(dirname(file), schedule.run)) : schedule.run,
  }));
  return { ...config, schedules };
}

/** @throws InputError that names `source` and the key */
export function checkDeployConfig(document: unknown, source: string): DeployConfig {
  const parsed = deploySchema.safeParse(document);
  if (!parsed.success)
    throw new InputError(`${source}: ${describeProblem(deploySchema, document, parsed.error, 'docs/deploy.md')}`);
  const { network, temporal, gpu, secrets, environment } = parsed.data;
  const refuse = (problem: string) => {
    throw new InputError(`${source}: ${problem}`);
  };
  if (network.natGateways === 0 && temporal.kind === 'cloud' && temporal.privateLinkService === undefined) {
    refuse(
      'temporal.privateLinkService is missing: without a NAT gateway (network.natGateways: 0) Temporal Cloud is reached by PrivateLink only.',
    );
  }
  if (gpu.capacityBlock !== undefined && gpu.capacity !== 'auto-scaling-group') {
    refuse('gpu.capacityBlock needs gpu.capacity: auto-scaling-group.');
  }
  if (gpu.capacity === 'managed-instances' && gpu.accelerators.every((name) => name === 'a100')) {
    refuse(
      'gpu.accelerators: no instance has a single A100, so no worker would ever come; a p4d.24xlarge has 8: give gpu.capacity: auto-scaling-group and gpu.instanceType: p4d.24xlarge, and selm deploy doctor asks for the quota of its 96 vCPUs.',
    );
  }
  const twice = Object.keys(secrets).find((name) => name in environment);
  if (twice !== undefined) refuse(`${twice} is in secrets and in environment; name it once.`);
  return parsed.data;
}

/** A run for workers of other machines: what it names must be reachable from there. */
function loadRun(file: string): Record<string, unknown> {
  const run = loadConfig(file);
  const { train, heldOut } = run.prompts;
  if (!isModelId(run.model))
    throw new InputError(`${file}: model is a folder, which GPU workers do not see; give a hub id.`);
  for (const prompts of [train, heldOut]) {
    if (typeof prompts === 'number' || isDatasetId(prompts)) continue;
    throw new InputError(`${file}: ${prompts} is a file, which workers in AWS do not see; give a hub data set.`);
  }
  return run;
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw readFailure(file, error, "give a deployment's YAML file");
  }
  return parseYaml(text, file);
}

function packageVersion(): string {
  const file = fileURLToPath(new URL('../package.json', import.meta.url));
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
