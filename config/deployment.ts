/** The configuration of a deployment: its schema, from which docs/deployment-settings.md is generated. */
import { z } from 'zod';
import { selmVersion } from '../engine/version.ts';
import { serverAddress } from '../openai/client/settings.ts';
import { gpuSchema } from './deployment/gpu.ts';
import { publicUiSchema } from './deployment/public-ui.ts';
import { cloudSchema, selfHostedSchema } from './deployment/temporal.ts';
import { pricesSchema } from './prices.ts';
import { scheduleSchema } from './schedule.ts';

/** The key of a deployment's configuration in the CDK context. */
export const CONTEXT_KEY = 'selm';

const version = z.string().regex(/^[\w.-]{1,60}$/, 'expected letters, digits, ".", "_" and "-"');
const image = z.string();

const drainingSchema = z.strictObject({
  version: version.describe('A version that still has runs in progress.'),
  control: image.describe('Image of its control worker: an output of the stack `control` of that version.'),
  gpu: image.describe('Image of its GPU worker: an output of the stack `gpu` of that version.'),
});

export const deploySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,20}$/, 'expected at most 21 lower-case letters, digits and "-"')
    .default('selm')
    .describe('Name of the deployment: of its stacks, its Temporal worker deployment and its prefix in the bucket.'),
  version: version
    .optional()
    .transform((given) => given ?? selmVersion)
    .describe("Version of the workers. A run stays on the version that it started on. Default: selm's version."),
  draining: z
    .array(drainingSchema)
    .default([])
    .describe('Earlier versions whose workers are kept until their runs have ended.'),
  network: z
    .strictObject({
      natGateways: z
        .int()
        .min(0)
        .max(1)
        .default(1)
        .describe('Number of NAT gateways. With 0, workers reach AWS services only, through VPC endpoints.'),
    })
    .prefault({})
    .describe('The VPC.'),
  temporal: z
    .discriminatedUnion('kind', [cloudSchema, selfHostedSchema])
    .prefault({ kind: 'self-hosted' })
    .describe('The Temporal server. Default: `kind: self-hosted`.'),
  control: z
    .strictObject({
      cpu: z
        .union([z.literal(256), z.literal(512), z.literal(1024), z.literal(2048)])
        .default(512)
        .describe('CPU units of the task; 1024 are one vCPU.'),
      memoryMiB: z.int().positive().default(1024).describe('Memory of the task in MiB.'),
    })
    .prefault({})
    .describe('The control worker, on Fargate.'),
  gpu: gpuSchema.prefault({}).describe('The GPU workers. There are none while there is no work for them.'),
  images: z
    .strictObject({
      control: image.optional().describe('Image of the control worker.'),
      gpu: image.optional().describe('Image of the GPU worker.'),
    })
    .prefault({})
    .describe('Images from a registry. Default: images built from this checkout.'),
  vllm: z
    .strictObject({
      image: image.describe('Image of vLLM, by digest.'),
      model: z.string().describe('Model that vLLM serves.'),
      arguments: z.array(z.string()).default([]).describe('Further arguments of vLLM.'),
    })
    .optional()
    .describe(
      'A vLLM server beside each GPU worker, at http://127.0.0.1:8000/v1, ' +
        "for a run's `sample.server` with `workers: gpu`.",
    ),
  secrets: z
    .record(z.string(), z.string())
    .default({})
    .describe('Environment variables of the workers from Secrets Manager, such as `HF_TOKEN: name-of-secret`.'),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe('Further environment variables of the workers. Not for secrets.'),
  otlpEndpoint: serverAddress.optional().describe('OTLP endpoint that receives traces.'),
  budget: z
    .strictObject({
      monthlyUsd: z
        .number()
        .positive()
        .describe(
          'US dollars per month. AWS sends a notification at 80 % and at 100 %, and when it forecasts them. ' +
            'It stops nothing: a run has its own `budget`.',
        ),
      email: z.string().describe('Address that is notified.'),
    })
    .optional()
    .describe('An AWS budget for the deployment.'),
  ui: z
    .union([z.boolean(), publicUiSchema], { error: 'expected true, false, or hostname, certificateArn and oidc' })
    .default(false)
    .describe(
      'The web pages of `selm ui`: `true` for pages inside the network only; `hostname`, `certificateArn` and ' +
        '`oidc` for pages on the internet, with sign-in.',
    ),
  prices: pricesSchema
    .prefault({})
    .describe('Prices for the cost estimate, in US dollars. The defaults are those of us-east-1.'),
  alarmEmail: z.string().optional().describe('Address that is notified of alarms.'),
  schedules: z.array(scheduleSchema).default([]).describe('Scheduled runs.'),
});

/** A deployment's configuration with its defaults filled in. */
export type DeployConfig = z.infer<typeof deploySchema>;

/** Whether the self-hosted Temporal server, and with it all workers, are stopped. */
export const isStopped = ({ temporal }: DeployConfig) => temporal.kind === 'self-hosted' && temporal.stopped;
