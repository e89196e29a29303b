import type { CustodianOffice } from '@pulsemesh/ledger';
import { parsePeerId } from '@pulsemesh/wire';
import type { ConsentSettings } from '../config/consent-settings.ts';
import type { NodeContext } from '../process/node-context.ts';
import type { NodeLedger } from './node-ledger.ts';
import type { OfficeAgent } from './office-agent.ts';
import { createRecordShelf } from './record-shelf.ts';

/** Opens the custodian's office of a node over its records, wherever they lie. @throws as `openCustodianOffice`. */
export async function openCustodian(
  context: NodeContext,
  settings: ConsentSettings,
  agent: OfficeAgent,
  node: NodeLedger,
): Promise<CustodianOffice> {
  const { custodian } = settings;
  if (custodian === undefined) throw new TypeError('a custodian without its settings'); // parseNodeConfig refuses it
  const { openCustodianOffice } = await import('@pulsemesh/ledger');
  const { post, store, box, board } = agent;
  return openCustodianOffice(
    {
      ...{ post, store, box, board },
      ledger: node.ledger,
      author: context.identity,
      shelf: createRecordShelf(await context.records()),
      homes: custodian.homes.map(parsePeerId),
      domain: node.domain,
      verifiers: node.verifiers,
      anchorEveryMs: custodian.anchorEverySeconds * 1000,
      anchorCountMax: custodian.anchorCountMax,
      logsOnLedger: custodian.logsOnLedger,
    },
    context.deps,
  );
}
