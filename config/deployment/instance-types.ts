/**
 * Sizes of EC2's GPU instance types (https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html). A test compares them with the answers
 * of EC2's DescribeInstanceTypes that moto contains.
 */

export interface InstanceType {
  vcpus: number;
  memoryGib: number;
  gpus: number;
  /** Model of the GPUs. */
  gpu: string;
  /** Memory of one GPU that the driver reports, in whole GiB: EC2's 24 GB and 48 GB are 22 and 44. */
  gpuMemoryGib: number;
  /** Local NVMe disks: their number, and the GB of one. */
  disks: number;
  diskGb: number;
}

const type = (
  vcpus: number,
  memoryGib: number,
  gpus: number,
  gpu: string,
  gpuMemoryGib: number,
  disks: number,
  diskGb: number,
): InstanceType => ({ vcpus, memoryGib, gpus, gpu, gpuMemoryGib, disks, diskGb });

export const INSTANCE_TYPES: Record<string, InstanceType> = {
  'g5.xlarge': type(4, 16, 1, 'A10G', 22, 1, 250),
  'g5.2xlarge': type(8, 32, 1, 'A10G', 22, 1, 450),
  'g5.4xlarge': type(16, 64, 1, 'A10G', 22, 1, 600),
  'g5.8xlarge': type(32, 128, 1, 'A10G', 22, 1, 900),
  'g6.xlarge': type(4, 16, 1, 'L4', 22, 1, 250),
  'g6.2xlarge': type(8, 32, 1, 'L4', 22, 1, 450),
  'g6.4xlarge': type(16, 64, 1, 'L4', 22, 1, 600),
  'g6.8xlarge': type(32, 128, 1, 'L4', 22, 2, 450),
  'g6e.xlarge': type(4, 32, 1, 'L40S', 44, 1, 250),
  'g6e.2xlarge': type(8, 64, 1, 'L40S', 44, 1, 450),
  'g6e.4xlarge': type(16, 128, 1, 'L40S', 44, 1, 600),
  'g6e.8xlarge': type(32, 256, 1, 'L40S', 44, 2, 450),
  'p5.4xlarge': type(16, 256, 1, 'H100', 80, 1, 3800),
  'g6e.12xlarge': type(48, 384, 4, 'L40S', 44, 2, 1900),
  'g6e.24xlarge': type(96, 768, 4, 'L40S', 44, 2, 1900),
  'g6e.48xlarge': type(192, 1536, 8, 'L40S', 44, 4, 1900),
  'p4d.24xlarge': type(96, 1152, 8, 'A100', 40, 8, 1000),
  'p4de.24xlarge': type(96, 1152, 8, 'A100', 80, 8, 1000),
  'p5.48xlarge': type(192, 2048, 8, 'H100', 80, 8, 3800),
  'p5e.48xlarge': type(192, 2048, 8, 'H200', 141, 8, 3800),
  'p5en.48xlarge': type(192, 2048, 8, 'H200', 141, 8, 3800),
};
