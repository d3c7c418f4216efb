/** Run when an image is built: fails unless the native modules load, and ONNX Runtime is the CPU build. */
import { readdirSync } from 'node:fs';

/** CUDA's provider has its own version of CUDA. On GPUs, PyTorch and vLLM compute. */
const providers = readdirSync('node_modules/onnxruntime-node/bin', { recursive: true }).filter((name) =>
  /cuda|tensorrt/i.test(name),
);
if (providers.length > 0) throw new Error(`ONNX Runtime is not the CPU build: ${providers.join(', ')}`);

const { InferenceSession, listSupportedBackends } = (await import('./dist/engine/onnxruntime.js')).default;
if (!InferenceSession || !listSupportedBackends().some(({ name }) => name === 'cpu'))
  throw new Error('ONNX Runtime has no CPU backend');
await import('@temporalio/worker');
await import('fs-native-extensions');
await import('./dist/cli/commands.js');
console.log(`Node ${process.version}: ONNX Runtime, Temporal's core and file locks load.`);
