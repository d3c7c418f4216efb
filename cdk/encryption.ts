/** Encrypts what a deployment stores with a given KMS key. The bucket and the alarms' topic use it by their own properties. */
import { Stack, type App } from 'aws-cdk-lib';
import { CfnLaunchTemplate } from 'aws-cdk-lib/aws-ec2';
import { CfnCluster, TaskDefinition } from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnDBCluster } from 'aws-cdk-lib/aws-rds';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';

/** Sets the key of all log groups, databases, secrets and disks in `app`. The key's policy must allow it (docs/deploy-security.md). */
export function encryptWith(app: App, keyArn: string): void {
  for (const construct of app.node.findAll()) {
    if (construct instanceof CfnLogGroup || construct instanceof CfnDBCluster || construct instanceof CfnSecret)
      construct.kmsKeyId = keyArn;
    // The disks of Fargate tasks, and EBS volumes that ECS attaches to tasks (ECS API, ManagedStorageConfiguration). AWS encrypts local NVMe
    // disks with keys of its own.
    if (construct instanceof CfnCluster)
      construct.addPropertyOverride('Configuration.ManagedStorageConfiguration', {
        FargateEphemeralStorageKmsKeyId: keyArn,
        KmsKeyId: keyArn,
      });
    if (construct instanceof CfnLaunchTemplate) encryptDisks(construct, keyArn);
    // Secrets that are encrypted with this key reach the containers by the execution role.
    if (construct instanceof TaskDefinition)
      construct.addToExecutionRolePolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [keyArn] }));
  }
}

function encryptDisks(template: CfnLaunchTemplate, keyArn: string): void {
  const { blockDeviceMappings = [] } = Stack.of(template).resolve(
    template.launchTemplateData,
  ) as CfnLaunchTemplate.LaunchTemplateDataProperty;
  for (const index of (blockDeviceMappings as unknown[]).keys())
    template.addPropertyOverride(`LaunchTemplateData.BlockDeviceMappings.${index}.Ebs.KmsKeyId`, keyArn);
}
