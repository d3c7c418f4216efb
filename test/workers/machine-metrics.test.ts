/** The metrics of a GPU worker's machine, with an nvidia-smi that stands in for GPUs. */
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { noopMetricMeter } from '@temporalio/common';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EmfMetrics } from '../../workers/telemetry/emf.ts';
import { MachineMetrics } from '../../workers/telemetry/machine.ts';
import { Metrics } from '../../workers/telemetry/metrics.ts';
import { fakeNvidiaSmi, TWO_H100 } from '../fake-gpus.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
let lines: Record<string, unknown>[];
let warnings: string[];
let machine: MachineMetrics | undefined;
let emf: EmfMetrics;

beforeEach(() => {
  [lines, warnings] = [[], []];
  vi.stubEnv('SELM_HOME', folder);
  const dimensions = { Deployment: 'test', Pool: 'node', Version: 'v1', Capacity: 'spot' };
  emf = new EmfMetrics('selm', dimensions, (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
});
afterEach(() => {
  machine?.close();
  emf.close();
  vi.unstubAllEnvs();
});

/** An nvidia-smi 580 with two GPUs. @param utilization what it prints for each */
const withUtilization = (...utilization: string[]) =>
  fakeNvidiaSmi(
    join(folder, 'bin'),
    `case "$1" in *utilization*) ${utilization.map((each) => `echo "${each}"`).join('; ')};; *) ${TWO_H100};; esac`,
  );

function start(): MachineMetrics {
  machine = new MachineMetrics(new Metrics(noopMetricMeter, emf), (text) => warnings.push(text));
  machine.start(0.05);
  return machine;
}

/** All values of a metric that have been published so far, with the other keys of their line. */
const published = (name: string) => {
  emf.flush();
  return lines.filter((line) => line[name] !== undefined);
};

it('publishes the mean utilization of all GPUs while an activity is in progress, and only then', async () => {
  withUtilization('98', '51');
  const end = start().begin();
  await expect.poll(() => published('GpuUtilization').at(-1)).toMatchObject({ Pool: 'node', GpuUtilization: 74.5 });
  expect(published('GpuUtilization')[0]).toMatchObject({
    _aws: {
      CloudWatchMetrics: [
        {
          Dimensions: [['Deployment', 'Pool']],
          Metrics: expect.arrayContaining([{ Name: 'GpuUtilization', Unit: 'Percent' }]) as unknown,
        },
      ],
    },
  });
  end();
  // A reading that began before may still arrive.
  await expect
    .poll(() => ((lines = []), published('DiskUsed').length > 0 && published('GpuUtilization').length === 0))
    .toBe(true);
});

it('publishes the used part of the disk, and that the worker is there', async () => {
  withUtilization('0', '0');
  start();
  const { blocks, bavail } = statfsSync(folder);
  await expect.poll(() => published('DiskUsed').length).toBeGreaterThan(0);
  expect(published('DiskUsed')[0]).toMatchObject({ Deployment: 'test', Pool: 'node' });
  expect(published('DiskUsed')[0]['DiskUsed']).toBeCloseTo(100 * (1 - bavail / blocks), 0);
  expect(published('Workers')[0]).toMatchObject({ Pool: 'node', Version: 'v1', Capacity: 'spot', Workers: 1 });
});

it('a GPU without a utilization is reported, not published as idle', async () => {
  withUtilization('98', '[N/A]');
  start().begin();
  await expect
    .poll(() => warnings[0])
    .toBe('The use of the disk or the GPUs is not known: nvidia-smi reports a utilization of 98, [N/A]');
  expect(published('GpuUtilization')).toEqual([]);
});
