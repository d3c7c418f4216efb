/** A capacity provider of ECS Managed Instances with one GPU each. It starts with zero instances. */
import { Aws, Fn, Size } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { CfnInstanceProfile, CfnRole } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { acknowledgeManagedInstances } from './acknowledgements.ts';
import { diskGbOf } from '../config/deployment/gpu.ts';
import { poolSubnets, type CapacityProps } from './gpu-capacity.ts';

/** Adds ECS Managed Instances. @returns the capacity provider's name */
export function addManagedInstances(scope: Construct, props: CapacityProps): string {
  const { cluster, vpc, subnets, securityGroup, name, pool, capacity } = props;
  const diskGb = diskGbOf(pool);
  const provider = new ecs.ManagedInstancesCapacityProvider(scope, 'Instances', {
    subnets: poolSubnets(vpc, subnets, pool),
    securityGroups: [securityGroup],
    capacityOptionType: capacity === 'spot' ? ecs.CapacityOptionType.SPOT : ecs.CapacityOptionType.ON_DEMAND,
    propagateTags: ecs.PropagateManagedInstancesTags.CAPACITY_PROVIDER,
    taskVolumeStorage: Size.gibibytes(diskGb),
    instanceRequirements: {
      vCpuCountMin: Math.ceil(pool.cpu / 1024),
      memoryMin: Size.mebibytes(pool.memoryMiB),
      acceleratorTypes: [ec2.AcceleratorType.GPU],
      acceleratorManufacturers: [ec2.AcceleratorManufacturer.NVIDIA],
      acceleratorNames: pool.accelerators as ec2.AcceleratorName[],
      acceleratorCountMin: pool.gpus,
      acceleratorCountMax: pool.gpus,
      localStorage: ec2.LocalStorage.REQUIRED,
      localStorageTypes: [ec2.LocalStorageType.SSD],
      totalLocalStorageGBMin: diskGb,
    },
  });
  // Models and artifacts are cached on the instance's local NVMe disks. The construct has no property for this.
  const resource = provider.node.findAll().find((child) => child instanceof ecs.CfnCapacityProvider)!;
  resource.addPropertyOverride(
    'ManagedInstancesProvider.InstanceLaunchTemplate.LocalStorageConfiguration.UseLocalStorage',
    true,
  );
  const own = instanceRoleName(`${name}-${capacity}`);
  (provider.node.findChild('InstanceRole').node.defaultChild as CfnRole).roleName = own;
  (provider.node.findChild('InstanceProfile').node.defaultChild as CfnInstanceProfile).instanceProfileName = own;
  cluster.addManagedInstancesCapacityProvider(provider);
  acknowledgeManagedInstances(provider);
  return provider.capacityProviderName;
}

/**
 * The name of an instance role. It must begin with `ecsInstanceRole`: ECS may pass no other role to instances. CDK makes the rest of
 * its name from the construct's path, which would be taken in a second region or by a second stack, since IAM is global.
 */
function instanceRoleName(suffix: string): string {
  const stackUuid = Fn.select(2, Fn.split('/', Aws.STACK_ID));
  const unique = Fn.select(4, Fn.split('-', stackUuid));
  return Fn.join('-', ['ecsInstanceRole', Aws.REGION, unique, suffix]);
}
