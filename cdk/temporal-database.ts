/** The database of the self-hosted Temporal server: Aurora Serverless v2 with PostgreSQL. */
import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import type { IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import * as rds from 'aws-cdk-lib/aws-rds';
import type { Construct } from 'constructs';
import type { SelfHostedConfig } from '../config/deployment/temporal.ts';
import { DATABASE, DATABASE_USER } from './temporal-task.ts';

/** The cluster with one instance. Its storage is replicated to three zones; Aurora replaces a failed instance. */
export function temporalDatabase(
  scope: Construct,
  { minAcu, maxAcu, deletionProtection }: SelfHostedConfig,
  vpc: IVpc,
  vpcSubnets: SubnetSelection,
): rds.DatabaseCluster {
  const database = new rds.DatabaseCluster(scope, 'Database', {
    engine: rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_16_13 }),
    vpc,
    vpcSubnets,
    writer: rds.ClusterInstance.serverlessV2('Writer', {
      // The authority of rds-certificates.ts.
      caCertificate: rds.CaCertificate.RDS_CA_RSA2048_G1,
    }),
    serverlessV2MinCapacity: minAcu,
    serverlessV2MaxCapacity: maxAcu,
    // The database pauses while it has no connections, which is only while the server is stopped.
    ...(minAcu === 0 && { serverlessV2AutoPauseDuration: Duration.minutes(10) }),
    defaultDatabaseName: DATABASE,
    credentials: rds.Credentials.fromGeneratedSecret(DATABASE_USER, { excludeCharacters: '"@/\\\'`$% ' }),
    storageEncrypted: true,
    parameters: { 'rds.force_ssl': '1' },
    backup: { retention: Duration.days(7) },
    deletionProtection,
    removalPolicy: RemovalPolicy.SNAPSHOT,
  });
  Validations.of(database).acknowledge(
    {
      id: 'AwsSolutions-RDS6',
      reason: "Temporal's server authenticates with a password that Secrets Manager generates and stores.",
    },
    {
      id: 'AwsSolutions-SMG4',
      reason: 'A new password requires a restart of the server, so it is changed by hand, as docs/deploy.md describes.',
    },
    {
      id: 'AwsSolutions-RDS11',
      reason: 'Only the server can reach the port; another port number would not add security.',
    },
  );
  if (!deletionProtection)
    Validations.of(database).acknowledge({
      id: 'AwsSolutions-RDS10',
      reason:
        'CloudFormation could not roll a failed first deployment back; it takes a snapshot before it deletes the cluster.',
    });
  return database;
}
