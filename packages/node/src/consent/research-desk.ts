import { KeyDirectory } from '@pulsemesh/board';
import { decodeAccessReceipt } from '@pulsemesh/ledger/browser';
import { parsePeerId } from '@pulsemesh/wire';
import type { GrantView, Hex, VitalKind } from '../api/types.ts';
import type { ConsentSettings } from '../config/consent-settings.ts';
import { NotFoundError } from '../gateway/backend.ts';
import type { Download, ExportFormat, ExportSpan, ResearchDesk } from '../gateway/consent-backend.ts';
import type { NodeContext } from '../process/node-context.ts';
import type { Opened } from './consent-desk.ts';
import { decodeRecords, exportOf, noRecords, type OpenedRecord } from './exporting.ts';
import { ledgerKeyOf } from './ledger-account.ts';
import type { NodeLedger } from './node-ledger.ts';
import type { OfficeAgent } from './office-agent.ts';

/** Seconds of recording that one read asks for: what lies in a day is served in pages. */
const spanSecondsMax = 86_400;
/** Days read for one download; who wants more asks for parts. */
const spansMax = 31;

/** Opens the researcher's office of a node. @throws as `openResearchOffice`. */
export async function openResearchDesk(
  { identity, deps }: NodeContext,
  settings: ConsentSettings,
  agent: OfficeAgent,
  node: NodeLedger,
  onChange: () => void,
): Promise<Opened<ResearchDesk>> {
  const { accountSigner, openResearchOffice } = await import('@pulsemesh/ledger');
  const { post, store, box, board } = agent;
  const hasSigner = settings.research?.hasSigner === true && node.account !== null;
  await using stack = new AsyncDisposableStack();
  const office = stack.use(
    await openResearchOffice(
      {
        ...{ post, store, box, board },
        ledger: node.ledger,
        author: identity,
        organisation: settings.organisation,
        domain: node.domain,
        currency: { symbol: node.symbol, decimals: node.decimals },
        verifiers: node.verifiers,
        signer: hasSigner ? accountSigner({ privateKey: ledgerKeyOf(identity), signer: node.account }) : null,
        leftToSpend: node.leftToSpend,
        custodians: settings.custodians.map(({ peer, logKey }) => ({ peer: parsePeerId(peer), logKey })),
        keys: stack.use(new KeyDirectory(board)),
      },
      deps,
    ),
  );
  stack.use(office.onChange(onChange));
  const rest = stack.move();
  return {
    desk: { office, data: (grantId, vital, span, format) => readGrant(office, { grantId, vital, span }, format) },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

interface Wanted {
  readonly grantId: Hex;
  readonly vital: VitalKind | null;
  readonly span: ExportSpan;
}

/** Reads day after day and kind after kind: each is a read of its own in the custodian's log. */
async function readGrant(
  office: ResearchDesk['office'],
  { grantId, vital, span }: Wanted,
  format: ExportFormat,
): Promise<Download> {
  const grant = office.view().grants.find((one) => one.grantId === grantId);
  if (grant === undefined) throw new NotFoundError('grant');
  const records: OpenedRecord[] = [];
  const receipts: Uint8Array[] = [];
  for (const kind of vital === null ? grant.vitals : [vital]) {
    for (const part of spansOf(grant, span)) {
      const read = await office.read(grantId, kind, part);
      records.push(...read.records);
      receipts.push(read.receipt);
    }
  }
  const data = records.length === 0 ? noRecords : decodeRecords(records);
  const decoded = receipts.map((receipt) => decodeAccessReceipt(receipt));
  return exportOf({ data, receipts: decoded, consent: grant.consent, subject: null }, format);
}

function spansOf(grant: GrantView, { fromMs, untilMs }: ExportSpan) {
  const from = Math.floor(Math.max(grant.fromMs, fromMs ?? grant.fromMs) / 1000);
  const until = Math.ceil(Math.min(grant.untilMs, untilMs ?? grant.untilMs) / 1000);
  const spans: { fromSeconds: number; untilSeconds: number }[] = [];
  for (let start = from; start < until && spans.length < spansMax; start += spanSecondsMax) {
    spans.push({ fromSeconds: start, untilSeconds: Math.min(start + spanSecondsMax, until) });
  }
  return spans;
}
