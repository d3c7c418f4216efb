/** The configuration of a deployment: its schema, from which docs/deployment-settings.md is generated. */
import { z } from 'zod';
import { selmVersion } from '../engine/version.ts';
import { serverAddress } from '../openai/client/settings.ts';
import { enterpriseSettings } from './deployment/enterprise.ts';
import { gpuSchema } from './deployment/gpu.ts';
import { imagesSchema } from './deployment/images.ts';
import { networkSchema } from './deployment/network.ts';
import { publicUiSchema } from './deployment/public-ui.ts';
import { secretName } from './deployment/secret-name.ts';
import { cloudSchema, selfHostedSchema } from './deployment/temporal.ts';
import { pricesSchema } from './prices.ts';
import { scheduleSchema } from './schedule.ts';

/** The key of a deployment's configuration in the CDK context. */
export const CONTEXT_KEY = 'selm';

const email = z.string().regex(/^[^\s@]+@[^\s@]+$/, 'expected an email address, such as ops@example.com');

export const deploySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,20}$/, 'expected at most 21 lower-case letters, digits and "-"')
    .default('selm')
    .describe('Name of the deployment: of its stacks, its Temporal worker deployment and its prefix in the bucket.'),
  version: z
    .string()
    .regex(/^[\w.-]{1,60}$/, 'expected letters, digits, ".", "_" and "-"')
    .optional()
    .transform((given) => given ?? selmVersion)
    .describe(
      "Name of the workers' version; a hash of what the workers are is added to it. A run stays on the version that it started on. " +
        "Default: selm's version.",
    ),
  ...enterpriseSettings,
  network: networkSchema.prefault({}).describe('The VPC.'),
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
  images: imagesSchema
    .prefault({})
    .describe('Images from a registry, also from a private one. Default: images built from this checkout.'),
  secrets: z
    .record(z.string(), secretName)
    .default({})
    .describe(
      'Environment variables of the workers from Secrets Manager, such as `HF_TOKEN: name-of-secret`. The web pages get `SELM_CODEC_…`, too.',
    ),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      'Further environment variables of the workers. Not for secrets. The web pages get `SELM_DATA_CONVERTER` and `SELM_CODEC_…`, too.',
    ),
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
      email: email.describe('Address that is notified.'),
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
  alarmEmail: email.optional().describe('Address that is notified of alarms.'),
  schedules: z.array(scheduleSchema).default([]).describe('Scheduled runs.'),
});

/** A deployment's configuration with its defaults filled in. */
export type DeployConfig = z.infer<typeof deploySchema>;

/** Whether the self-hosted Temporal server, and with it all workers, are stopped. */
export const isStopped = ({ temporal }: DeployConfig) => temporal.kind === 'self-hosted' && temporal.stopped;
