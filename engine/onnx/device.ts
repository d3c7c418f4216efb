/** Checks that a device can be used. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../../data/errors.ts';
import * as ops from './graph/ops.ts';
import { Graph } from './graph/tensor.ts';
import { float32, Session } from './session.ts';
import type { Device } from '../protocol/compute.ts';

const INSTALL = 'npm rebuild onnxruntime-node --ignore-scripts=false';
/** The CUDA version depends on the provider's build; the name of a missing library tells which. */
const NEEDS = "an NVIDIA driver, CUDA's libraries and cuDNN 9";

/** Where onnxruntime-node's install script puts the CUDA provider; it exists for one platform only. */
export const providerLibrary = (): string =>
  join(
    dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
    'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so',
  );

/**
 * Computes a small product on the device, in float16.
 * @throws InputError that says why the device cannot be used, and what to do
 */
export async function checkDevice(device: Device): Promise<void> {
  if (device === 'cpu') return;
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== 'linux-x64')
    throw new InputError(`device: cuda works on linux-x64 only, and this is ${platform}: set device: cpu.`);
  if (!existsSync(providerLibrary())) {
    throw new InputError(
      `device: cuda needs ONNX Runtime's CUDA provider, which is not installed: run ${INSTALL} ` +
        `(it downloads the provider from nuget.org, and needs ${NEEDS}), or set device: cpu.`,
    );
  }
  try {
    await computeOn(device);
  } catch (error) {
    const reason = missingLibrary() ?? (error as Error).message.trim().split('\n')[0];
    throw new InputError(
      `device: cuda does not work on this machine (${reason}): it needs ${NEEDS}, enough free GPU memory, ` +
        `and the CUDA provider of this ONNX Runtime version (${INSTALL}); or set device: cpu.`,
    );
  }
}

/**
 * The loader's message if the provider's library lacks another library. ONNX Runtime writes it only to its log.
 */
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
