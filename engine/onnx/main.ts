/** Entry module of the ONNX Runtime backend: the process that engine/process/host.ts starts. */
import { answerHost } from '../process/child.ts';
import { LocalEngine } from './engine.ts';

answerHost(new LocalEngine());
