/** The bucket of the artifacts: encrypted, versioned, TLS only, retained when the stack is deleted. Or an existing bucket. */
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type { ApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { PolicyStatement, ServicePrincipal, type IRole } from 'aws-cdk-lib/aws-iam';
import { Key, type IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { DeployConfig } from '../config/deployment.ts';
import { acknowledgeLogBucket, acknowledgeObjects } from './acknowledgements.ts';

const OLD_VERSIONS_DAYS = 30;
const LOGS_DAYS = 90;

const closed = {
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  enforceSSL: true,
  minimumTLSVersion: 1.2,
  objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
  removalPolicy: RemovalPolicy.RETAIN,
};

/** The bucket of the artifacts, its key and the bucket of access logs. */
export class StorageStack extends Stack {
  private readonly bucket: IBucket;
  /** The key of the bucket. An existing bucket may have one of S3's own keys, which needs no permissions. */
  private readonly key: IKey | undefined;
  private readonly prefix: string;
  private logs: Bucket | undefined;

  /** The workers read and write objects under the prefix `name` only. */
  constructor(scope: Construct, id: string, { name, storage, kmsKeyArn }: DeployConfig, props: StackProps) {
    super(scope, id, props);
    this.prefix = name;
    if (kmsKeyArn !== undefined) this.key = Key.fromKeyArn(this, 'Key', kmsKeyArn);
    if (storage.bucket !== undefined) {
      this.bucket = Bucket.fromBucketName(this, 'Artifacts', storage.bucket);
      return;
    }
    this.key ??= new Key(this, 'Key', { enableKeyRotation: true, removalPolicy: RemovalPolicy.RETAIN });
    this.bucket = new Bucket(this, 'Artifacts', {
      ...closed,
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      // A bucket key serves many objects with one request to KMS.
      bucketKeyEnabled: true,
      versioned: true,
      serverAccessLogsBucket: this.logBucket,
      lifecycleRules: [
        // Objects that `selm gc` deletes can be restored for some time. Current objects never expire.
        { noncurrentVersionExpiration: Duration.days(OLD_VERSIONS_DAYS) },
        { abortIncompleteMultipartUploadAfter: Duration.days(2) },
        { expiredObjectDeleteMarker: true },
      ],
    });
  }

  /** The bucket of access logs, created when it is needed. */
  private get logBucket(): Bucket {
    this.logs ??= new Bucket(this, 'AccessLogs', {
      ...closed,
      // S3 can write access logs only to a bucket that is encrypted with S3's own keys.
      encryption: BucketEncryption.S3_MANAGED,
      lifecycleRules: [{ expiration: Duration.days(LOGS_DAYS) }],
    });
    acknowledgeLogBucket(this.logs);
    return this.logs;
  }

  get bucketArn(): string {
    return this.bucket.bucketArn;
  }

  /** The key of the bucket, if selm knows it. */
  get keyArn(): string | undefined {
    return this.key?.keyArn;
  }

  /** The value of SELM_STORE. */
  get url(): string {
    return `s3://${this.bucket.bucketName}/${this.prefix}`;
  }

  /** Allows a worker to read and write objects under the prefix only. */
  grantTo(worker: IRole): void {
    this.grant(
      worker,
      ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
      ['kms:Decrypt', 'kms:GenerateDataKey'],
    );
  }

  /** Allows a task to read objects under the prefix only. */
  grantReadTo(task: IRole): void {
    this.grant(task, ['s3:GetObject'], ['kms:Decrypt']);
  }

  private grant(role: IRole, onObjects: string[], onKey: string[]): void {
    const objects = `${this.prefix}/*`;
    if (!(this.bucket instanceof Bucket)) acknowledgeObjects(role, `${this.bucket.bucketName}/${objects}`);
    role.addToPrincipalPolicy(
      new PolicyStatement({ actions: onObjects, resources: [this.bucket.arnForObjects(objects)] }),
    );
    role.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['s3:ListBucket'],
        resources: [this.bucket.bucketArn],
        conditions: { StringLike: { 's3:prefix': objects } },
      }),
    );
    if (!this.key) return;
    role.addToPrincipalPolicy(new PolicyStatement({ actions: onKey, resources: [this.key.keyArn] }));
  }

  /** Stores a load balancer's access log in the log bucket, under `prefix`. */
  keepAccessLog(balancer: ApplicationLoadBalancer, prefix: string): void {
    const logs = this.logBucket;
    logs.addToResourcePolicy(
      new PolicyStatement({
        actions: ['s3:PutObject'],
        principals: [new ServicePrincipal('logdelivery.elasticloadbalancing.amazonaws.com')],
        resources: [logs.arnForObjects(`${prefix}/AWSLogs/${this.account}/*`)],
      }),
    );
    balancer.setAttribute('access_logs.s3.enabled', 'true');
    balancer.setAttribute('access_logs.s3.bucket', logs.bucketName);
    balancer.setAttribute('access_logs.s3.prefix', prefix);
  }
}
