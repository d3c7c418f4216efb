/** A process that has a folder for ranks until it is killed; scratch.test.ts checks what becomes of the folder. */
import { ScratchFolder } from '../../../engine/torch/scratch.ts';

process.send!(new ScratchFolder().path);
process.on('disconnect', () => process.exit());
