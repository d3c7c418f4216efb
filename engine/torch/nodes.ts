/**
 * Several machines (nodes) that compute one policy together. torchrun starts their ranks, with the settings of its own environment
 * variables, the same on all nodes but for the node's number:
 *
 *     PET_NNODES=2 PET_NODE_RANK=0 PET_MASTER_ADDR=10.0.0.1 PET_MASTER_PORT=29500
 *
 * The worker runs on node 0, with these variables in its environment, and starts torchrun there for its jobs. Every other node runs
 *
 *     PYTHONPATH=python python -m torch.distributed.run --nproc-per-node=GPUS -m selm_torch
 *
 * in a loop, since torchrun ends when a rank on any node does. The ranks read jobs and models and write checkpoints by path: TMPDIR,
 * SELM_CACHE and SELM_STORE (or SELM_HOME, which has the cache of a store on S3) are folders that all nodes share, at the same paths.
 */
import { InputError } from '../../data/errors.ts';

/** The number of nodes. @throws InputError when PET_NNODES is no number, or this is not node 0 */
export function nodeCount(): number {
  const { PET_NNODES: given = '1', PET_NODE_RANK: rank = '0' } = process.env;
  if (!/^[1-9]\d*$/.test(given)) {
    throw new InputError(
      `PET_NNODES=${given} is no number of nodes: give a fixed number such as 2, since results depend on it.`,
    );
  }
  const nodes = Number(given);
  if (nodes > 1 && rank !== '0') {
    throw new InputError(
      `PET_NODE_RANK=${rank}: the worker runs on node 0 only; on this node run torchrun (python -m torch.distributed.run -m selm_torch).`,
    );
  }
  return nodes;
}

/** Arguments of Python that run torchrun on this node. @param ranks of this node */
export const torchrunArguments = (ranks: number): string[] => [
  '-m',
  'torch.distributed.run',
  `--nproc-per-node=${ranks}`,
  '--rdzv-backend=static',
  '-m',
  'selm_torch',
];

/** The rank that failed first, from torchrun's report on stderr: `Rank 1 ended with exit code -9`. */
export function rootCause(stderr: string): string | undefined {
  const [, rank, code] = /Root Cause[\s\S]*?rank\s*: (\d+)[\s\S]*?exitcode\s*: (-?\d+)/.exec(stderr) ?? [];
  if (rank === undefined) return undefined;
  return Number(code) === -9 ? `Rank ${rank} was killed (SIGKILL)` : `Rank ${rank} ended with exit code ${code}`;
}
