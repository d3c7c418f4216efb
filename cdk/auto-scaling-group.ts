/** A capacity provider of an Auto Scaling group with one instance type, optionally in a capacity block. It starts with zero instances. */
import { Stack, Tags } from 'aws-cdk-lib';
import * as autoscaling from 'aws-cdk-lib/aws-autoscaling';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { acknowledgeAutoScalingGroup } from './acknowledgements.ts';
import { poolSubnets, type CapacityProps } from './gpu-capacity.ts';
import { LOCAL_DISKS } from './local-disks.ts';

/** For the system (30 GB), and the unpacked image with vLLM and CUDA. Its pull is as fast as the volume takes it. */
const rootVolume = ec2.BlockDeviceVolume.ebs(100, {
  encrypted: true,
  volumeType: ec2.EbsDeviceVolumeType.GP3,
  throughput: 500,
});

/** Adds an Auto Scaling group. @returns the capacity provider's name */
export function addAutoScalingGroup(scope: Construct, props: CapacityProps): string {
  const { cluster, vpc, subnets, name, pool, capacity } = props;
  const group = new autoscaling.AutoScalingGroup(scope, 'Group', {
    vpc,
    vpcSubnets: { subnets: poolSubnets(vpc, subnets, pool) },
    minCapacity: 0,
    maxCapacity: pool.maxWorkers,
    ...launchOptions(launchTemplate(scope, props), capacity === 'spot'),
    newInstancesProtectedFromScaleIn: true,
  });
  Tags.of(group).add('Name', `${Stack.of(scope).stackName}-${name}-${capacity}`);
  const provider = new ecs.AsgCapacityProvider(scope, 'Instances', {
    autoScalingGroup: group,
    // An instance is terminated only when it has no tasks.
    enableManagedTerminationProtection: true,
    enableManagedDraining: true,
  });
  cluster.addAsgCapacityProvider(provider, { machineImageType: ecs.MachineImageType.AMAZON_LINUX_2 });
  acknowledgeAutoScalingGroup(scope);
  return provider.capacityProviderName;
}

const launchOptions = (template: ec2.LaunchTemplate, spot: boolean): Partial<autoscaling.AutoScalingGroupProps> =>
  spot
    ? {
        capacityRebalance: false,
        mixedInstancesPolicy: {
          launchTemplate: template,
          instancesDistribution: {
            onDemandPercentageAboveBaseCapacity: 0,
            spotAllocationStrategy: autoscaling.SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
          },
        },
      }
    : { launchTemplate: template };

function launchTemplate(scope: Construct, { securityGroup, pool }: CapacityProps): ec2.LaunchTemplate {
  const userData = ec2.UserData.forLinux();
  userData.addCommands(
    'echo ECS_ENABLE_GPU_SUPPORT=true >> /etc/ecs/ecs.config',
    'echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config',
    // Tasks have their own roles; without this they could also take the instance's.
    'echo ECS_AWSVPC_BLOCK_IMDS=true >> /etc/ecs/ecs.config',
    LOCAL_DISKS,
  );
  // CDK adds the ECS agent's permissions when the group is added to the cluster. Tasks have their own roles.
  const role = new Role(scope, 'InstanceRole', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
  // No EFA interfaces, not even on instances that have them: the GPUs of one machine exchange tensors over NVLink, PCIe or its memory.
  const template = new ec2.LaunchTemplate(scope, 'Template', {
    instanceType: new ec2.InstanceType(pool.instanceType),
    machineImage: ecs.EcsOptimizedImage.amazonLinux2023(ecs.AmiHardwareType.GPU),
    securityGroup,
    role,
    userData,
    requireImdsv2: true,
    blockDevices: [{ deviceName: '/dev/xvda', volume: rootVolume }],
  });
  if (pool.capacityBlock !== undefined) {
    const resource = template.node.defaultChild as ec2.CfnLaunchTemplate;
    const data = 'LaunchTemplateData';
    resource.addPropertyOverride(`${data}.InstanceMarketOptions.MarketType`, 'capacity-block');
    resource.addPropertyOverride(
      `${data}.CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId`,
      pool.capacityBlock,
    );
  }
  return template;
}
