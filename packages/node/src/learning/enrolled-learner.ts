import type { BoardPlace } from '@pulsemesh/board/client';
import type { Identity } from '@pulsemesh/identity';
import type { NodeDependencies } from '../process/node-context.ts';
import { type StartAgentOptions, startMember } from '../relay/agent.ts';
import { type Learner, startLearner } from './learner.ts';

export interface EnrolledLearnerOptions extends Pick<StartAgentOptions, 'dataDirectory' | 'network' | 'enrolment'> {
  readonly board: BoardPlace;
}

/**
 * A party of learning that enrolled at a relay, under the organisation of its certificate. Disposing it ends its session too.
 * @throws as `startLearner`.
 */
export async function startEnrolledLearner(
  options: EnrolledLearnerOptions,
  identity: Identity,
  deps: NodeDependencies,
): Promise<Learner> {
  const { dataDirectory, network, enrolment, board } = options;
  await using stack = new AsyncDisposableStack();
  const { link } = startMember(options, identity, deps, stack);
  const learner = stack.use(
    await startLearner(
      {
        dataDirectory,
        organisation: enrolment.membership?.organisation ?? 'unknown',
        identity,
        relay: { url: enrolment.relayUrl, peerId: enrolment.relayPeer },
        link,
        board,
        network,
      },
      deps,
    ),
  );
  const rest = stack.move();
  return { ...learner, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}
