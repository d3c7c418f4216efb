/** A graph of a policy, opened to run: the part that all scorers of a policy share. */
import type { Graph } from './graph/tensor.ts';
import { adapterFeeds } from './policy.ts';
import type { LlamaPolicy } from '../tokens/policy.ts';
import { Session, type Feeds } from './session.ts';

/** The parts of a policy that its graphs need. */
export type ScoredPolicy = Pick<LlamaPolicy, 'model' | 'adapter'>;

export interface PolicySession {
  session: Session;
  /** The adapter's matrices, which every run is given. */
  adapter: Feeds;
  vocabSize: number;
}

/** Opens `graph`, which was built of this policy, to run. */
export async function openPolicySession(graph: Graph, policy: ScoredPolicy, threads: number): Promise<PolicySession> {
  const { dataFolder: folder, config } = policy.model;
  const session = await Session.open(graph, { folder, threads });
  return { session, adapter: adapterFeeds(policy.adapter), vocabSize: config.vocabSize };
}
