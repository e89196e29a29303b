import { KeyDirectory } from '@pulsemesh/board';
import type { ExportReceipt } from '@pulsemesh/ledger';
import { decodeAccessReceipt, verifyAccessReceipt } from '@pulsemesh/ledger/browser';
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
import { startResearcherMail } from './researcher-mail.ts';

/** Seconds of recording that one read asks for: what lies in a day is served in pages. */
const spanSecondsMax = 86_400;
/** Days read for one download; who wants more asks for parts. */
const spansMax = 31;

/** Opens the researcher's office of a node. @throws as `openResearchOffice`. */
export async function openResearchDesk(
  context: NodeContext,
  settings: ConsentSettings,
  agent: OfficeAgent,
  node: NodeLedger,
  onChange: () => void,
): Promise<Opened<ResearchDesk>> {
  const { identity, deps, config } = context;
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
  const { smtp } = config;
  const notify = settings.research?.notify;
  if (notify !== undefined && smtp !== undefined) {
    const { organisation } = settings;
    const mail = { notify, organisation, smtp, password: context.secrets.smtpPassword, identity };
    stack.use(startResearcherMail(office, mail, { ...deps, tables: await context.tables(), box: context.box }));
  }
  const rest = stack.move();
  return {
    desk: {
      office,
      data(grantId, vital, span, format) {
        const wanted = { grantId, vital, span, nowMs: deps.clock.now(), custodians: settings.custodians };
        return readGrant(office, wanted, format);
      },
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

interface Wanted {
  readonly grantId: Hex;
  readonly vital: VitalKind | null;
  readonly span: ExportSpan;
  readonly nowMs: number;
  readonly custodians: ConsentSettings['custodians'];
}

/** Reads day after day and kind after kind: each is a read of its own in the custodian's log. */
async function readGrant(
  office: ResearchDesk['office'],
  { grantId, vital, span, nowMs, custodians }: Wanted,
  format: ExportFormat,
): Promise<Download> {
  const grant = office.view().grants.find((one) => one.grantId === grantId);
  if (grant === undefined) throw new NotFoundError('grant');
  const records: OpenedRecord[] = [];
  const receipts: ExportReceipt[] = [];
  for (const kind of vital === null ? grant.vitals : [vital]) {
    for (const part of spansOf(grant, span)) {
      const read = await office.read(grantId, kind, part);
      records.push(...read.records);
      for (const encoded of [read.receipt, ...(read.furtherReceipts ?? [])]) {
        receipts.push({ encoded, custodian: custodianOf(encoded, custodians) });
      }
    }
  }
  const data = records.length === 0 ? noRecords : decodeRecords(records);
  return exportOf({ data, receipts, consent: grant.consent, subject: grantId, nowMs }, format);
}

/** Whose log the receipt is of; checked again here, because it goes into a file that others rely on. */
function custodianOf(encoded: Uint8Array, custodians: ConsentSettings['custodians']): string {
  const receipt = decodeAccessReceipt(encoded);
  for (const { logKey } of custodians) {
    try {
      return verifyAccessReceipt(receipt, { logKey }).custodian;
    } catch {
      // of another custodian
    }
  }
  return 'unknown';
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
