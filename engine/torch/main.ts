/** Entry module of the torch backend: the process that engine/process/host.ts starts. Arguments: seconds of silence, of loading. */
import { answerHost } from '../process/child.ts';
import { TorchEngine } from './engine.ts';

const [silence, loading] = process.argv.slice(2).map(Number);

answerHost(new TorchEngine({ silence, loading }));
