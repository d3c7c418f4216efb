/** The section `temporal` of a deployment: Temporal Cloud, or a self-hosted server. */
import { z } from 'zod';

export const cloudSchema = z
  .strictObject({
    kind: z.literal('cloud').describe('Temporal Cloud.'),
    address: z.string().describe('Host and port, such as `us-east-1.aws.api.temporal.io:7233`.'),
    namespace: z.string().describe('Namespace with its account, such as `selm.a1b2c`.'),
    apiKeySecret: z.string().describe('Name of the secret in Secrets Manager whose text is the API key.'),
    privateLinkService: z
      .string()
      .optional()
      .describe(
        "Name of Temporal Cloud's VPC endpoint service in the region. Required without a NAT gateway " +
          '(`network.natGateways: 0`).',
      ),
  })
  .describe('Temporal Cloud.');

export const selfHostedSchema = z
  .strictObject({
    kind: z.literal('self-hosted').describe('A Temporal server in the deployment.'),
    namespace: z.string().default('default').describe('Namespace; created if it does not exist.'),
    minAcu: z
      .number()
      .min(0)
      .max(128)
      .default(0)
      .describe('Minimum capacity of the Aurora database; at 0 it pauses while it has no connections.'),
    maxAcu: z.number().min(1).max(128).default(2).describe('Maximum capacity of the Aurora database.'),
    stopped: z
      .boolean()
      .default(false)
      .describe('Stops the server and all workers. The database then pauses and keeps its data.'),
  })
  .describe('A Temporal server on Fargate with an Aurora PostgreSQL database.');

export type CloudConfig = z.infer<typeof cloudSchema>;
export type SelfHostedConfig = z.infer<typeof selfHostedSchema>;
