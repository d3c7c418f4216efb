/** The bucket of the artifacts: encrypted, versioned, TLS only. It is retained when the stack is deleted. */
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type { ApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { PolicyStatement, ServicePrincipal, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

const OLD_VERSIONS_DAYS = 30;
const LOGS_DAYS = 90;

/** The bucket of the artifacts, its key and the bucket of access logs. */
export class StorageStack extends Stack {
  private readonly bucket: Bucket;
  private readonly key: Key;
  private readonly logs: Bucket;
  private readonly prefix: string;

  /** @param prefix prefix of all objects that the workers read and write */
  constructor(scope: Construct, id: string, prefix: string, props: StackProps) {
    super(scope, id, props);
    this.prefix = prefix;
    this.key = new Key(this, 'Key', { enableKeyRotation: true, removalPolicy: RemovalPolicy.RETAIN });
    const closed = {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.RETAIN,
    };
    this.logs = new Bucket(this, 'AccessLogs', {
      ...closed,
      // S3 can write access logs only to a bucket that is encrypted with S3's own keys.
      encryption: BucketEncryption.S3_MANAGED,
      lifecycleRules: [{ expiration: Duration.days(LOGS_DAYS) }],
    });
    this.bucket = new Bucket(this, 'Artifacts', {
      ...closed,
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      // A bucket key serves many objects with one request to KMS.
      bucketKeyEnabled: true,
      versioned: true,
      serverAccessLogsBucket: this.logs,
      lifecycleRules: [
        // Objects that `selm gc` deletes can be restored for some time. Current objects never expire.
        { noncurrentVersionExpiration: Duration.days(OLD_VERSIONS_DAYS) },
        { abortIncompleteMultipartUploadAfter: Duration.days(2) },
        { expiredObjectDeleteMarker: true },
      ],
    });
  }

  /** The value of SELM_STORE. */
  get url(): string {
    return `s3://${this.bucket.bucketName}/${this.prefix}`;
  }

  /** Allows a worker to read and write objects under the prefix only. */
  grantTo(worker: IGrantable): void {
    this.grant(
      worker,
      ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
      ['kms:Decrypt', 'kms:GenerateDataKey'],
    );
  }

  /** Allows a task to read objects under the prefix only. */
  grantReadTo(task: IGrantable): void {
    this.grant(task, ['s3:GetObject'], ['kms:Decrypt']);
  }

  private grant({ grantPrincipal: principal }: IGrantable, onObjects: string[], onKey: string[]): void {
    const objects = `${this.prefix}/*`;
    principal.addToPrincipalPolicy(
      new PolicyStatement({ actions: onObjects, resources: [this.bucket.arnForObjects(objects)] }),
    );
    principal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['s3:ListBucket'],
        resources: [this.bucket.bucketArn],
        conditions: { StringLike: { 's3:prefix': objects } },
      }),
    );
    principal.addToPrincipalPolicy(new PolicyStatement({ actions: onKey, resources: [this.key.keyArn] }));
  }

  /** Stores a load balancer's access log in the log bucket, under `prefix`. */
  keepAccessLog(balancer: ApplicationLoadBalancer, prefix: string): void {
    this.logs.addToResourcePolicy(
      new PolicyStatement({
        actions: ['s3:PutObject'],
        principals: [new ServicePrincipal('logdelivery.elasticloadbalancing.amazonaws.com')],
        resources: [this.logs.arnForObjects(`${prefix}/AWSLogs/${this.account}/*`)],
      }),
    );
    balancer.setAttribute('access_logs.s3.enabled', 'true');
    balancer.setAttribute('access_logs.s3.bucket', this.logs.bucketName);
    balancer.setAttribute('access_logs.s3.prefix', prefix);
  }
}
