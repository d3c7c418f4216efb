/** The section `temporal` of a deployment: Temporal Cloud, or a self-hosted server. */
import { z } from 'zod';
import { secretName } from './secret-name.ts';

export const cloudSchema = z
  .strictObject({
    kind: z.literal('cloud').describe('Temporal Cloud.'),
    address: z
      .string()
      .regex(/^[\w.-]+:\d+$/, 'expected host and port, such as us-east-1.aws.api.temporal.io:7233')
      .describe('Host and port, such as `us-east-1.aws.api.temporal.io:7233`.'),
    namespace: z.string().describe('Namespace with its account, such as `selm.a1b2c`.'),
    apiKeySecret: secretName.describe('Name of the secret in Secrets Manager whose text is the API key.'),
    privateLinkService: z
      .string()
      .optional()
      .describe(
        "Name of Temporal Cloud's VPC endpoint service in the region. Required without a NAT gateway " +
          '(`network.natGateways: 0`).',
      ),
  })
  .describe('Temporal Cloud.');

/** Capacity units of Aurora Serverless v2. */
const MAX_ACU = 256;
const acu = z.number().multipleOf(0.5, 'expected steps of 0.5').max(MAX_ACU, `expected at most ${MAX_ACU}`);

const HOSTNAME = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/;

export const selfHostedSchema = z
  .strictObject({
    kind: z.literal('self-hosted').describe('A Temporal server in the deployment.'),
    namespace: z
      .string()
      .regex(/^\w[\w.-]*$/, 'expected letters, digits, ".", "_" and "-"')
      .default('default')
      .describe('Namespace; created if it does not exist.'),
    retentionDays: z
      .int()
      .min(1)
      .default(30)
      .describe('Days that Temporal keeps the history of a finished run. The artifacts of the run are not affected.'),
    tls: z
      .strictObject({
        hostname: z
          .string()
          .regex(HOSTNAME, 'expected a host name, such as temporal.example.com')
          .describe('Host name of the server. Inside the network it resolves to the load balancer.'),
        certificateArn: z
          .string()
          .regex(/^arn:[\w-]+:acm:/, 'expected arn:aws:acm:…')
          .describe('Certificate of the host name in Certificate Manager, in the same region.'),
      })
      .optional()
      .describe('TLS between clients and the load balancer of the server. Default: no TLS inside the network.'),
    dynamicConfig: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("Settings of Temporal's dynamic configuration, such as `limit.blobSize.error: 4194304`."),
    minAcu: acu
      .min(0, `expected 0 to ${MAX_ACU}`)
      .default(0)
      .describe(
        'Minimum capacity of the Aurora database, in steps of 0.5; at 0 it pauses while it has no connections.',
      ),
    maxAcu: acu
      .min(1, `expected 1 to ${MAX_ACU}`)
      .default(2)
      .describe('Maximum capacity of the Aurora database, in steps of 0.5.'),
    databaseCa: z
      .string()
      .regex(/-----BEGIN CERTIFICATE-----/, 'expected certificates in PEM')
      .optional()
      .describe(
        "Certificates in PEM with which the server verifies the database's certificate. Default: the root certificate " +
          'of Amazon RDS in the region (`rds-ca-rsa2048-g1`), which selm has for most regions.',
      ),
    deletionProtection: z
      .boolean()
      .default(false)
      .describe(
        'Protects the database from deletion. Set it to `true` after the first deployment has succeeded: CloudFormation ' +
          'cannot roll a failed first deployment back over a protected database.',
      ),
    stopped: z
      .boolean()
      .default(false)
      .describe('Stops the server and all workers. The database then pauses and keeps its data.'),
  })
  .describe('A Temporal server on Fargate with an Aurora PostgreSQL database.');

export type CloudConfig = z.infer<typeof cloudSchema>;
export type SelfHostedConfig = z.infer<typeof selfHostedSchema>;
