import { KeyDirectory } from '@pulsemesh/board';
import type { HomePolicy, OpenHomeOffice } from '@pulsemesh/ledger';
import type { SubjectId } from '@pulsemesh/network';
import type { PeopleDirectory } from '@pulsemesh/vitals/people';
import type { RecordsClient } from '@pulsemesh/vitals/records';
import { parsePeerId } from '@pulsemesh/wire';
import type { ConsentSettings } from '../config/consent-settings.ts';
import { NotFoundError } from '../gateway/backend.ts';
import type { HomeDesk } from '../gateway/consent-backend.ts';
import type { NodeContext } from '../process/node-context.ts';
import { askAccessLog } from './access-log-service.ts';
import type { OpenedHome } from './consent-desk.ts';
import { logEmergency } from './emergency-service.ts';
import { exportOf, readOwnRecords, spanOfExport } from './exporting.ts';
import { keepGrantsFile } from './grants-file.ts';
import { createHomePatients } from './home-patients.ts';
import type { NodeLedger } from './node-ledger.ts';
import { createNoticeSink } from './notice-sink.ts';
import type { OfficeAgent } from './office-agent.ts';

/** Patients whose waiting requests are counted for a page at most. */
const waitingMax = 1_000;
/** Receipts in one download, newest first. */
const receiptsMax = 1_000;

interface HomeParts {
  readonly settings: ConsentSettings;
  readonly agent: OfficeAgent;
  readonly directory: PeopleDirectory;
  readonly records: RecordsClient;
}

/** Opens the patients' office of a gateway. @throws as `openHomeOffice`. */
export async function openHomeDesk(
  context: NodeContext,
  { settings, agent, directory, records }: HomeParts,
  node: NodeLedger,
  onChange: (subject: string) => void,
): Promise<OpenedHome> {
  const { home } = settings;
  if (home === undefined) throw new TypeError('a home without its settings'); // the caller looks
  const { openHomeOffice } = await import('@pulsemesh/ledger');
  const { deps, identity, port, rpc } = context;
  const { post, store, box, board } = agent;
  await using stack = new AsyncDisposableStack();
  const patients = createHomePatients(directory, records);
  const office = stack.use(
    await openHomeOffice(
      {
        ...{ post, store, box, board, patients },
        ledger: node.ledger,
        author: identity,
        notices: createNoticeSink({ ...deps, port, rpc }),
        custodians: settings.custodians.map((one) => ({ ...one, peer: parsePeerId(one.peer) })),
        organisation: settings.organisation,
        policy: policyOf(home),
        domain: node.domain,
        currency: { symbol: node.symbol, decimals: node.decimals },
        passkeys: home.passkeys,
        verifiers: node.verifiers,
        keys: stack.use(new KeyDirectory(board)),
        readLog: (peer, from) => askAccessLog(rpc, peer, from),
      },
      deps,
    ),
  );
  stack.use(office.onChange(onChange));
  if (home.grantsFile !== undefined) stack.use(keepGrantsFile(home.grantsFile, office, deps));
  const desk = deskOf(office, { settings, directory, records }, context);
  const rest = stack.move();
  return {
    desk,
    waiting: () =>
      patients
        .list()
        .slice(0, waitingMax)
        .map((subject) => ({ subject, ...countsOf(office.view(subject)) }))
        .filter(({ asks, alarms }) => asks > 0 || alarms > 0),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** What pages and the command ask of an office that is open. */
function deskOf(
  office: OpenHomeOffice,
  { settings, directory, records }: Omit<HomeParts, 'agent'>,
  { deps, rpc }: Pick<NodeContext, 'deps' | 'rpc'>,
): HomeDesk {
  const assertPatient = (subject: string) => {
    if (!directory.bySubject(subject as SubjectId)?.isRegistered) throw new NotFoundError('patient');
  };
  const custodians = settings.custodians.map(({ peer }) => parsePeerId(peer));
  const opened = deps.meter.counter('consent_emergencies_total', 'Records opened in an emergency, without the patient');
  const desk: HomeDesk = {
    office,
    assertPatient,
    async inEmergency(subject, { by, reason }, format) {
      const stated = { subject, reason: `${by}: ${reason}` };
      await logEmergency(stated, custodians, { rpc, take: (access) => office.takeEmergency(access) });
      opened.add(1);
      deps.logger.warn('records were opened in an emergency: the patient is told');
      return desk.exported(subject, null, format);
    },
    async exported(subject, grantId, format) {
      const patient = directory.bySubject(subject as SubjectId);
      if (patient === undefined) throw new NotFoundError('patient');
      const { grants, accesses } = office.view(subject);
      const grant = grants.find((one) => one.grantId === grantId) ?? null;
      const receipts = accesses
        .filter((access) => grant === null || access.grantId === grant.grantId)
        .slice(0, receiptsMax)
        .map(({ receipt, custodian }) => ({ encoded: new Uint8Array(Buffer.from(receipt, 'base64')), custodian }));
      const nowMs = deps.clock.now();
      const data = await readOwnRecords(records, patient, spanOfExport(grant, nowMs));
      return exportOf({ data, receipts, consent: grant?.consent ?? null, subject, nowMs }, format);
    },
  };
  return desk;
}

function policyOf(home: NonNullable<ConsentSettings['home']>): HomePolicy {
  const { priceMax, offerValidForSeconds, deliverWithinSeconds, countMin, arbiter, catalogueEverySeconds } = home;
  return {
    priceMax: priceMax === undefined ? null : BigInt(priceMax),
    ...{ offerValidForSeconds, deliverWithinSeconds, countMin, arbiter },
    catalogueEveryMs: catalogueEverySeconds * 1000,
  };
}

function countsOf({ asks, alarms }: ReturnType<HomeDesk['office']['view']>) {
  return { asks: asks.filter(({ state }) => state === 'waiting').length, alarms: alarms.length };
}
