/** A vLLM server in a GPU worker's task, for sampling. Only this task can reach it. */
import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { DeployConfig } from '../config/deployment.ts';

const PORT = 8000;

/**
 * Adds the vLLM container to a task definition with a volume `home`.
 *
 * @param home path of the mounted volume, the same as in the worker's container
 */
export function addVllm(
  taskDefinition: ecs.TaskDefinition,
  { image, model, arguments: further }: NonNullable<DeployConfig['vllm']>,
  logging: ecs.LogDriver,
  home: string,
): void {
  const container = taskDefinition.addContainer('Vllm', {
    containerName: 'vllm',
    image: ecs.ContainerImage.fromRegistry(image),
    command: ['--host', '127.0.0.1', '--port', String(PORT), '--model', model, '--enable-lora', ...further],
    // Each round loads its adapter from the artifact cache, which both containers mount at the same path.
    environment: { HF_HOME: `${home}/hub`, VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True' },
    gpuCount: 1,
    memoryReservationMiB: 4096,
    healthCheck: {
      command: ['CMD-SHELL', `curl -sf http://127.0.0.1:${PORT}/health`],
      // Time to download and load the model. 300 s is ECS's maximum.
      startPeriod: Duration.seconds(300),
      interval: Duration.seconds(60),
      retries: 10,
    },
    logging,
  });
  container.addMountPoints({ sourceVolume: 'home', containerPath: home, readOnly: false });
}
