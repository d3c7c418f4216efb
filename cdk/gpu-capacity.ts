/** Capacity providers of the GPU workers: ECS Managed Instances or an Auto Scaling group. Both start with zero instances. */
import { Size, Stack, Tags } from 'aws-cdk-lib';
import * as autoscaling from 'aws-cdk-lib/aws-autoscaling';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { acknowledgeAutoScalingGroup, acknowledgeManagedInstances } from './acknowledgements.ts';
import type { GpuConfig } from '../config/deployment/gpu.ts';

/** Purchase option of the instances. */
export type Capacity = 'spot' | 'on-demand';

/** The cluster, network and settings of a capacity provider. */
export interface CapacityProps {
  cluster: ecs.Cluster;
  vpc: ec2.IVpc;
  subnets: ec2.SubnetSelection;
  securityGroup: ec2.SecurityGroup;
  gpu: GpuConfig;
  capacity: Capacity;
}

const { NVIDIA } = ec2.AcceleratorManufacturer;
const rootVolume = ec2.BlockDeviceVolume.ebs(60, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3 });

/** Adds ECS Managed Instances with one GPU each. @returns the capacity provider's name */
export function addManagedInstances(scope: Construct, props: CapacityProps): string {
  const { cluster, vpc, subnets, securityGroup, gpu, capacity } = props;
  const provider = new ecs.ManagedInstancesCapacityProvider(scope, 'Instances', {
    subnets: vpc.selectSubnets(subnets).subnets,
    securityGroups: [securityGroup],
    capacityOptionType: capacity === 'spot' ? ecs.CapacityOptionType.SPOT : ecs.CapacityOptionType.ON_DEMAND,
    propagateTags: ecs.PropagateManagedInstancesTags.CAPACITY_PROVIDER,
    taskVolumeStorage: Size.gibibytes(2 * gpu.cacheGb + 50),
    instanceRequirements: {
      vCpuCountMin: Math.ceil(gpu.cpu / 1024),
      memoryMin: Size.mebibytes(gpu.memoryMiB),
      acceleratorTypes: [ec2.AcceleratorType.GPU],
      acceleratorManufacturers: [NVIDIA],
      acceleratorNames: gpu.accelerators as ec2.AcceleratorName[],
      acceleratorCountMin: 1,
      acceleratorCountMax: 1,
      localStorage: ec2.LocalStorage.REQUIRED,
      localStorageTypes: [ec2.LocalStorageType.SSD],
    },
  });
  // Models and artifacts are cached on the instance's local NVMe disks. The construct has no property for this.
  const resource = provider.node.findAll().find((child) => child instanceof ecs.CfnCapacityProvider)!;
  resource.addPropertyOverride(
    'ManagedInstancesProvider.InstanceLaunchTemplate.LocalStorageConfiguration.UseLocalStorage',
    true,
  );
  cluster.addManagedInstancesCapacityProvider(provider);
  acknowledgeManagedInstances(provider);
  return provider.capacityProviderName;
}

/** User data that combines the instance's local disks into one volume for the tasks. */
const LOCAL_DISKS = `
disks=$(ls /dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_* 2>/dev/null | grep -v -e -part -e _1$ | sort -u)
if [ -n "$disks" ]; then
  mdadm --create /dev/md0 --level=0 --force --raid-devices=$(echo "$disks" | wc -l) $disks
  mkfs.xfs -f /dev/md0 && mkdir -p /mnt/selm && mount /dev/md0 /mnt/selm
fi
mkdir -p /mnt/selm/home /mnt/selm/tmp && chown 10001:10001 /mnt/selm/home && chmod 1777 /mnt/selm/tmp`;

/** Adds an Auto Scaling group with one instance type, optionally in a capacity block. @returns the capacity provider's name */
export function addAutoScalingGroup(scope: Construct, props: CapacityProps): string {
  const { cluster, vpc, subnets, securityGroup, gpu, capacity } = props;
  const userData = ec2.UserData.forLinux();
  userData.addCommands(
    'echo ECS_ENABLE_GPU_SUPPORT=true >> /etc/ecs/ecs.config',
    'echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config',
    LOCAL_DISKS,
  );
  // CDK adds the ECS agent's permissions when the group is added to the cluster. Tasks have their own roles.
  const role = new Role(scope, 'InstanceRole', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
  const launchTemplate = new ec2.LaunchTemplate(scope, 'Template', {
    instanceType: new ec2.InstanceType(gpu.instanceType),
    machineImage: ecs.EcsOptimizedImage.amazonLinux2023(ecs.AmiHardwareType.GPU),
    securityGroup,
    role,
    userData,
    requireImdsv2: true,
    blockDevices: [{ deviceName: '/dev/xvda', volume: rootVolume }],
  });
  if (gpu.capacityBlock !== undefined) {
    const resource = launchTemplate.node.defaultChild as ec2.CfnLaunchTemplate;
    const data = 'LaunchTemplateData';
    resource.addPropertyOverride(`${data}.InstanceMarketOptions.MarketType`, 'capacity-block');
    resource.addPropertyOverride(
      `${data}.CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId`,
      gpu.capacityBlock,
    );
  }
  const spot = capacity === 'spot';
  const group = new autoscaling.AutoScalingGroup(scope, 'Group', {
    vpc,
    vpcSubnets: subnets,
    minCapacity: 0,
    maxCapacity: gpu.maxWorkers,
    ...(spot
      ? {
          capacityRebalance: false,
          mixedInstancesPolicy: {
            launchTemplate,
            instancesDistribution: {
              onDemandPercentageAboveBaseCapacity: 0,
              spotAllocationStrategy: autoscaling.SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
            },
          },
        }
      : { launchTemplate }),
    newInstancesProtectedFromScaleIn: true,
  });
  Tags.of(group).add('Name', `${Stack.of(scope).stackName}-${capacity}`);
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
