/** Whether a device can be computed on. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import * as ops from './graph/ops.ts';
import { Graph } from './graph/tensor.ts';
import { float32, Session } from './session.ts';
import type { Device } from '../protocol/settings.ts';

const INSTALL = 'npm rebuild onnxruntime-node --ignore-scripts=false';
/** Which CUDA depends on the provider's build: a library that is missing carries it in its name. */
const NEEDS = "an NVIDIA driver, CUDA's libraries and cuDNN 9";

/** Where onnxruntime-node's install script puts the CUDA provider, on the one platform it has one for. */
export const providerLibrary = (): string =>
  join(
    dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
    'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so',
  );

/**
 * Computes something small on the device, in float16.
 * @throws InputError that says why it cannot be used, and what to do
 */
export async function checkDevice(device: Device): Promise<void> {
  if (device === 'cpu') return;
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== 'linux-x64')
    throw new InputError(`device: cuda is for linux-x64 alone, and this is ${platform}: set device: cpu.`);
  if (!existsSync(providerLibrary())) {
    throw new InputError(
      `device: cuda needs ONNX Runtime's CUDA provider, which is not installed: run ${INSTALL} (it fetches it from nuget.org, and needs ${NEEDS}), or set device: cpu.`,
    );
  }
  try {
    await computeOn(device);
  } catch (error) {
    const reason = missingLibrary() ?? (error as Error).message.trim().split('\n')[0];
    throw new InputError(
      `device: cuda does not work on this machine (${reason}): it needs ${NEEDS}, a GPU that nobody else fills, and ONNX Runtime's provider of this version (${INSTALL}); or set device: cpu.`,
    );
  }
}

/** What the provider's library is not loaded for: ONNX Runtime tells it in the log alone, the loader's own words name it. */
function missingLibrary(): string | undefined {
  try {
    process.dlopen({ exports: {} }, providerLibrary(), constants.dlopen.RTLD_LAZY);
  } catch (error) {
    const { message } = error as Error;
    if (message.includes('cannot open shared object file')) return message;
  }
  return undefined;
}

async function computeOn(device: Device): Promise<void> {
  const g = new Graph();
  const half = ops.cast(g, g.input('x', 'float32', [2, 2]), 'float16');
  g.output('y', ops.cast(g, ops.gemm(g, half, half), 'float32'));
  const session = await Session.open(g, { threads: 1, device });
  try {
    const { y } = await session.run({ x: float32(Float32Array.of(1, 2, 3, 4), [2, 2]) });
    if ((y.data as Float32Array).join() !== '7,10,15,22')
      throw new Error(`it computes wrong numbers: ${y.data.join()}`);
  } finally {
    await session.close();
  }
}
