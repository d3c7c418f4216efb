/** Settings that an organization's rules for AWS accounts require: account, keys, roles, tags, proxy and certificates. */
import { z } from 'zod';
import { serverAddress } from '../../openai/client/settings.ts';

/** A schema of an ARN of `service`, with an example of what follows it. */
export const arn = (service: string, rest = '…') =>
  z.string().regex(new RegExp(`^arn:[\\w-]+:${service}:`), `expected arn:aws:${service}:${rest}`);

const storageSchema = z.strictObject({
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'expected the name of a bucket')
    .optional()
    .describe('An existing bucket for the artifacts, in the same account and region. Default: a new one.'),
});

const proxySchema = z.strictObject({
  https: serverAddress.describe('Address of an HTTP CONNECT proxy, such as `http://proxy.example.com:3128`.'),
  noProxy: z
    .array(z.string().regex(/^[^,\s]+$/, 'expected one host, domain or address range'))
    .default([])
    .describe(
      'Hosts and domains (`.example.com`) that are reached directly. AWS services and the machine itself always are.',
    ),
});

/** The settings, as keys of the top level of a deployment's configuration. */
export const enterpriseSettings = {
  account: z
    .string()
    .regex(/^\d{12}$/, "expected the 12 digits of an account's id, in quotes")
    .optional()
    .describe('The only AWS account to deploy to. Default: that of the credentials. Needs `region`.'),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d+$/, 'expected a region, such as us-east-1')
    .optional()
    .describe('The only region to deploy to. Default: that of the AWS environment. Needs `account`.'),
  storage: storageSchema.prefault({}).describe('The bucket of the artifacts.'),
  // Not of an alias, which IAM policies do not resolve.
  kmsKeyArn: z
    .string()
    .regex(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, 'expected arn:aws:kms:REGION:ACCOUNT:key/…')
    .optional()
    .describe(
      'An existing KMS key that encrypts the bucket, logs, the database, disks, secrets and alarms. docs/deploy-security.md says what ' +
        'its policy must allow. Default: a new key for the bucket and one for alarms; AWS-owned keys for the rest.',
    ),
  permissionsBoundaryArn: arn('iam', ':ACCOUNT:policy/…')
    .optional()
    .describe('Managed policy that is the permissions boundary of all roles.'),
  tags: z
    .record(z.string().min(1).max(128), z.string().max(256))
    .default({})
    .describe('Tags of all resources, and of the tasks, instances and disks that ECS starts.'),
  exec: z
    .boolean()
    .default(false)
    .describe(
      'Allows `aws ecs execute-command` into containers, with a log of the sessions. Their root file systems are then writable.',
    ),
  proxy: proxySchema.optional().describe('Proxy of the workers for all hosts outside of AWS.'),
  caBundle: z
    .string()
    .optional()
    .describe(
      'Certificates of your own certificate authorities in PEM: a file, or the text. Workers trust them in addition to the public ones.',
    ),
};
