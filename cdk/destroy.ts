/** Deletes what a deployment leaves behind on purpose: buckets, keys and snapshots of databases. They carry the deployment's tag. */
import { ECSClient, paginateListTasks } from '@aws-sdk/client-ecs';
import { DescribeKeyCommand, KMSClient, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms';
import {
  DeleteDBClusterSnapshotCommand,
  DescribeDBClustersCommand,
  ModifyDBClusterCommand,
  RDSClient,
} from '@aws-sdk/client-rds';
import { paginateGetResources, ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  S3Client,
  type ListObjectVersionsCommandOutput,
  type ObjectIdentifier,
} from '@aws-sdk/client-s3';
import pRetry from 'p-retry';
import { unfinishedUploads } from '../artifacts/s3-uploads.ts';
import type { DeployConfig } from '../config/deployment.ts';
import { DEPLOYMENT_TAG } from './budget.ts';
import { resourcesOf } from './deployed.ts';
import { inRegion, type Target } from './target.ts';

/** The shortest waiting period of KMS, in days. A key that waits for its deletion costs nothing. */
const KEY_DAYS = 7;
/** Access logs arrive late, so that a bucket may be filled again while it is deleted. */
const BUCKET_ATTEMPTS = 5;

/** What stays when the stacks are deleted, and can be deleted afterwards. */
export interface Retained {
  buckets: string[];
  /** ARNs. */
  keys: string[];
  /** ARNs of further keys, which may encrypt objects in the bucket that the configuration names: they are not deleted. */
  keysOfOwnBucket: string[];
  /** ARNs. */
  snapshots: string[];
}

/**
 * The resources with the deployment's tag that outlive its stacks. The bucket and the key that the configuration names are not among them:
 * they have the tag if an earlier deployment of the same name created them.
 */
export async function retainedOf({ storage, kmsKeyArn, ...target }: DeployConfig): Promise<Retained> {
  const client = new ResourceGroupsTaggingAPIClient(inRegion(target));
  const arns: string[] = [];
  const filter = {
    TagFilters: [{ Key: DEPLOYMENT_TAG, Values: [target.name] }],
    ResourceTypeFilters: ['s3', 'kms', 'rds:cluster-snapshot'],
  };
  for await (const { ResourceTagMappingList = [] } of paginateGetResources({ client }, filter))
    arns.push(...ResourceTagMappingList.map(({ ResourceARN }) => ResourceARN!));
  const of = (service: string) => arns.filter((arn) => arn.split(':')[2] === service);
  const kms = new KMSClient(inRegion(target));
  const keys: string[] = [];
  for (const arn of of('kms').filter((key) => key !== kmsKeyArn)) {
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: arn }));
    if (KeyMetadata!.KeyState !== 'PendingDeletion') keys.push(arn);
  }
  const hasOwnBucket = storage.bucket !== undefined;
  return {
    buckets: of('s3')
      .map((arn) => arn.split(':')[5])
      .filter((bucket) => bucket !== storage.bucket),
    keys: hasOwnBucket ? [] : keys,
    keysOfOwnBucket: hasOwnBucket ? keys : [],
    snapshots: of('rds'),
  };
}

const s3Of = (target: Target) =>
  new S3Client({ ...inRegion(target), forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined });

/** Pages of at most 1000 versions and delete markers. A page that is deleted does not move the next one. */
async function* pagesOf(client: S3Client, bucket: string): AsyncGenerator<ListObjectVersionsCommandOutput> {
  let next: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
  while (next) {
    const page: ListObjectVersionsCommandOutput = await client.send(
      new ListObjectVersionsCommand({ Bucket: bucket, ...next }),
    );
    yield page;
    const { IsTruncated, NextKeyMarker, NextVersionIdMarker } = page;
    next = IsTruncated ? { KeyMarker: NextKeyMarker, VersionIdMarker: NextVersionIdMarker } : undefined;
  }
}

/** Counts the objects of a bucket, with all their versions, and their bytes. */
export async function sizeOf(target: Target, bucket: string): Promise<{ objects: number; bytes: number }> {
  let [objects, bytes] = [0, 0];
  for await (const { Versions = [] } of pagesOf(s3Of(target), bucket)) {
    objects += Versions.length;
    bytes += Versions.reduce((sum, { Size = 0 }) => sum + Size, 0);
  }
  return { objects, bytes };
}

/** Deletes a bucket with all versions of its objects, delete markers and unfinished uploads. */
export async function deleteBucket(target: Target, bucket: string): Promise<void> {
  const client = s3Of(target);
  await pRetry(
    async () => {
      await emptyBucket(client, bucket);
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
    },
    { retries: BUCKET_ATTEMPTS - 1, shouldRetry: ({ error }) => error.name === 'BucketNotEmpty' },
  );
}

async function emptyBucket(client: S3Client, bucket: string): Promise<void> {
  for await (const { Versions = [], DeleteMarkers = [] } of pagesOf(client, bucket)) {
    const Objects = [...Versions, ...DeleteMarkers].map(
      ({ Key, VersionId }) => ({ Key, VersionId }) as ObjectIdentifier,
    );
    if (Objects.length === 0) continue;
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } });
    const { Errors: [failed] = [] } = await client.send(command);
    if (failed) throw new Error(`${bucket}: ${failed.Key} is not deleted (${failed.Message}).`);
  }
  for await (const uploads of unfinishedUploads(client, bucket))
    for (const { Key, UploadId } of uploads)
      await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
}

/** Schedules the deletion of a key. */
export async function deleteKey(target: Target, arn: string): Promise<void> {
  await new KMSClient(inRegion(target)).send(
    new ScheduleKeyDeletionCommand({ KeyId: arn.split('/').at(-1), PendingWindowInDays: KEY_DAYS }),
  );
}

/** Deletes a snapshot of a database. */
export async function deleteSnapshot(target: Target, arn: string): Promise<void> {
  const DBClusterSnapshotIdentifier = arn.split(':').at(-1);
  await new RDSClient(inRegion(target)).send(new DeleteDBClusterSnapshotCommand({ DBClusterSnapshotIdentifier }));
}

/** Switches off the deletion protection of the databases of a stack, so that it can be deleted; a final snapshot stays. */
export async function allowDeletion(target: Target, stack: string): Promise<void> {
  const client = new RDSClient(inRegion(target));
  for (const DBClusterIdentifier of await resourcesOf(target, stack, 'AWS::RDS::DBCluster')) {
    const { DBClusters = [] } = await client.send(new DescribeDBClustersCommand({ DBClusterIdentifier }));
    if (!DBClusters[0]?.DeletionProtection) continue;
    await client.send(
      new ModifyDBClusterCommand({ DBClusterIdentifier, DeletionProtection: false, ApplyImmediately: true }),
    );
  }
}

/** The number of tasks in the clusters of a stack. */
export async function tasksOf(target: Target, stack: string): Promise<number> {
  const client = new ECSClient(inRegion(target));
  let tasks = 0;
  for (const cluster of await resourcesOf(target, stack, 'AWS::ECS::Cluster'))
    for await (const { taskArns = [] } of paginateListTasks({ client }, { cluster })) tasks += taskArns.length;
  return tasks;
}
