import type { ProfileView } from '../api/types.ts';
import type { ConsentSettings } from '../config/consent-settings.ts';
import type { NodeContext } from '../process/node-context.ts';
import { askAccessLog } from './access-log-service.ts';
import { ConsentDesk, type ConsentParts } from './consent-desk.ts';
import type { OfficeAgent } from './office-agent.ts';
import { openNodeLedger } from './open-ledger.ts';

/** Starts the desk of a node with an HTTP API; ends with the context. */
export function startDesk(
  context: NodeContext,
  settings: ConsentSettings,
  agent: OfficeAgent,
  offices: { readonly kind: ProfileView['kind'] } & Pick<ConsentParts, 'openHome' | 'openResearch'>,
): ConsentDesk {
  const { rpc, deps, stack } = context;
  const { organisation, custodians } = settings;
  return stack.use(
    new ConsentDesk(
      {
        ...offices,
        organisation,
        custodians,
        board: agent.board,
        openLedger: () => openNodeLedger(context, settings, agent),
        readLog: (peer, from) => askAccessLog(rpc, peer, from),
      },
      deps,
    ),
  );
}
