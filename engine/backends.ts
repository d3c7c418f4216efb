/**
 * Backends: programs that answer the engine's protocol (protocol/jobs.ts), each in a process of its own.
 *
 * To add one, write its entry module, which calls `answerHost` (process/child.ts) with an object that runs every method of
 * `EngineMethods`, and name the module here. Nothing else in this project imports from a backend's folder.
 */
import { superviseEngine, type HostOptions } from './process/host.ts';
import type { Engine } from './protocol/jobs.ts';

/** Entry modules by the backend's name. */
const entries = {
  onnx: new URL('./onnx/main.ts', import.meta.url),
};
export type Backend = keyof typeof entries;

/**
 * An engine in a process of its own. The process starts with the first job, and again after it died.
 * @param options of the process's supervision
 */
export const startEngine = (options: HostOptions = {}, backend: Backend = 'onnx'): Engine =>
  superviseEngine(entries[backend], options);
