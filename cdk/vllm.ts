/** A vLLM server beside a GPU worker, for sampling: an OpenAI-compatible server that only this task can reach. */
import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { DeployConfig } from '../config/deployment.ts';

const PORT = 8000;

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
    // Adapters come with each round, out of the artifact cache, which both containers see by the same path.
    environment: { HF_HOME: `${home}/hub`, VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True' },
    gpuCount: 1,
    memoryReservationMiB: 4096,
    healthCheck: {
      command: ['CMD-SHELL', `curl -sf http://127.0.0.1:${PORT}/health`],
      // Until it has downloaded and loaded a model: 300 s are the most that ECS waits before it counts.
      startPeriod: Duration.seconds(300),
      interval: Duration.seconds(60),
      retries: 10,
    },
    logging,
  });
  container.addMountPoints({ sourceVolume: 'home', containerPath: home, readOnly: false });
}
